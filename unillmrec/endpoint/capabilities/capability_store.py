"""Remember what was learned about servers in one small file, for the next process.

One entry belongs to one model at one address: the request style that worked, and what `doctor`
has measured. The file holds no key. Problems with it never fail a call: what cannot be read or
written is learned again.
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
from unillmrec.system.folders import state_folder
from unillmrec.system.locks import file_lock

LAYOUT = 1
# Tests and tunnels give a server a new port every time; the oldest entries are removed.
MOST_ENTRIES = 200
# Servers are updated: what was refused once is tried again after this time.
TRUSTED_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What is known of one model at one address.

    *label_bias* is the share of each label when no choice is better than another, as measured
    with the prompt of digest *label_prompt*; empty if it was not measured.
    """

    style: RequestStyle = field(default_factory=RequestStyle)
    label_bias: Mapping[str, float] = field(default_factory=dict)
    label_prompt: str = ""


class CapabilityStore:
    """The entry of one model at one address; several processes may write to the file.

    Without a *path* nothing is read or written.
    """

    def __init__(self, path: Path | None, base_url: str, model: str) -> None:
        self.path = path
        self._identity = {"base_url": base_url, "model": model}
        self._name = f"{model} at {base_url}"

    def read(self) -> Capabilities | None:
        """Return the entry; None if there is none, or if it is unusable."""
        return _parse(_read_entries(self.path).get(self._name)) if self.path else None

    def write(self, capabilities: Capabilities) -> None:
        """Replace the entry."""
        self._change(lambda _: capabilities)

    def write_style(self, style: RequestStyle) -> None:
        """Replace the request style in the entry, and keep what was measured."""
        self._change(lambda known: replace(known or Capabilities(), style=style))

    def forget(self) -> bool:
        """Remove the entry; return whether there was one."""
        exists = self.path is not None and self._name in _read_entries(self.path)
        if exists:
            self._change(lambda _: None)
        return exists

    def _change(self, change: Callable[[Capabilities | None], Capabilities | None]) -> None:
        """Replace the entry by what *change* returns for it, under the lock of the file."""
        if self.path is None:
            return
        with suppress(OSError), _locked(self.path):
            entries = _read_entries(self.path)
            capabilities = change(_parse(entries.pop(self._name, None)))
            if capabilities is not None:
                entries[self._name] = {**self._identity, **_to_entry(capabilities)}
            newest = sorted(entries.items(), key=lambda pair: str(pair[1].get("learnt")))
            _write_entries(self.path, dict(newest[-MOST_ENTRIES:]))


def default_path() -> Path | None:
    """Return the path of the file in the user's state folder; None for users without a home."""
    folder = state_folder()
    return folder and folder / "endpoints.json"


def _read_entries(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    usable = isinstance(content, dict) and content.get("layout") == LAYOUT
    entries = content.get("endpoints") if usable else None
    if not isinstance(entries, dict):
        return {}
    return entries if all(isinstance(each, dict) for each in entries.values()) else {}


def _to_entry(capabilities: Capabilities) -> dict[str, Any]:
    return {
        **asdict(capabilities.style),
        "label_bias": dict(capabilities.label_bias),
        "label_prompt": capabilities.label_prompt,
        "learnt": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _parse(entry: object) -> Capabilities | None:
    """Return the capabilities in an entry; None if any of its fields is unusable."""
    if not isinstance(entry, dict):
        return None
    response_format, limit = entry.get("response_format"), entry.get("limit_parameter")
    temperature, labels = entry.get("temperature"), entry.get("labels")
    if response_format not in FORMATS or limit not in LIMITS:
        return None
    if not isinstance(temperature, bool) or labels not in (True, False, None):
        return None
    style = RequestStyle(response_format, limit, temperature, labels)
    if not _is_fresh(entry.get("learnt")):
        # Only refusals are tried again: what doctor found to work stays until it fails.
        style = RequestStyle(labels=labels or None)
    bias, prompt = _parse_bias(entry.get("label_bias")), str(entry.get("label_prompt") or "")
    return Capabilities(style, bias, prompt)


def _is_fresh(written: object) -> bool:
    try:
        age = datetime.now(UTC) - datetime.fromisoformat(str(written))
    except (ValueError, TypeError):
        return False
    return age < TRUSTED_FOR


def _parse_bias(value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        return {}
    usable = all(isinstance(v, float) and math.isfinite(v) and v >= 0 for v in value.values())
    return value if usable else {}


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait until no other process is changing the file at *path*."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(path.with_name(path.name + ".lock")):
        yield


def _write_entries(path: Path, entries: Mapping[str, Any]) -> None:
    text = json.dumps({"layout": LAYOUT, "endpoints": entries}, ensure_ascii=False, indent=1)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
