"""From raw values to the types an item may hold."""

from __future__ import annotations

import datetime
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Literal, TypeAlias

from unillmrec.catalog.problems import RowProblem, shown
from unillmrec.items import Value

Kind: TypeAlias = Literal["bool", "int", "float", "str"]

_LONGEST_ID = 512
_DEEPEST = 16
# SQLite keeps integers in 64 bits; longer ones are numbers in name only, and stay text.
LARGEST_INT = (1 << 63) - 1
_BOOLS = {"true": True, "yes": True, "false": False, "no": False}
# Ways to write "no number here", which must not turn a column of numbers into text.
_BLANKS = frozenset({"nan", "na", "n/a", "null", "none"})
# Leading zeros belong to codes, and so does a plus sign.
_INT = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def checked(text: str, column: str) -> str:
    """Return *text* without surrounding space, if it can be stored and sent.

    Raises:
        RowProblem: it holds a NUL character or half a surrogate pair.
    """
    text = text.strip()
    if "\0" in text:
        raise RowProblem(f"column {shown(column)} holds a NUL character (\\u0000)")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            code = ord(text[error.start])
            raise RowProblem(
                f"column {shown(column)} holds half a surrogate pair (\\u{code:04x}), "
                "which is no character"
            ) from error
    return text


def item_id(value: object, column: str) -> str:
    """Return an id as text; an integer is one, a number with a fraction is not.

    Raises:
        RowProblem: it is missing, of another type, too long, or holds what cannot be seen.
    """
    value = plain(value, column)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise RowProblem(f"the id is missing (column {shown(column)})")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise RowProblem(
            f"the id in column {shown(column)} is {shown(value)}; it has to be a text or an integer"
        )
    text = value.strip()
    if len(text) > _LONGEST_ID:
        raise RowProblem(f"the id has {len(text):,} characters; at most {_LONGEST_ID} are allowed")
    for character in text:
        if unicodedata.category(character) in _UNSEEN:
            raise RowProblem(f"the id {shown(text)} holds an invisible character")
    return text


def title(value: object, column: str) -> str:
    """Return a title, also when it is a number.

    Raises:
        RowProblem: it is missing, of another type, or nothing of it can be seen.
    """
    value = plain(value, column)
    text = "" if value is None else checked(_title_text(value, column), column)
    if not text:
        raise RowProblem(f"the title is missing (column {shown(column)})")
    if not any(character.isprintable() for character in text):
        raise RowProblem(f"the title {shown(text)} holds nothing that can be seen")
    return text


def _title_text(value: object, column: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return as_text(value)
    raise RowProblem(f"the title in column {shown(column)} is {shown(value)}; it has to be a text")


def prose(value: object, column: str) -> str:
    """Return what a text column holds as one text; the parts of a list get a space between."""
    value = plain(value, column)
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(texts(value, column))
    return checked(as_text(value), column)


def attribute(value: object, column: str) -> Value | None:
    """Return *value* as an attribute, or `None` where there is none.

    Raises:
        RowProblem: it cannot be kept as text, number, truth value or list of texts.
    """
    value = plain(value, column)
    if isinstance(value, str):
        return checked(value, column) or None
    if isinstance(value, list):
        return texts(value, column) or None
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) <= LARGEST_INT else str(value)
    if isinstance(value, float):
        return value
    return as_text(value)


def texts(values: Iterable[object], column: str) -> tuple[str, ...]:
    """Return the elements of a list as texts, those without content left out."""
    parts = (checked(as_text(plain(each, column)), column) for each in values if each is not None)
    return tuple(part for part in parts if part)


def as_text(value: object) -> str:
    """Write a value as JSON writes it, a text without its quotes."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, default=str)


def plain(value: object, column: str) -> object:
    """Reduce *value* to what JSON knows: dates to ISO texts, arrays to lists, NaN to nothing.

    Raises:
        RowProblem: it is of a type without such a form, or a number without end.
    """
    if isinstance(value, (str, bool, int)) or value is None:
        # Subclasses (enumerations, the scalars of numpy) are stored as what they are based on.
        return _exact(value)
    if isinstance(value, (float, Decimal)):
        return _finite(float(value), column)
    if isinstance(value, (list, tuple, set, frozenset)):
        return sorted(value, key=str) if isinstance(value, (set, frozenset)) else list(value)
    if isinstance(value, Mapping):
        return dict(value)
    return _foreign(value, column)


def _foreign(value: object, column: str) -> object:
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return _from_bytes(value, column)
    # Arrays and scalars of numpy and its kin, without importing any of them.
    if callable(convert := getattr(value, "tolist", None)):
        return plain(convert(), column)
    raise RowProblem(f"column {shown(column)} holds a {type(value).__name__}, which is no value")


def _exact(value: str | bool | int | None) -> str | bool | int | None:
    if isinstance(value, str):
        return value if type(value) is str else str.__str__(value)
    if isinstance(value, bool) or value is None:
        return value
    return int(value)


def _finite(number: float, column: str) -> float | None:
    if math.isnan(number):
        return None
    if math.isinf(number):
        raise RowProblem(f"the number in column {shown(column)} is infinite or too large")
    return number


def _from_bytes(value: bytes, column: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise RowProblem(f"column {shown(column)} holds bytes that are not UTF-8") from error


def flattened(row: Mapping[str, object]) -> dict[str, object]:
    """Return *row* with nested objects taken apart: `{"a": {"b": 1}}` becomes `{"a.b": 1}`.

    Raises:
        RowProblem: objects are nested more than 16 deep.
    """
    return dict(_flat(row, "", 0))


def _flat(row: Mapping[str, object], prefix: str, depth: int) -> Iterator[tuple[str, object]]:
    if depth > _DEEPEST:
        raise RowProblem(f"objects are nested more than {_DEEPEST} deep")
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.", depth + 1)
        else:
            yield prefix + name, value


def kind_of(text: str) -> Kind | None:
    """Guess what one stripped value of an untyped column is; `None` when it has no say."""
    if _INT.fullmatch(text):
        return "int" if len(text) < 19 or abs(int(text[:20])) <= LARGEST_INT else "str"
    if _FLOAT.fullmatch(text):
        return "float" if math.isfinite(float(text)) else "str"
    folded = text.lower()
    if folded in _BLANKS:
        return None
    return "bool" if folded in _BOOLS else "str"


def common_kind(one: Kind | None, other: Kind | None) -> Kind | None:
    """Return the narrowest kind that holds both."""
    if one is None or other is None or one == other:
        return one or other
    return "float" if {one, other} == {"int", "float"} else "str"


def typed(text: str, kind: Kind, column: str) -> Value | None:
    """Return *text* as *kind*, or `None` where it is blank.

    Raises:
        RowProblem: it is not of that kind: the file changed since its types were guessed.
    """
    if kind == "str":
        return checked(text, column) or None
    text = text.strip()
    folded = text.lower()
    if not text or folded in _BLANKS:
        return None
    try:
        if kind == "int":
            return int(text)
        return float(text) if kind == "float" else _BOOLS[folded]
    except (ValueError, KeyError) as error:
        raise RowProblem(
            f"column {shown(column)} holds {shown(text)}, expected {kind}; "
            "did the file change while it was read?"
        ) from error
