"""Log events through the standard `logging`, one line each.

Loggers are named `unillmrec.AREA` and silent unless a handler is installed, as `--log-level` does.
Events contain no prompts, keys or people.
"""

from __future__ import annotations

import logging

# Without a handler, Python would print warnings that nobody asked for.
logging.getLogger("unillmrec").addHandler(logging.NullHandler())


class Event:
    """A named log event with fields.

    As text it reads `call stage=rank seconds=0.41`; fields that are None are left out.
    """

    __slots__ = ("fields", "name")

    def __init__(self, name: str, **fields: object) -> None:
        self.name = name
        self.fields = {key: value for key, value in fields.items() if value is not None}

    def __str__(self) -> str:
        return " ".join(
            [self.name, *(f"{key}={_as_word(value)}" for key, value in self.fields.items())]
        )


def logger(area: str) -> logging.Logger:
    """Return the logger of an area of this package."""
    return logging.getLogger(f"unillmrec.{area}")


def _as_word(value: object) -> str:
    """Format *value* as one word, quoted if it contains blanks."""
    text = str(value)
    return text if text.isprintable() and not set(text) & set(' "=') and text else repr(text)
