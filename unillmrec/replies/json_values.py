"""Values out of the JSON of a reply, whatever the model called them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from unillmrec.replies.json_fragments import Json

NUMBERS = ("number", "choice", "item", "branch", "index", "id", "no", "n")

_LABEL = re.compile(r"(?:item|branch|choice|option|number|no\.?|#)?\s*[\[(]?#?", re.IGNORECASE)
_WHOLE = re.compile(r"([-+]?\d{1,15})(?:\.0{0,9})?[\])]?[.:]?(?:\Z|(?<=[\]).:])\s)")


def objects(value: Json) -> Iterator[dict[str, Json]]:
    """Walk through *value*, and yield every object in it with its names in lower case."""
    if isinstance(value, dict):
        yield lowered(value)
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            if isinstance(each, dict | list):
                yield from objects(each)


def lowered(fields: dict[str, Json]) -> dict[str, Json]:
    """Return an object with its names in lower case."""
    return {name.strip().lower(): value for name, value in fields.items()}


def first(fields: dict[str, Json], names: Sequence[str]) -> Json:
    """Return what an object has under the first of *names* that it has."""
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def whole(value: Json) -> int | None:
    """Return a whole number: 3, 3.0, "3", "#3", "[3]", "3. Title"; not 3.5, True or "three"."""
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
