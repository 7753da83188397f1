"""Record every request of a run with its reply, and replay the run from that file.

A recording is a JSON-lines file. The first line says which model answered; each further line is
a request with its reply or its error, or a measurement that would differ in another run. The
file holds no key, and of a person only what is in the prompts.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from unillmrec.endpoint.access import OPENAI_URL
from unillmrec.endpoint.contract import AnswerError, CallError, Endpoint, Reply, Request
from unillmrec.endpoint.wrappers.serialization import (
    Plain,
    digest,
    error_from_plain,
    error_to_plain,
    reply_from_plain,
    reply_to_plain,
    request_to_plain,
)
from unillmrec.errors import BudgetError, EndpointError, SettingsError
from unillmrec.items import one_line
from unillmrec.system.json_lines import JsonLinesWriter

LAYOUT = 1


class Recording:
    """A new recording, written line by line. *about* goes into its first line.

    A run without any call leaves no file.

    Raises:
        SettingsError: the file exists already, or cannot be written.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self._lock = threading.Lock()
        self._lines = JsonLinesWriter(path, "recording", "--record")
        # Written with the first answer: by then the address is known to hold no password.
        self._about: Plain | None = {"recording": LAYOUT, **about}

    def add_about(self, name: str, value: object) -> None:
        """Add a field to the first line, before the first call."""
        assert self._about is not None
        self._about[name] = value

    def write(self, line: Mapping[str, Any]) -> None:
        """Write a line to disk at once, so that a killed run keeps what it has paid for."""
        with self._lock:
            self._lines.write(*((self._about, line) if self._about else (line,)))
            self._about = None

    def measurement(self, name: str, value: float) -> float:
        """Record a *value* that another run would measure differently, and return it."""
        self.write({"figure": name, "value": value})
        return value

    def close(self) -> None:
        """Close the file, and remove it if it is empty."""
        self._lines.close()


class RecordingEndpoint:
    """Pass requests on to *endpoint*, and record each with its reply or error."""

    def __init__(self, endpoint: Endpoint, recording: Recording) -> None:
        self.model = endpoint.model
        self.name = endpoint.name
        self._endpoint = endpoint
        self._recording = recording

    def complete(self, request: Request) -> Reply:
        """Return the endpoint's reply, and record it."""
        plain = request_to_plain(request)
        line = {"key": digest(plain), **plain}
        try:
            reply = self._endpoint.complete(request)
        except (CallError, AnswerError, BudgetError) as error:
            self._recording.write({**line, "error": error_to_plain(error)})
            raise
        self._recording.write({**line, "reply": reply_to_plain(reply)})
        return reply


class ReplayedEndpoint:
    """Answer from a recording only, without any call.

    A request that was recorded several times gets its replies in the order of recording.
    *about* is the first line of the file.

    Raises:
        SettingsError: the file is missing, or is not a recording.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.about: Plain = {}
        self._answers: dict[str, deque[Plain]] = {}
        self._measurements: dict[str, deque[float]] = {}
        self._lock = threading.Lock()
        self._read()
        self.model = str(self.about.get("model", ""))
        self.name = urlsplit(self.about.get("base_url") or OPENAI_URL).netloc

    def complete(self, request: Request) -> Reply:
        """Return the recorded reply, or raise the recorded error.

        Raises:
            EndpointError: the recording has no reply to *request*, or no further one.
        """
        key = digest(request_to_plain(request))
        with self._lock:
            answers = self._answers.get(key)
            answer = answers.popleft() if answers else None
        if answer is None:
            raise self._missing(request, again=answers is not None)
        if "error" in answer:
            raise error_from_plain(answer["error"])
        return reply_from_plain(answer["reply"])

    def measurement(self, name: str, value: float) -> float:
        """Return the recorded measurement instead of *value*, if there is one."""
        with self._lock:
            values = self._measurements.get(name)
            return values.popleft() if values else value

    def _missing(self, request: Request, *, again: bool) -> EndpointError:
        begins = one_line(request.messages[-1].content, 100) if request.messages else ""
        wanted = f"request of the {request.stage} stage that begins {begins!r}"
        return EndpointError(
            f"{self.path} holds no {'further ' if again else ''}answer to a {wanted}.",
            detail="Nothing was sent: a replay answers from the recording alone.",
            remedy="the command, tree, prompts and version it was made with, or a new --record.",
        )

    def _read(self) -> None:
        try:
            with self.path.open(encoding="utf-8") as lines:
                for number, text in enumerate(lines, start=1):
                    self._read_line(number, text)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
            raise SettingsError(f"the recording {self.path} cannot be read: {reason}.") from error
        if not self.about:
            raise self._unreadable(1)

    def _read_line(self, number: int, text: str) -> None:
        try:
            line = json.loads(text)
            if number == 1:
                if line["recording"] != LAYOUT:
                    raise ValueError
                self.about = line
            elif "figure" in line:
                self._measurements.setdefault(line["figure"], deque()).append(line["value"])
            else:
                answer = {name: line[name] for name in ("reply", "error") if name in line}
                self._answers.setdefault(line["key"], deque()).append(answer)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if not text.endswith("\n") and number > 1:
                # A killed run leaves an incomplete last line.
                return
            raise self._unreadable(number) from error

    def _unreadable(self, number: int) -> SettingsError:
        return SettingsError(
            f"{self.path}:{number}: not a line of a recording that this version can read.",
            remedy="a file that was written with --record.",
        )
