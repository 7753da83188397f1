"""What is going on, for those who watch: one event a line, through the standard `logging`.

Loggers are named `unillmrec.AREA`. Nobody hears them unless a handler is set up, as `--log-level`
does. An event holds no prompt, no key and no person.
"""

from __future__ import annotations

import logging

# Without it, warnings would be printed where nobody has asked for them.
logging.getLogger("unillmrec").addHandler(logging.NullHandler())


class Event:
    """Something that happened, in a few words, with its figures.

    As text it reads `call stage=rank seconds=0.41`; a field that is None is left out.
    """

    __slots__ = ("fields", "name")

    def __init__(self, name: str, **fields: object) -> None:
        self.name = name
        self.fields = {key: value for key, value in fields.items() if value is not None}

    def __str__(self) -> str:
        return " ".join(
            [self.name, *(f"{key}={_told(value)}" for key, value in self.fields.items())]
        )


def logger(area: str) -> logging.Logger:
    """Return the logger of a part of this package."""
    return logging.getLogger(f"unillmrec.{area}")


def _told(value: object) -> str:
    """Return *value* as one word, in quotes if it has blanks in it."""
    text = str(value)
    return text if text.isprintable() and not set(text) & set(' "=') and text else repr(text)
