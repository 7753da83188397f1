"""The syntax tree of a predicate: conditions on attributes, and their combinations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Location: TypeAlias = tuple[int, int]
"""The part of an expression from the first index up to but not including the second."""

Operator: TypeAlias = Literal["<", "<=", ">", ">="]

BUILT_IN = frozenset({"id", "path"})
"""What a filter may name besides attributes."""

# A name that needs no backquotes, and the words that are not names.
PLAIN_NAME = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
KEYWORDS = frozenset({"and", "or", "not", "in", "true", "false"})


@dataclass(frozen=True, slots=True)
class AttributeName:
    """The name of an attribute; without backquotes, `id` and `path` are the item's own."""

    text: str
    quoted: bool = False
    at: Location = field(default=(0, 0), compare=False)

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
    at: Location = field(default=(0, 0), compare=False)

    def __str__(self) -> str:
        if isinstance(self.value, bool):
            return str(self.value).lower()
        if isinstance(self.value, str):
            return "'" + self.value.replace("'", "''") + "'"
        return repr(self.value).removesuffix(".0")


@dataclass(frozen=True, slots=True)
class HasAttribute:
    """The item has the attribute, with any value."""

    name: AttributeName

    def __str__(self) -> str:
        return f"has({self.name})"


@dataclass(frozen=True, slots=True)
class IsTrue:
    """The attribute is a truth value, and true."""

    name: AttributeName

    def __str__(self) -> str:
        return str(self.name)


@dataclass(frozen=True, slots=True)
class OneOf:
    """The attribute equals one of *constants*, or if *negated* none; a list if it contains one."""

    name: AttributeName
    constants: tuple[Constant, ...]
    negated: bool = False

    def __str__(self) -> str:
        if len(self.constants) == 1:
            return f"{self.name} {'!=' if self.negated else '=='} {self.constants[0]}"
        constants = ", ".join(map(str, self.constants))
        return f"{self.name} {'not in' if self.negated else 'in'} ({constants})"


@dataclass(frozen=True, slots=True)
class OrderComparison:
    """The attribute is less or greater than a number, or before or after a text."""

    name: AttributeName
    operator: Operator
    constant: Constant

    def __str__(self) -> str:
        return f"{self.name} {self.operator} {self.constant}"


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Condition

    def __str__(self) -> str:
        return f"not {_parenthesized(self.part)}"


@dataclass(frozen=True, slots=True)
class And:
    """All parts hold."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " and ".join(map(_parenthesized, self.parts))


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " or ".join(map(_parenthesized, self.parts))


Clause: TypeAlias = HasAttribute | IsTrue | OneOf | OrderComparison
Condition: TypeAlias = Clause | Not | And | Or


def clauses(condition: Condition) -> Iterator[Clause]:
    """Yield the conditions on single attributes, from left to right."""
    if isinstance(condition, Not):
        yield from clauses(condition.part)
    elif isinstance(condition, And | Or):
        for part in condition.parts:
            yield from clauses(part)
    else:
        yield condition


def _parenthesized(part: Condition) -> str:
    return f"({part})" if isinstance(part, And | Or) else str(part)
