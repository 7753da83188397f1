"""Check whether a reply conforms to its JSON schema.

Only a reply that does not conform shows that a server accepts a schema without enforcing it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def text_conforms(text: str, schema: Mapping[str, object]) -> bool:
    """Return whether *text* is JSON that conforms to *schema*, with nothing around it."""
    try:
        return conforms(json.loads(text), schema)
    except (ValueError, RecursionError):
        return False


def conforms(value: object, schema: Mapping[str, object]) -> bool:
    """Return whether *value* conforms to *schema*.

    Only the keywords of our schemas are checked: type, properties, required, items, enum, bounds.
    """
    kind = schema.get("type")
    if isinstance(kind, str) and not _is_a(value, kind):
        return False
    allowed = schema.get("enum")
    if isinstance(allowed, list) and value not in allowed:
        return False
    if isinstance(value, dict):
        return _fields_conform(value, schema)
    if isinstance(value, list):
        items = schema.get("items")
        return not isinstance(items, Mapping) or all(conforms(each, items) for each in value)
    if isinstance(value, int | float):
        return _in_bounds(value, schema)
    return True


def _is_a(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(kind, (object,)))


def _fields_conform(value: Mapping[str, object], schema: Mapping[str, object]) -> bool:
    properties = schema.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    required = schema.get("required")
    if any(name not in value for name in (required if isinstance(required, list) else ())):
        return False
    if schema.get("additionalProperties") is False and not value.keys() <= properties.keys():
        return False
    return all(conforms(each, properties.get(name, {})) for name, each in value.items())


def _in_bounds(value: float, schema: Mapping[str, object]) -> bool:
    low, high = schema.get("minimum"), schema.get("maximum")
    return not (
        (isinstance(low, int | float) and value < low)
        or (isinstance(high, int | float) and value > high)
    )
