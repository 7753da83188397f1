"""Parse JSON that somebody else wrote, whatever its depth, numbers and characters."""

from __future__ import annotations

import json
import re
from typing import Any

# Deeper than anything that is read here. Far deeper nesting exhausts the stack of recursive code.
_MOST_LEVELS = 100
# Every such integer can become a float; Python refuses to convert very long ones.
_MOST_DIGITS = 300
_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


def parse_json(content: str | bytes) -> Any:
    """Return the value of a JSON text, in a form that can be stored, printed and compared.

    Half a surrogate pair and undecodable bytes become U+FFFD. Integers of more than 300
    digits become floats, infinite ones if they are too large.

    Raises:
        ValueError: it is not JSON, or nested more than a hundred levels deep.
    """
    text = content if isinstance(content, str) else _decode(content)
    try:
        value = json.loads(text, parse_int=_parse_int)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if text.count("[") + text.count("{") > _MOST_LEVELS and not _is_shallow(value, _MOST_LEVELS):
        raise ValueError("it is nested too deeply")
    # Most texts hold neither an escape nor a surrogate, and are not walked.
    return replace_surrogates(value) if "\\u" in text or _SURROGATE.search(text) else value


def replace_surrogates(value: Any) -> Any:
    """Return *value* with U+FFFD for each half of a surrogate pair, in keys and nested texts too.

    Such a text can be neither encoded nor stored.
    """
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub(_REPLACEMENT, value)
    if isinstance(value, list):
        return [replace_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {replace_surrogates(key): replace_surrogates(each) for key, each in value.items()}
    return value


def _decode(content: bytes) -> str:
    return content.decode(json.detect_encoding(content), "replace")


def _parse_int(digits: str) -> float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _is_shallow(value: Any, levels: int) -> bool:
    """Return whether objects and lists are nested at most *levels* deep."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(each, levels - 1) for each in inner)
