"""Ask for confirmation before something is paid for."""

from __future__ import annotations

import sys

from unillmrec.cli.shared.output import note
from unillmrec.errors import SettingsError


def confirm(cost: str, *, yes: bool) -> None:
    """Print *cost*, and ask whether to continue unless *yes*.

    Raises:
        SettingsError: the answer was not yes, or there is nobody to ask.
    """
    note(cost)
    if yes:
        return
    answer = ""
    if sys.stdin.isatty() and sys.stderr.isatty():
        sys.stderr.write("Continue? [y/N] ")
        sys.stderr.flush()
        answer = sys.stdin.readline()
    if answer.strip().lower() not in {"y", "yes"}:
        raise SettingsError("nothing was sent.", remedy="--yes to continue without confirmation.")
