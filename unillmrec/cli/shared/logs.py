"""Log events to standard error, one line per event."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from unillmrec.events import Event

if TYPE_CHECKING:
    from unillmrec.cli.flags.choices import LogFormat, LogLevel


def set_up_logs(level: LogLevel, form: LogFormat) -> None:
    """Log events of *level* and above, of this package only: others log prompts."""
    ours = logging.getLogger("unillmrec")
    for handler in [each for each in ours.handlers if isinstance(each, _Handler)]:
        ours.removeHandler(handler)
    handler = _Handler()
    handler.setFormatter(_AsJson() if form == "json" else _AsText())
    ours.addHandler(handler)
    ours.setLevel(level.upper())


class _Handler(logging.Handler):
    """Write to whatever `sys.stderr` is when a record arrives."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            # Standard error is closed; that is no reason to stop.
            return


class _AsText(logging.Formatter):
    """Text: `2026-01-31T12:00:00.123Z INFO unillmrec.endpoint call stage=rank seconds=0.41`."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        return f"{_timestamp(record)} {record.levelname} {record.name} {message}"


class _AsJson(logging.Formatter):
    """One JSON object per line: at, level, logger, event, and the fields of the event."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "at": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if isinstance(record.msg, Event):
            fields |= {"event": record.msg.name, **record.msg.fields}
        else:
            fields["event"] = record.getMessage()
        return json.dumps(fields, ensure_ascii=False, default=str)


def _timestamp(record: logging.LogRecord) -> str:
    time = datetime.fromtimestamp(record.created, UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z"
