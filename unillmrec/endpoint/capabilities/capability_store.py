"""What was learnt about servers, kept in one small file for the next process.

One entry is one model at one address: the way of asking that worked, and what `doctor` has
measured. There is no key in it. Trouble with the file never stands in the way of a call:
what cannot be read is learnt again, what cannot be written is learnt again next time.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from unillmrec.endpoint.capabilities.request_style import FORMATS, LIMITS, RequestStyle

LAYOUT = 1
# Tests and tunnels give a server a new port every time; the oldest entries go.
MOST_ENTRIES = 200
# Servers are updated: what was refused once is tried again after a while.
TRUSTED_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one model at one address.

    *label_bias* is how the model spreads over labels when no line is better than another, as
    asked with the prompt of the digest *label_prompt*; empty if it was not measured.
    """

    way: RequestStyle = field(default_factory=RequestStyle)
    label_bias: Mapping[str, float] = field(default_factory=dict)
    label_prompt: str = ""


class CapabilityStore:
    """The file, for one model at one address. Several processes may write to it.

    Without a *path* nothing is read or written.
    """

    def __init__(self, path: Path | None, base_url: str, model: str) -> None:
        self.path = path
        self._about = {"base_url": base_url, "model": model}
        self._name = f"{model} at {base_url}"

    def read(self) -> Known | None:
        """Return what is known; None if nothing is, or nothing that can be used."""
        return _known(_entries(self.path).get(self._name)) if self.path else None

    def keep_way(self, way: RequestStyle) -> None:
        """Write down the way of asking that works now, beside what was measured."""
        self._change(lambda known: replace(known or Known(), way=way))

    def write(self, known: Known) -> None:
        """Write down all that is known."""
        self._change(lambda _: known)

    def forget(self) -> bool:
        """Take the entry out; return whether there was one."""
        there = self.path is not None and self._name in _entries(self.path)
        if there:
            self._change(lambda _: None)
        return there

    def _change(self, change: Callable[[Known | None], Known | None]) -> None:
        """Put what *change* makes of the entry in its place, while no other process does."""
        if self.path is None:
            return
        with suppress(OSError), _turn(self.path):
            entries = _entries(self.path)
            known = change(_known(entries.pop(self._name, None)))
            if known is not None:
                entries[self._name] = {**self._about, **_as_entry(known)}
            newest = sorted(entries.items(), key=lambda pair: str(pair[1].get("learnt")))
            _replace(self.path, dict(newest[-MOST_ENTRIES:]))


def default_path(environment: Mapping[str, str]) -> Path | None:
    """Return where the file is for this user; None where users have no place of their own."""
    state = environment.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):
        try:
            state = str(Path.home() / ".local" / "state")
        except RuntimeError:
            return None
    return Path(state) / "unillmrec" / "endpoints.json"


def _entries(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    usable = isinstance(held, dict) and held.get("layout") == LAYOUT
    entries = held.get("endpoints") if usable else None
    whole = isinstance(entries, dict) and all(isinstance(e, dict) for e in entries.values())
    return entries if isinstance(entries, dict) and whole else {}


def _as_entry(known: Known) -> dict[str, Any]:
    return {
        **asdict(known.way),
        "label_bias": dict(known.label_bias),
        "label_prompt": known.label_prompt,
        "learnt": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _known(entry: object) -> Known | None:
    """Return an entry as a value, if every field of it is one that could have been written."""
    if not isinstance(entry, dict):
        return None
    response_format, limit = entry.get("response_format"), entry.get("limit_parameter")
    temperature, labels = entry.get("temperature"), entry.get("labels")
    if response_format not in FORMATS or limit not in LIMITS:
        return None
    if not isinstance(temperature, bool) or labels not in (True, False, None):
        return None
    way = RequestStyle(response_format, limit, temperature, labels)
    if not _is_fresh(entry.get("learnt")):
        # What doctor has found to work is no refusal, and stays until it fails.
        way = RequestStyle(labels=labels or None)
    return Known(way, _bias(entry.get("label_bias")), str(entry.get("label_prompt") or ""))


def _is_fresh(learnt: object) -> bool:
    try:
        age = datetime.now(UTC) - datetime.fromisoformat(str(learnt))
    except (ValueError, TypeError):
        return False
    return age < TRUSTED_FOR


def _bias(value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        return {}
    usable = all(isinstance(v, float) and math.isfinite(v) and v >= 0 for v in value.values())
    return value if usable else {}


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Wait until no other process is changing the file at *path*."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows: a change may be lost there, and the file is never broken.
        yield
        return
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replace(path: Path, entries: Mapping[str, Any]) -> None:
    text = json.dumps({"layout": LAYOUT, "endpoints": entries}, ensure_ascii=False, indent=1)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise
