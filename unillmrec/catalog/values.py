"""Convert raw values to the types that items may hold."""

from __future__ import annotations

import datetime
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Literal, TypeAlias

from unillmrec.catalog.problems import RowProblem, quoted
from unillmrec.items import Value

ValueType: TypeAlias = Literal["bool", "int", "float", "str"]
"""The type of a column in a file in which all values are text."""

_MAX_ID_LENGTH = 512
_MAX_DEPTH = 16
# SQLite stores integers in 64 bits; longer ones stay text.
LARGEST_INT = (1 << 63) - 1
_BOOLS = {"true": True, "yes": True, "false": False, "no": False}
# Spellings of a missing number, which must not turn a column of numbers into text.
_MISSING = frozenset({"nan", "na", "n/a", "null", "none"})
# A leading zero or plus sign means that the value is a code, such as a telephone number.
_INT = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def clean_text(text: str, column: str) -> str:
    """Strip *text*, and check that it can be stored and sent.

    Raises:
        RowProblem: it holds a NUL character or half a surrogate pair.
    """
    text = text.strip()
    if "\0" in text:
        raise RowProblem(f"column {quoted(column)} holds a NUL character (\\u0000)")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            code = ord(text[error.start])
            raise RowProblem(
                f"column {quoted(column)} holds half a surrogate pair (\\u{code:04x}), "
                "which is not a character"
            ) from error
    return text


def parse_id(value: object, column: str) -> str:
    """Return an id as text. Integers are ids; other numbers are not.

    Raises:
        RowProblem: it is missing, of another type, too long, or has invisible characters.
    """
    value = to_plain(value, column)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise RowProblem(f"the id is missing (column {quoted(column)})")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise RowProblem(
            f"the id in column {quoted(column)} is {quoted(value)}; it must be a text or an integer"
        )
    text = value.strip()
    if len(text) > _MAX_ID_LENGTH:
        raise RowProblem(
            f"the id has {len(text):,} characters; at most {_MAX_ID_LENGTH} are allowed"
        )
    for character in text:
        if unicodedata.category(character) in _INVISIBLE:
            raise RowProblem(f"the id {quoted(text)} has an invisible character")
    return text


def parse_title(value: object, column: str) -> str:
    """Return a title, which may be a number.

    Raises:
        RowProblem: it is missing, of another type, or has no visible character.
    """
    value = to_plain(value, column)
    text = "" if value is None else clean_text(_title_text(value, column), column)
    if not text:
        raise RowProblem(f"the title is missing (column {quoted(column)})")
    if not any(character.isprintable() for character in text):
        raise RowProblem(f"the title {quoted(text)} has no visible character")
    return text


def _title_text(value: object, column: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return to_text(value)
    raise RowProblem(f"the title in column {quoted(column)} is {quoted(value)}; it must be a text")


def parse_text(value: object, column: str) -> str:
    """Return a value as one text; the parts of a list are joined by spaces."""
    value = to_plain(value, column)
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(parse_texts(value, column))
    return clean_text(to_text(value), column)


def parse_attribute(value: object, column: str) -> Value | None:
    """Return *value* as an attribute, or `None` if it is missing.

    Raises:
        RowProblem: it cannot be stored as text, number, truth value or list of texts.
    """
    value = to_plain(value, column)
    if isinstance(value, str):
        return clean_text(value, column) or None
    if isinstance(value, list):
        return parse_texts(value, column) or None
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) <= LARGEST_INT else str(value)
    if isinstance(value, float):
        return value
    return to_text(value)


def parse_texts(values: Iterable[object], column: str) -> tuple[str, ...]:
    """Return the elements of a list as texts, without empty ones."""
    parts = (
        clean_text(to_text(to_plain(each, column)), column) for each in values if each is not None
    )
    return tuple(part for part in parts if part)


def to_text(value: object) -> str:
    """Write a value as JSON does, but a text without quotes."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, default=str)


def to_plain(value: object, column: str) -> object:
    """Convert *value* to a type of JSON: dates to ISO texts, arrays to lists, NaN to `None`.

    Raises:
        RowProblem: it has a type that cannot be converted, or is an infinite number.
    """
    if isinstance(value, (str, bool, int)) or value is None:
        return _without_subclass(value)
    if isinstance(value, (float, Decimal)):
        return _finite(float(value), column)
    if isinstance(value, (list, tuple, set, frozenset)):
        return sorted(value, key=str) if isinstance(value, (set, frozenset)) else list(value)
    if isinstance(value, Mapping):
        return dict(value)
    return _from_other_type(value, column)


def _from_other_type(value: object, column: str) -> object:
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return _from_bytes(value, column)
    # Arrays and scalars of numpy and similar libraries, without importing these.
    if callable(to_list := getattr(value, "tolist", None)):
        return to_plain(to_list(), column)
    raise RowProblem(
        f"column {quoted(column)} holds a {type(value).__name__}, which cannot be stored"
    )


def _without_subclass(value: str | bool | int | None) -> str | bool | int | None:
    """Return a value of a plain type for one of a subclass, such as an enumeration."""
    if isinstance(value, str):
        return value if type(value) is str else str.__str__(value)
    if isinstance(value, bool) or value is None:
        return value
    return int(value)


def _finite(number: float, column: str) -> float | None:
    if math.isnan(number):
        return None
    if math.isinf(number):
        raise RowProblem(f"the number in column {quoted(column)} is infinite or too large")
    return number


def _from_bytes(value: bytes, column: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise RowProblem(f"column {quoted(column)} holds bytes that are not UTF-8") from error


def flatten(row: Mapping[str, object]) -> dict[str, object]:
    """Return *row* with nested objects flattened: `{"a": {"b": 1}}` becomes `{"a.b": 1}`.

    Raises:
        RowProblem: objects are nested more than 16 deep.
    """
    return dict(_flat_fields(row, "", 0))


def _flat_fields(
    row: Mapping[str, object], prefix: str, depth: int
) -> Iterator[tuple[str, object]]:
    if depth > _MAX_DEPTH:
        raise RowProblem(f"objects are nested more than {_MAX_DEPTH} deep")
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat_fields(value, f"{prefix}{name}.", depth + 1)
        else:
            yield prefix + name, value


def guess_type(text: str) -> ValueType | None:
    """Guess the type of one stripped value; `None` if the value is missing."""
    if _INT.fullmatch(text):
        return "int" if len(text) < 19 or abs(int(text[:20])) <= LARGEST_INT else "str"
    if _FLOAT.fullmatch(text):
        return "float" if math.isfinite(float(text)) else "str"
    folded = text.lower()
    if folded in _MISSING:
        return None
    return "bool" if folded in _BOOLS else "str"


def common_type(one: ValueType | None, other: ValueType | None) -> ValueType | None:
    """Return the narrowest type that holds values of both."""
    if one is None or other is None or one == other:
        return one or other
    return "float" if {one, other} == {"int", "float"} else "str"


def convert(text: str, type_: ValueType, column: str) -> Value | None:
    """Return *text* as a value of *type_*, or `None` if it is missing.

    Raises:
        RowProblem: it has another type: the file changed since its types were determined.
    """
    if type_ == "str":
        return clean_text(text, column) or None
    text = text.strip()
    folded = text.lower()
    if not text or folded in _MISSING:
        return None
    try:
        if type_ == "int":
            return int(text)
        return float(text) if type_ == "float" else _BOOLS[folded]
    except (ValueError, KeyError) as error:
        raise RowProblem(
            f"column {quoted(column)} holds {quoted(text)}, expected {type_}; "
            "did the file change while it was read?"
        ) from error
