"""Write a trace: one line of JSON for every question and its answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from unillmrec.errors import SettingsError

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
    file = _new_file(path)
    try:
        with file:

            def write(line: dict[str, Any]) -> None:
                name = "label" if line.get("asked_with") == "labels" else line["kind"]
                prompt = {"prompt": digests.get(name)}
                try:
                    file.write(json.dumps({**about, **line, **prompt}, ensure_ascii=False) + "\n")
                    file.flush()
                except OSError as error:
                    raise _unwritable(path, error) from error

            yield write
    finally:
        # Where nothing was asked, nothing should be in the way of the next attempt.
        if path.stat().st_size == 0:
            path.unlink()


def _new_file(path: Path) -> TextIO:
    try:
        return path.open("x", encoding="utf-8", errors="backslashreplace")
    except FileExistsError as error:
        raise SettingsError(
            f"{path} exists already.",
            detail="A trace is not added to an old one, and nothing was asked.",
            remedy="another --trace, or remove the file.",
        ) from error
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> SettingsError:
    return SettingsError(f"the trace {path} cannot be written: {error.strerror}.")
