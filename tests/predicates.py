"""Items with all types of attributes, random predicates, and a reference evaluation of them."""

from __future__ import annotations

import math
import operator
import random

from hypothesis import strategies as st

from unillmrec.filters.conditions import (
    And,
    AttributeName,
    Clause,
    Condition,
    Constant,
    HasAttribute,
    IsTrue,
    Not,
    OneOf,
    Or,
    OrderComparison,
)
from unillmrec.items import Item, Value

LANGUAGES = ("en", "fr", "de", "日本語", "it's", 'so "called"')
SUBJECTS = ("sea", "crime", "garden", "Sea", "sea ", "and", "a, b")
AUTHORS = (*(f"author {n}" for n in range(30)), "x" * 81, "y" * 200)
NUMBERS = (-1e20, -3, -0.5, 0, 0.1 + 0.2, 0.3, 1, 2, 3.5, 20, 127, 128, 40_000, 2**40, 1e300)
OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}

KINDS = {
    "price": "number",
    "in_stock": "truth",
    "language": "text",
    "author": "text",
    "subjects": "tags",
    "deep.down": "number",
    "odd `name`-1": "text",
    "path": "tags",
    "mixed": "any",
    "rare": "any",
}
"""The type of each attribute; the attribute `path` is not the path of an item."""

_SHARES = {"rare": 0.05, "in_stock": 0.6, "language": 1.0}


def items(count: int, seed: int = 0) -> list[Item]:
    """Return items, each with some of the attributes."""
    chance = random.Random(seed)
    return [_item(chance, number) for number in range(count)]


def changed(item: Item, seed: int) -> Item:
    """Return an item with the same id and some attributes changed."""
    chance = random.Random(seed)
    other = _item(chance, 0)
    mixed = dict(item.attributes) | dict(other.attributes)
    kept = {name: value for name, value in mixed.items() if chance.random() < 0.8}
    return Item(item.id, item.title, item.text, chance.choice((item.path, other.path)), kept)


def _item(chance: random.Random, number: int) -> Item:
    attributes = {
        name: _value(chance, name, kind)
        for name, kind in KINDS.items()
        if chance.random() < _SHARES.get(name, 0.7)
    }
    path = tuple(chance.choices(SUBJECTS, k=chance.choice((0, 1, 3))))
    return Item(f"item-{number}", f"Title {number}", path=path, attributes=attributes)


def _value(chance: random.Random, name: str, kind: str) -> Value:
    if kind == "any":
        kind = chance.choice(("number", "truth", "text", "tags"))
    if kind == "number":
        return chance.choice(NUMBERS)
    if kind == "truth":
        return chance.random() < 0.5
    if kind == "tags":
        return tuple(chance.choices(SUBJECTS, k=chance.choice((0, 1, 2, 5))))
    return chance.choice(AUTHORS if name == "author" else LANGUAGES)


def names(*kinds: str) -> st.SearchStrategy[AttributeName]:
    """Return names of attributes of these *kinds*, with or without backquotes."""
    chosen = [name for name, kind in KINDS.items() if kind in (*kinds, "any")]
    plain = [name for name in chosen if "`" not in name and name != "path"]
    return st.sampled_from(
        [AttributeName(name) for name in plain]
        + [AttributeName(name, quoted=True) for name in chosen]
    )


NUMBER = st.sampled_from([Constant(float(number)) for number in (*NUMBERS, -2, 0.25, 19)])
TRUTH = st.sampled_from([Constant(True), Constant(False)])
TEXT = st.sampled_from([Constant(text) for text in (*LANGUAGES, *SUBJECTS, *AUTHORS, "", "other")])
SIGNS = st.sampled_from(list(OPERATORS))
PATH, ID = AttributeName("path"), AttributeName("id")


def _one_of(names: st.SearchStrategy[AttributeName], constants: st.SearchStrategy[Constant]):
    lists = st.lists(constants, min_size=1, max_size=4).map(tuple)
    return st.builds(OneOf, names, lists, st.booleans())


def _has_order(name: AttributeName) -> bool:
    # The test catalog has too many authors for order comparisons.
    return name.text not in ("author",)


CLAUSES = st.one_of(
    st.builds(HasAttribute, st.one_of(names(*set(KINDS.values())), st.sampled_from([PATH, ID]))),
    st.builds(IsTrue, names("truth")),
    _one_of(names("number"), NUMBER),
    _one_of(names("truth"), TRUTH),
    _one_of(names("text", "tags"), TEXT),
    _one_of(names(), st.one_of(NUMBER, TRUTH, TEXT)),
    _one_of(st.just(PATH), TEXT),
    _one_of(st.just(ID), st.sampled_from([Constant(f"item-{n}") for n in (0, 7, 500, 99_999)])),
    st.builds(OrderComparison, names("number"), st.sampled_from(list(OPERATORS)), NUMBER),
    st.builds(
        OrderComparison, names("text").filter(_has_order), st.sampled_from(list(OPERATORS)), TEXT
    ),
)


def _combined(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(Not, parts), st.builds(And, several), st.builds(Or, several))


CONDITIONS: st.SearchStrategy[Condition] = st.recursive(CLAUSES, _combined, max_leaves=8)


def holds(condition: Condition, item: Item) -> bool:
    """Return whether a condition holds for an item, by plain Python."""
    if isinstance(condition, Not):
        return not holds(condition.part, item)
    if isinstance(condition, And):
        return all(holds(part, item) for part in condition.parts)
    if isinstance(condition, Or):
        return any(holds(part, item) for part in condition.parts)
    return _clause_holds(condition, _value_of(condition.name, item))


def _clause_holds(condition: Clause, value: object) -> bool:
    if isinstance(condition, HasAttribute):
        return value is not None
    if isinstance(condition, IsTrue):
        return value is True
    if isinstance(condition, OrderComparison):
        constant = condition.constant.value
        return _kind(value) == _kind(constant) and OPERATORS[condition.operator](value, constant)
    constants = [each.value for each in condition.constants]
    comparable = {_kind(constant) for constant in constants}
    if "text" in comparable:
        comparable.add("tags")
    if _kind(value) not in comparable:
        return False
    values = value if isinstance(value, tuple) else (value,)
    hit = any(_kind(v) == _kind(c) and v == c for v in values for c in constants)
    return hit != condition.negated


def _value_of(name: AttributeName, item: Item) -> object:
    if name.built_in:
        value: object = item.id if name.text == "id" else item.path
    else:
        value = item.attributes.get(name.text)
    if value == () or (isinstance(value, float) and math.isnan(value)):
        return None
    return value


def _kind(value: object) -> str | None:
    for kind, types in (("truth", bool), ("number", (int, float)), ("text", str), ("tags", tuple)):
        if isinstance(value, types):
            return kind
    return None
