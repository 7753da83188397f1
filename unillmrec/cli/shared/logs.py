"""What is going on, on the standard error stream: one line an event."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from unillmrec.events import Event

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
LogFormat: TypeAlias = Literal["text", "json"]


def set_up_logs(level: LogLevel, form: LogFormat) -> None:
    """Show events of *level* and above; of this package alone, others log prompts."""
    ours = logging.getLogger("unillmrec")
    for handler in [each for each in ours.handlers if isinstance(each, _Handler)]:
        ours.removeHandler(handler)
    handler = _Handler()
    handler.setFormatter(_AsJson() if form == "json" else _AsText())
    ours.addHandler(handler)
    ours.setLevel(level.upper())


class _Handler(logging.Handler):
    """Writes to the standard error stream, whichever that is by then."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            # Nobody listens; the work goes on.
            return


class _AsText(logging.Formatter):
    """`2026-01-31T12:00:00.123Z INFO unillmrec.endpoint call stage=rank seconds=0.41`."""

    def format(self, record: logging.LogRecord) -> str:
        said = record.getMessage()
        return f"{_moment(record)} {record.levelname} {record.name} {said}"


class _AsJson(logging.Formatter):
    """One object a line: at, level, logger, event, and the fields of the event."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, object] = {
            "at": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if isinstance(record.msg, Event):
            told |= {"event": record.msg.name, **record.msg.fields}
        else:
            told["event"] = record.getMessage()
        return json.dumps(told, ensure_ascii=False, default=str)


def _moment(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z"
