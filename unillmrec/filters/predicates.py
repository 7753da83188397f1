"""Predicates: expressions over attributes that say which items may be recommended.

`price < 20 and in_stock and language in ('en', 'fr')`, or
``10 <= price < 20 or 'Drama' in categories and not has(`age-limit`)``:

- A comparison is `<  <=  >  >=  ==  !=` (`=` is `==`), `in (…)` or `not in (…)` between an
  attribute and values: numbers, texts in single or double quotes (a quote is doubled inside),
  true and false. It can be chained. `has(name)` asks whether an item has an attribute at all; a
  name alone is a truth value. Names may hold dots; any others stand in backquotes. Keywords are
  the same in capitals. `not` binds tighter than `and`, `and` tighter than `or`.
- `id` is the item's id and `path` its category path, read as a list; an attribute of that name
  stands in backquotes. Titles and texts cannot be asked about.
- **A list of texts** is met by one of its texts: `categories == 'Drama'`,
  `'Drama' in categories` and `categories in ('Drama')` mean the same, and `!=` or `not in`
  that none is. A single text is a list of one: `in` never looks inside a text.
- **A comparison with something that is missing is false**, whichever it is, `!=` and `not in`
  too; so is one with a value of another kind, where items differ. `not` turns that round:
  `price != 5` wants a price, `not price == 5` does not. Nothing is neither true nor false. An
  empty list is missing.
- Texts are compared letter by letter, as they are written; numbers in double precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from unillmrec.catalog.problems import listed, nearest
from unillmrec.errors import PredicateError
from unillmrec.filters.conditions import (
    BUILT_IN,
    Among,
    Clause,
    Condition,
    Constant,
    Flag,
    Name,
    Ordered,
    clauses,
)
from unillmrec.filters.grammar import error_at, read

Kind: TypeAlias = Literal["number", "truth", "text", "tags"]
"""What an attribute holds in an item: a number, true or false, a text, or several texts."""

KINDS: tuple[Kind, ...] = get_args(Kind)

_TOLD: dict[Kind, str] = {
    "number": "numbers",
    "truth": "true or false",
    "text": "texts",
    "tags": "lists of texts",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What a catalog knows of an attribute: what it holds, in one item or another.

    *unordered* says why its texts cannot be compared with `<`, if they cannot.
    """

    kinds: frozenset[Kind]
    unordered: str = ""


_OWN = {
    "id": Known(frozenset({"text"}), "ids have no order"),
    "path": Known(frozenset({"tags"})),
}


@dataclass(frozen=True, slots=True)
class Predicate:
    """An expression over attributes, read and ready to be checked against a catalog."""

    text: str
    condition: Condition

    @classmethod
    def parse(cls, text: str) -> Predicate:
        """Read an expression; nothing in it is ever executed.

        Raises:
            PredicateError: it cannot be read; a caret shows where.
        """
        return cls(text, read(text))

    def __str__(self) -> str:
        return str(self.condition)

    def check(self, known: Mapping[str, Known], *, hidden: str = "") -> None:
        """Hold the expression against the attributes of a catalog.

        *hidden* says why an attribute may be missing from *known*.

        Raises:
            PredicateError: an attribute is unknown, or holds nothing to be compared so.
        """
        for clause in clauses(self.condition):
            name = clause.name
            found = _OWN.get(name.text) if name.built_in else known.get(name.text)
            if found is None:
                raise self._unknown(name, known, hidden)
            if isinstance(clause, Among):
                for constant in clause.constants:
                    self._check_kind(clause, constant, found)
            elif isinstance(clause, Ordered):
                self._check_order(clause, found)
            elif isinstance(clause, Flag) and "truth" not in found.kinds:
                raise self.error(
                    name,
                    f"{name} holds {_kinds(found)}; alone it would have to be true or false.",
                    remedy=f"{name} == 1, or has({name})"
                    if "number" in found.kinds
                    else f"has({name}), or a comparison.",
                )

    def error(
        self, place: Name | Constant, problem: str, *, detail: str = "", remedy: str = ""
    ) -> PredicateError:
        """Return the error that *problem* is about a part of this expression."""
        return error_at(self.text, place.at, problem, detail=detail, remedy=remedy)

    def _unknown(self, name: Name, known: Mapping[str, Known], hidden: str) -> PredicateError:
        choices = sorted({*known, *BUILT_IN})
        near = nearest(name.text, choices)
        if name.text in ("title", "text") and not name.quoted:
            hidden = hidden or "Titles and texts cannot be asked about; ids and attributes can."
        have = f"The attributes are {listed(sorted(known))}." if known else "There are none."
        return self.error(
            name,
            f"there is no attribute {name.text!r}.",
            detail=f"{have} {hidden}".rstrip(),
            remedy=str(Name(near, quoted=near in BUILT_IN and near in known)) if near else "",
        )

    def _check_kind(self, clause: Clause, constant: Constant, found: Known) -> None:
        if not kinds_of(constant) & found.kinds:
            raise self.error(
                constant,
                f"{clause.name} holds {_kinds(found)}; {constant} is {_sort(constant)}.",
                remedy=_mended(clause.name, constant, found),
            )

    def _check_order(self, clause: Ordered, found: Known) -> None:
        constant = clause.constant
        self._check_kind(clause, constant, found)
        if isinstance(constant.value, bool):
            problem = "true and false have no order."
        elif isinstance(constant.value, float):
            return
        elif "text" not in found.kinds:
            problem = f"{clause.name} holds {_kinds(found)}, which have no order."
        elif found.unordered:
            problem = f"{clause.name} cannot be compared with `{clause.order}`: {found.unordered}."
        else:
            return
        raise self.error(clause.name, problem, remedy="`==`, `!=`, `in` or `not in`.")


def kinds_of(constant: Constant) -> frozenset[Kind]:
    """Return as what an attribute can hold *constant*."""
    if isinstance(constant.value, bool):
        return frozenset({"truth"})
    return frozenset({"text", "tags"} if isinstance(constant.value, str) else {"number"})


def _sort(constant: Constant) -> str:
    if isinstance(constant.value, bool):
        return "a truth value"
    return "a text" if isinstance(constant.value, str) else "a number"


def _kinds(known: Known) -> str:
    return " and ".join(told for kind, told in _TOLD.items() if kind in known.kinds)


def _mended(name: Name, constant: Constant, found: Known) -> str:
    """Return what was probably meant by a constant of the wrong kind."""
    if isinstance(constant.value, str):
        if "number" in found.kinds and _is_number(constant.value):
            return f"{constant.value.strip()} without quotes."
        folded = constant.value.strip().lower()
        return f"{folded} without quotes." if folded in ("true", "false") else ""
    if isinstance(constant.value, bool):
        return f"{name} == {int(constant.value)}" if "number" in found.kinds else ""
    if found.kinds & {"text", "tags"}:
        return f"'{constant}' in quotes."
    return f"{name} == {str(bool(constant.value)).lower()}" if constant.value in (0, 1) else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
