"""Look up values in the JSON of a reply under the names that models use for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from unillmrec.replies.json_fragments import Json

NUMBERS = ("number", "choice", "item", "branch", "index", "id", "no", "n")

_LABEL = re.compile(r"(?:item|branch|choice|option|number|no\.?|#)?\s*[\[(]?#?", re.IGNORECASE)
_WHOLE = re.compile(r"([-+]?\d{1,15})(?:\.0{0,9})?[\])]?[.:]?(?:\Z|(?<=[\]).:])\s)")


def iter_objects(value: Json) -> Iterator[dict[str, Json]]:
    """Yield every object in *value*, at any depth, with its keys in lower case."""
    if isinstance(value, dict):
        yield lowercase_keys(value)
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            if isinstance(each, dict | list):
                yield from iter_objects(each)


def lowercase_keys(fields: dict[str, Json]) -> dict[str, Json]:
    """Return an object with its keys in lower case and without surrounding spaces."""
    return {name.strip().lower(): value for name, value in fields.items()}


def first_value(fields: dict[str, Json], names: Sequence[str]) -> Json:
    """Return the value of the first of *names* that an object has, if it is not null."""
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def as_int(value: Json) -> int | None:
    """Return the integer in 3, 3.0, "3", "#3", "[3]", "3. Title"; None for 3.5, True, "three"."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        text = value[:60].strip()
        label = _LABEL.match(text)
        match = _WHOLE.match(text, label.end() if label else 0)
        return int(match[1]) if match else None
    return value if isinstance(value, int) else None
