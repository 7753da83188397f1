"""Write down what an endpoint was asked and answered, and answer from that again.

A recording is a file of JSON lines. The first says where the answers came from; each other one
is a request with its reply or its error, or a figure of the run that no request has. There is
no key in it, and nothing about a person but what stands in the prompts.
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
    digest,
    error_as_plain,
    error_of,
    reply_as_plain,
    reply_of,
    request_as_plain,
)
from unillmrec.errors import BudgetError, EndpointError, SettingsError
from unillmrec.items import one_line
from unillmrec.system.json_lines import JsonLinesWriter

LAYOUT = 1


class Recording:
    """A new file that a run is written to, line by line. *about* goes into its first line.

    A run in which nothing was asked leaves no file.

    Raises:
        SettingsError: there is such a file already, or it cannot be written.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self._lock = threading.Lock()
        self._lines = JsonLinesWriter(path, "recording", "--record")
        # Written with the first answer: by then the address has been found fit to be shown.
        self._about: dict[str, Any] | None = {"recording": LAYOUT, **about}

    def add_about(self, name: str, value: object) -> None:
        """Put something more into the first line, before anything is asked."""
        assert self._about is not None
        self._about[name] = value

    def write(self, line: Mapping[str, Any]) -> None:
        """Add a line, whole and at once: a run that is killed leaves what it has paid for."""
        with self._lock:
            self._lines.write(*((self._about, line) if self._about else (line,)))
            self._about = None

    def figure(self, name: str, value: float) -> float:
        """Write a figure down that another run would measure differently; return it."""
        self.write({"figure": name, "value": value})
        return value

    def close(self) -> None:
        """Close the file; nothing is left of it if nothing was asked."""
        self._lines.close()


class RecordingEndpoint:
    """Passes everything on to an endpoint, and what comes of it to a recording."""

    def __init__(self, endpoint: Endpoint, recording: Recording) -> None:
        self.model = endpoint.model
        self.name = endpoint.name
        self._endpoint = endpoint
        self._recording = recording

    def complete(self, request: Request) -> Reply:
        """Ask once, and write it down."""
        asked = request_as_plain(request)
        line = {"key": digest(asked), **asked}
        try:
            reply = self._endpoint.complete(request)
        except (CallError, AnswerError, BudgetError) as error:
            self._recording.write({**line, "error": error_as_plain(error)})
            raise
        self._recording.write({**line, "reply": reply_as_plain(reply)})
        return reply


class ReplayedEndpoint:
    """Answers from a recording, and from nothing else.

    A request that was recorded several times gets its replies in the order of recording.
    *about* is the first line.

    Raises:
        SettingsError: there is no such file, or it is no recording.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.about: dict[str, Any] = {}
        self._answers: dict[str, deque[dict[str, Any]]] = {}
        self._asked_once: set[str] = set()
        self._figures: dict[str, deque[float]] = {}
        self._lock = threading.Lock()
        self._read()
        self.model = str(self.about.get("model", ""))
        self.name = urlsplit(self.about.get("base_url") or OPENAI_URL).netloc

    def complete(self, request: Request) -> Reply:
        """Answer as it was answered then, with an error too.

        Raises:
            EndpointError: the request is not in the recording, or not so many times.
        """
        key = digest(request_as_plain(request))
        with self._lock:
            left = self._answers.get(key)
            told = left.popleft() if left else None
        if told is None:
            raise self._missing(request, again=left is not None)
        if "error" in told:
            raise error_of(told["error"])
        return reply_of(told["reply"])

    def figure(self, name: str, value: float) -> float:
        """Return the figure that was recorded in place of *value*, if there is one."""
        with self._lock:
            left = self._figures.get(name)
            return left.popleft() if left else value

    def _missing(self, request: Request, *, again: bool) -> EndpointError:
        begins = one_line(request.messages[-1].content, 100) if request.messages else ""
        asked = f"request of the {request.stage} stage that begins {begins!r}"
        return EndpointError(
            f"{self.path} holds no {'further ' if again else ''}answer to a {asked}.",
            detail="Nothing was sent: a replay answers from the recording alone.",
            remedy="the command, tree, prompts and version it was made with, or a new --record.",
        )

    def _read(self) -> None:
        try:
            with self.path.open(encoding="utf-8") as lines:
                for number, text in enumerate(lines, start=1):
                    self._take(number, text)
        except (OSError, UnicodeDecodeError) as error:
            told = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SettingsError(f"the recording {self.path} cannot be read: {told}.") from error
        if not self.about:
            raise self._unreadable(1)

    def _take(self, number: int, text: str) -> None:
        try:
            line = json.loads(text)
            if number == 1:
                if line["recording"] != LAYOUT:
                    raise ValueError
                self.about = line
            elif "figure" in line:
                self._figures.setdefault(line["figure"], deque()).append(line["value"])
            else:
                kept = {name: line[name] for name in ("reply", "error") if name in line}
                self._answers.setdefault(line["key"], deque()).append(kept)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if not text.endswith("\n") and number > 1:
                # The last line of a run that was killed.
                return
            raise self._unreadable(number) from error

    def _unreadable(self, number: int) -> SettingsError:
        return SettingsError(
            f"{self.path}:{number}: this is no line of a recording that this version can read.",
            remedy="a file that was written with --record.",
        )
