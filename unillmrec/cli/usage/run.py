"""Find a usage log, and sum it up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import typer

from unillmrec.cli.flags.settings import settings_of
from unillmrec.cli.usage.request import UsageRequest
from unillmrec.errors import StoreError
from unillmrec.settings import Settings
from unillmrec.usage_log import SUFFIX, Grouping, UsageLine, log_path, read_log


@dataclass(frozen=True, slots=True)
class UsageSummary:
    """The sums of a usage log; the file does not exist if no call was ever made."""

    log: Path
    by: Grouping
    since: datetime | None
    lines: list[UsageLine]
    total: UsageLine


def read_usage(request: UsageRequest) -> UsageSummary:
    """Sum up the log of a tree, or a log.

    Raises:
        StoreError: there is no such file, or it is no usage log.
    """
    since = _parse_time(request.since)
    log, tree = _find_log(request.file, settings_of(request))
    lines, total = read_log(log, request.by, since, tree)
    return UsageSummary(log, request.by, since, lines, total)


def _parse_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    if ago := re.fullmatch(r"(\d{1,5})([hdw])", text.strip()):
        units = {"h": "hours", "d": "days", "w": "weeks"}
        return datetime.now().astimezone() - timedelta(**{units[ago[2]]: int(ago[1])})
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise typer.TyperException(
            f"--since is a day such as 2026-01-31, or a time such as 7d or 12h, not {text!r}."
        ) from error


def _find_log(file: Path | None, settings: Settings) -> tuple[Path, Path | None]:
    """Return the log to read, and the tree whose calls to count; None counts all calls."""
    if file is None:
        if isinstance(settings.usage_log, Path):
            return settings.usage_log, None
        return _only_log(), None
    if file.name.endswith(SUFFIX):
        return file, None
    log = log_path(file, settings.usage_log)
    if log is None:
        raise StoreError(
            "usage is not logged.",
            detail=f"usage_log is off ({settings.origin('usage_log')}).",
            remedy=f"name a log, such as {file}{SUFFIX}.",
        )
    if not file.exists() and not log.exists():
        raise StoreError(f"{file} does not exist.", remedy="name a tree or its usage log.")
    return log, file


def _only_log() -> Path:
    logs = sorted(Path().glob(f"*{SUFFIX}"))
    if len(logs) == 1:
        return logs[0]
    if not logs:
        raise StoreError(
            "there is no usage log in this folder.",
            detail="One appears beside a tree with the first call to an endpoint.",
            remedy="name a tree, or set UNILLMREC_USAGE_LOG.",
        )
    names = ", ".join(str(each) for each in logs[:5])
    raise StoreError(
        f"there are {len(logs)} usage logs in this folder.", detail=names, remedy="name one."
    )
