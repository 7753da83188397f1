"""Find the JSON in a model's text, even if it is wrapped, malformed or cut off."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | bool | None"

# Deeper than any reply we ask for; deeper nesting could exhaust the stack.
_MOST_LEVELS = 24
# None of our numbers is longer, and Python refuses to convert very long ones.
_MOST_DIGITS = 15

# The quantifiers are possessive, so that no text causes backtracking. A number at the very end
# of the text may have lost its last digits, and does not match.
_TOKEN = re.compile(
    r"""
      (?P<space>  \s++ )
    | (?P<mark>   [\[\]{}:,] )
    | (?P<text>   "[^"\\]*+(?:\\.[^"\\]*+)*+" | '[^'\\]*+(?:\\.[^'\\]*+)*+' )
    | (?P<number> [-+]?\d++(?:\.\d++)?+(?:[eE][-+]?\d{1,3})?+%?+ (?![\w.]|\Z) )
    | (?P<word>   [^\W\d]\w*+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_OPENING = re.compile(r"[\[{]")
_PAIRS = {"]": False, "}": True}
_LITERALS: dict[str, Json] = {"true": True, "false": False, "null": None, "none": None}
_LITERALS |= {"nan": None, "infinity": None, "undefined": None}


@dataclass(frozen=True, slots=True)
class Fragment:
    """An outermost object or list, and whether it was closed."""

    value: Json
    complete: bool


def fragments(text: str) -> Iterator[Fragment]:
    """Yield the outermost objects and lists in *text*, in order.

    Single quotes, bare keys, Python's literals, percent signs and superfluous commas are accepted.
    Of a value that breaks off, the complete parts are kept. The time is linear in the length of
    *text*.
    """
    opening = _OPENING.search(text)
    strict = _strict(text, opening.start()) if opening else None
    position = 0
    if strict is not None:
        value, position = strict
        yield Fragment(value, complete=True)
    while (opening := _OPENING.search(text, position)) is not None:
        reader = _Reader()
        # The token that broke one value may start the next one.
        position = reader.read(text, opening.start())
        yield Fragment(reader.value, reader.complete)


def _strict(text: str, start: int) -> tuple[Json, int] | None:
    """Return the value that begins at *start* and its end, if it is strictly valid JSON.

    Most replies are, and this takes a tenth of the time. It is tried once per text, which keeps
    the time linear.
    """
    try:
        value, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return (value, end) if _is_shallow(value, _MOST_LEVELS) else None


def _is_shallow(value: Json, levels: int) -> bool:
    """Return whether objects and lists are nested at most *levels* deep."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(each, levels - 1) for each in inner)


@dataclass(slots=True)
class _Level:
    """An object or a list that is still open.

    In an object, *key* is the key without a value yet, and *colon* whether its colon was read.
    """

    is_object: bool
    fields: dict[str, Json] = field(default_factory=dict)
    items: list[Json] = field(default_factory=list)
    key: str | None = None
    colon: bool = False

    @property
    def takes_value(self) -> bool:
        return self.colon or not self.is_object

    def put(self, value: Json) -> None:
        if not self.is_object:
            self.items.append(value)
        elif self.key is not None:
            self.fields[self.key] = value
            self.key, self.colon = None, False


class _Reader:
    """Parses one value, from its opening bracket on."""

    def __init__(self) -> None:
        self.value: Json = None
        self.complete = False
        self._levels: list[_Level] = []

    def read(self, text: str, position: int) -> int:
        """Parse until the value ends or breaks off; return the position after it."""
        while not self.complete:
            match = _TOKEN.match(text, position)
            if match is None or not self._take(match.lastgroup or "", match[0]):
                break
            position = match.end()
        while self._levels:
            self._close()
        return position

    def _take(self, kind: str, token: str) -> bool:
        """Process one token; return False if it cannot stand there."""
        if kind == "space":
            return True
        if kind == "mark":
            return self._take_mark(token)
        level = self._levels[-1]
        if level.takes_value:
            known = kind != "word" or token.lower() in _LITERALS
            if known:
                level.put(_parse_value(kind, token))
            return known
        if level.key is None:
            level.key = _unquoted(token) if kind == "text" else token
            return True
        return False

    def _take_mark(self, mark: str) -> bool:
        if mark in "[{":
            if len(self._levels) == _MOST_LEVELS or not (
                not self._levels or self._levels[-1].takes_value
            ):
                return False
            self._levels.append(_Level(is_object=mark == "{"))
            return True
        level = self._levels[-1]
        if mark == ",":
            level.key, level.colon = None, False
            return True
        if mark == ":":
            level.colon = level.key is not None
            return level.colon
        return self._take_closing(is_object=_PAIRS[mark])

    def _take_closing(self, *, is_object: bool) -> bool:
        """Close the nearest level of this kind, and those inside it whose bracket is missing."""
        if not any(level.is_object == is_object for level in self._levels):
            return False
        while self._levels[-1].is_object != is_object:
            self._close()
        self._close()
        self.complete = not self._levels
        return True

    def _close(self) -> None:
        level = self._levels.pop()
        value: Json = level.fields if level.is_object else level.items
        if self._levels:
            self._levels[-1].put(value)
        else:
            self.value = value


def _parse_value(kind: str, token: str) -> Json:
    if kind == "text":
        return _unquoted(token)
    if kind == "word":
        return _LITERALS[token.lower()]
    number = token.rstrip("%")
    return _parse_int(number) if number.lstrip("+-").isdecimal() else float(number[:400])


def _parse_int(digits: str) -> float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits[:400])


_DECODER = json.JSONDecoder(strict=False, parse_int=_parse_int, parse_constant=lambda name: None)


def _unquoted(token: str) -> str:
    if token.startswith('"'):
        try:
            text: str = json.loads(token, strict=False)
        except ValueError:
            return token[1:-1]
        return text
    return token[1:-1].replace("\\'", "'")
