"""What a predicate is made of: conditions on attributes, and how they combine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Span: TypeAlias = tuple[int, int]
"""Where in its expression something stands: from the first number to before the second."""

Order: TypeAlias = Literal["<", "<=", ">", ">="]

BUILT_IN = frozenset({"id", "path"})
"""What every item has beside its attributes and can be asked about."""

# A name that needs no backquotes, and the words that are no names.
PLAIN_NAME = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
KEYWORDS = frozenset({"and", "or", "not", "in", "true", "false"})


@dataclass(frozen=True, slots=True)
class Name:
    """An attribute; or the item's own id or path, unless it is in backquotes."""

    text: str
    quoted: bool = False
    at: Span = field(default=(0, 0), compare=False)

    @property
    def built_in(self) -> bool:
        """Whether this is the item's own id or path."""
        return self.text in BUILT_IN and not self.quoted

    def __str__(self) -> str:
        plain = PLAIN_NAME.fullmatch(self.text) and self.text.lower() not in KEYWORDS
        if plain and not self.quoted:
            return self.text
        return "`" + self.text.replace("`", "``") + "`"


@dataclass(frozen=True, slots=True)
class Constant:
    """A text, a number, or true or false."""

    value: str | float | bool
    at: Span = field(default=(0, 0), compare=False)

    def __str__(self) -> str:
        if isinstance(self.value, bool):
            return str(self.value).lower()
        if isinstance(self.value, str):
            return "'" + self.value.replace("'", "''") + "'"
        return repr(self.value).removesuffix(".0")


@dataclass(frozen=True, slots=True)
class Has:
    """The item has the attribute, whatever it holds."""

    name: Name

    def __str__(self) -> str:
        return f"has({self.name})"


@dataclass(frozen=True, slots=True)
class Flag:
    """The attribute, a truth value, is true."""

    name: Name

    def __str__(self) -> str:
        return str(self.name)


@dataclass(frozen=True, slots=True)
class Among:
    """The attribute is, or has among its texts, one of *constants*; or, if *negated*, none."""

    name: Name
    constants: tuple[Constant, ...]
    negated: bool = False

    def __str__(self) -> str:
        if len(self.constants) == 1:
            return f"{self.name} {'!=' if self.negated else '=='} {self.constants[0]}"
        told = ", ".join(map(str, self.constants))
        return f"{self.name} {'not in' if self.negated else 'in'} ({told})"


@dataclass(frozen=True, slots=True)
class Ordered:
    """The attribute comes before or after a number or a text."""

    name: Name
    order: Order
    constant: Constant

    def __str__(self) -> str:
        return f"{self.name} {self.order} {self.constant}"


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Condition

    def __str__(self) -> str:
        return f"not {_enclosed(self.part)}"


@dataclass(frozen=True, slots=True)
class All:
    """Every one of the parts holds."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " and ".join(map(_enclosed, self.parts))


@dataclass(frozen=True, slots=True)
class Any:
    """One of the parts holds, or several."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " or ".join(map(_enclosed, self.parts))


Clause: TypeAlias = Has | Flag | Among | Ordered
Condition: TypeAlias = Clause | Not | All | Any


def clauses(condition: Condition) -> Iterator[Clause]:
    """Return the conditions that others are made of, from left to right."""
    if isinstance(condition, Not):
        yield from clauses(condition.part)
    elif isinstance(condition, All | Any):
        for part in condition.parts:
            yield from clauses(part)
    else:
        yield condition


def _enclosed(part: Condition) -> str:
    return f"({part})" if isinstance(part, All | Any) else str(part)
