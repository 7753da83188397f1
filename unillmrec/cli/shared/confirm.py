"""Ask a person before something is paid for."""

from __future__ import annotations

import sys

from unillmrec.cli.shared.output import note
from unillmrec.errors import SettingsError


def go_on(cost: str, *, yes: bool) -> None:
    """Say what something will cost, and go on if that was agreed to.

    Raises:
        SettingsError: nobody said yes.
    """
    note(cost)
    if yes:
        return
    answer = ""
    if sys.stdin.isatty() and sys.stderr.isatty():
        sys.stderr.write("Go on? [y/N] ")
        sys.stderr.flush()
        answer = sys.stdin.readline()
    if answer.strip().lower() not in {"y", "yes"}:
        raise SettingsError("nothing was sent.", remedy="--yes to go on without being asked.")
