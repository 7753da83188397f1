"""Write a trace: one line of JSON for each question and its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from unillmrec.system.json_lines import JsonLinesWriter

WriteTrace = Callable[[dict[str, Any]], None]


@contextmanager
def open_trace(
    path: Path | None, about: Mapping[str, object], digests: Mapping[str, str]
) -> Iterator[WriteTrace | None]:
    """Yield a function that writes one line of the trace; None without a *path*.

    *about* goes into every line, with the digest of the prompt that was used, from *digests*.
    Each line is written before the next question is asked, so the trace of a failed run shows
    why it failed.

    Raises:
        SettingsError: the file exists already, or cannot be written.
    """
    if path is None:
        yield None
        return
    file = JsonLinesWriter(path, "trace", "--trace")

    def write(line: dict[str, Any]) -> None:
        name = "label" if line.get("asked_with") == "labels" else line["kind"]
        file.write({**about, **line, "prompt": digests.get(name)})

    with closing(file):
        yield write
