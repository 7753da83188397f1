"""New files of JSON lines: each line is whole and on disk before the next thing is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from unillmrec.errors import SettingsError


class JsonLinesWriter:
    """A file that must not exist yet, written line by line.

    *what* it is, a trace or a recording, and the *flag* that names it, are for errors. Where
    nothing was written, no file is left in the way of the next attempt.

    Raises:
        SettingsError: there is such a file already, or it cannot be written.
    """

    def __init__(self, path: Path, what: str, flag: str) -> None:
        self.path = path
        self._what = what
        try:
            self._file = path.open("x", encoding="utf-8", errors="backslashreplace")
        except FileExistsError as error:
            raise SettingsError(
                f"{path} exists already.",
                detail=f"A {what} is not added to an old one, and nothing was asked.",
                remedy=f"another {flag}, or remove the file.",
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error

    def write(self, *lines: Mapping[str, Any]) -> None:
        """Add lines, at once: a run that is killed leaves what it has paid for."""
        text = "".join(json.dumps(e, ensure_ascii=False, default=dict) + "\n" for e in lines)
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        """Close the file, and take it away if nothing is in it."""
        self._file.close()
        with suppress(FileNotFoundError):
            if self.path.stat().st_size == 0:
                self.path.unlink()

    def _unwritable(self, error: OSError) -> SettingsError:
        return SettingsError(f"the {self._what} {self.path} cannot be written: {error.strerror}.")
