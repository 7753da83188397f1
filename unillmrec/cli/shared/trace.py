"""Write a trace: one line of JSON for every question and its answer."""

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
    """Give what writes to *path*, which must not exist yet.

    *about* goes into every line, and of *digests* that of the prompt. Each line is written
    before the next question is asked, so that the trace of a run that fails shows why.

    Raises:
        SettingsError: there is such a file already, or it cannot be written.
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
