"""Predicates: expressions over attributes that select the items that may be recommended.

`price < 20 and in_stock and language in ('en', 'fr')`, or
``10 <= price < 20 or 'Drama' in categories and not has(`age-limit`)``:

- A comparison is `<  <=  >  >=  ==  !=` (`=` is `==`), `in (…)` or `not in (…)` between an
  attribute and values: numbers, texts in single or double quotes (double a quote inside), true
  and false. Comparisons can be chained. `has(name)` tests whether an item has an attribute; a
  name alone is a truth value. Names may contain dots; any other character needs backquotes.
  Keywords may be in capitals. `not` binds tighter than `and`, `and` tighter than `or`.
- `id` is the item's id and `path` its category path, a list; an attribute of that name needs
  backquotes. Titles and texts cannot be filtered by.
- **A list of texts** matches if one of its texts does: `categories == 'Drama'`,
  `'Drama' in categories` and `categories in ('Drama')` are the same, and `!=` or `not in` mean
  that no text matches. A single text is a list of one: `in` never looks inside a text.
- **Every comparison with a missing value is false**, also `!=` and `not in`; so is one with a
  value of another kind, where items differ. `not` inverts that: `price != 5` requires a price,
  `not price == 5` does not. A missing truth value is neither true nor false. An empty list is
  missing.
- Texts are compared character by character, including case; numbers in double precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from unillmrec.catalog.problems import nearest_name, quoted_list
from unillmrec.errors import PredicateError
from unillmrec.filters.conditions import (
    BUILT_IN,
    AttributeName,
    Clause,
    Condition,
    Constant,
    IsTrue,
    OneOf,
    OrderComparison,
    clauses,
)
from unillmrec.filters.grammar import error_at, parse_condition

AttributeKind: TypeAlias = Literal["number", "truth", "text", "tags"]
"""What an attribute holds in an item: a number, true or false, a text, or several texts."""

ATTRIBUTE_KINDS: tuple[AttributeKind, ...] = get_args(AttributeKind)

_PLURALS: dict[AttributeKind, str] = {
    "number": "numbers",
    "truth": "true or false",
    "text": "texts",
    "tags": "lists of texts",
}


@dataclass(frozen=True, slots=True)
class AttributeInfo:
    """What the items of a catalog hold in one attribute.

    *unordered* is the reason why its texts cannot be compared with `<`, if they cannot.
    """

    kinds: frozenset[AttributeKind]
    unordered: str = ""


_BUILT_IN_INFO = {
    "id": AttributeInfo(frozenset({"text"}), "ids have no order"),
    "path": AttributeInfo(frozenset({"tags"})),
}


@dataclass(frozen=True, slots=True)
class Predicate:
    """A parsed expression over attributes, to be checked against a catalog."""

    text: str
    condition: Condition

    @classmethod
    def parse(cls, text: str) -> Predicate:
        """Parse an expression; nothing in it is ever executed.

        Raises:
            PredicateError: it cannot be parsed; a caret marks the place.
        """
        return cls(text, parse_condition(text))

    def __str__(self) -> str:
        return str(self.condition)

    def check(self, known: Mapping[str, AttributeInfo], *, omission: str = "") -> None:
        """Check the expression against the attributes of a catalog.

        *omission* explains why an attribute may be missing from *known*.

        Raises:
            PredicateError: an attribute is unknown, or its values cannot be compared so.
        """
        for clause in clauses(self.condition):
            name = clause.name
            info = _BUILT_IN_INFO.get(name.text) if name.built_in else known.get(name.text)
            if info is None:
                raise self._unknown_name(name, known, omission)
            self._check_clause(clause, info)

    def _check_clause(self, clause: Clause, info: AttributeInfo) -> None:
        if isinstance(clause, OneOf):
            for constant in clause.constants:
                self._check_kind(clause, constant, info)
        elif isinstance(clause, OrderComparison):
            self._check_order(clause, info)
        elif isinstance(clause, IsTrue) and "truth" not in info.kinds:
            name = clause.name
            raise self.error(
                name,
                f"{name} holds {_plural(info)}; a name alone has to be true or false.",
                remedy=f"{name} == 1, or has({name})"
                if "number" in info.kinds
                else f"has({name}), or a comparison.",
            )

    def error(
        self, place: AttributeName | Constant, problem: str, *, detail: str = "", remedy: str = ""
    ) -> PredicateError:
        """Return an error about one part of this expression."""
        return error_at(self.text, place.at, problem, detail=detail, remedy=remedy)

    def _unknown_name(
        self, name: AttributeName, known: Mapping[str, AttributeInfo], omission: str
    ) -> PredicateError:
        choices = sorted({*known, *BUILT_IN})
        near = nearest_name(name.text, choices)
        if name.text in ("title", "text") and not name.quoted:
            omission = omission or "Filters can use ids and attributes, but not titles and texts."
        names = f"The attributes are {quoted_list(sorted(known))}." if known else "There are none."
        return self.error(
            name,
            f"there is no attribute {name.text!r}.",
            detail=f"{names} {omission}".rstrip(),
            remedy=str(AttributeName(near, quoted=near in BUILT_IN and near in known))
            if near
            else "",
        )

    def _check_kind(self, clause: Clause, constant: Constant, info: AttributeInfo) -> None:
        if not kinds_of(constant) & info.kinds:
            raise self.error(
                constant,
                f"{clause.name} holds {_plural(info)}; {constant} is {_noun(constant)}.",
                remedy=_correction(clause.name, constant, info),
            )

    def _check_order(self, clause: OrderComparison, info: AttributeInfo) -> None:
        constant = clause.constant
        self._check_kind(clause, constant, info)
        if isinstance(constant.value, bool):
            problem = "true and false have no order."
        elif isinstance(constant.value, float):
            return
        elif "text" not in info.kinds:
            problem = f"{clause.name} holds {_plural(info)}, which have no order."
        elif info.unordered:
            sign = clause.operator
            problem = f"{clause.name} cannot be compared with `{sign}`: {info.unordered}."
        else:
            return
        raise self.error(clause.name, problem, remedy="`==`, `!=`, `in` or `not in`.")


def kinds_of(constant: Constant) -> frozenset[AttributeKind]:
    """Return the kinds of attributes that *constant* can be compared with."""
    if isinstance(constant.value, bool):
        return frozenset({"truth"})
    return frozenset({"text", "tags"} if isinstance(constant.value, str) else {"number"})


def _noun(constant: Constant) -> str:
    if isinstance(constant.value, bool):
        return "a truth value"
    return "a text" if isinstance(constant.value, str) else "a number"


def _plural(info: AttributeInfo) -> str:
    return " and ".join(plural for kind, plural in _PLURALS.items() if kind in info.kinds)


def _correction(name: AttributeName, constant: Constant, info: AttributeInfo) -> str:
    """Return what was probably meant by a constant of the wrong kind."""
    if isinstance(constant.value, str):
        if "number" in info.kinds and _is_number(constant.value):
            return f"{constant.value.strip()} without quotes."
        folded = constant.value.strip().lower()
        return f"{folded} without quotes." if folded in ("true", "false") else ""
    if isinstance(constant.value, bool):
        return f"{name} == {int(constant.value)}" if "number" in info.kinds else ""
    if info.kinds & {"text", "tags"}:
        return f"'{constant}' in quotes."
    return f"{name} == {str(bool(constant.value)).lower()}" if constant.value in (0, 1) else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
