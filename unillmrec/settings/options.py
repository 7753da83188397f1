"""All settings: the flag and variable of each, and how it is read and shown.

A reader takes a value as written and raises ValueError with what it expected.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from unillmrec.prices import Price, read_prices

JudgeChoice: TypeAlias = Literal["auto", "endpoint", "embedded"]
AskChoice: TypeAlias = Literal["auto", "labels", "schema", "object", "text"]

# Fields of a request that are ours: another value in them would break reading or billing.
_OWN_FIELDS = frozenset({"model", "messages", "n", "stream"})

# Nothing runs so many requests at once, and no wait may be longer than the system's own limit.
_LARGEST_COUNT = 100_000
_MOST_DIGITS = 7
_MOST_SECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was written, if its meaning depends on that."""

    text_only: bool
    """Whether numbers can only be written as text there, as in a variable."""
    folder: Path
    """What a relative path is relative to."""


def read_text(value: object, place: Place) -> str:
    """Read a text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text that is not empty")
    return value.strip()


def read_address(value: object, place: Place) -> str:
    """Read the address of an endpoint."""
    address = read_text(value, place)
    try:
        parts = urlsplit(address)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port or a bracket that cannot be
        usable = False
    if not usable or re.search(r"\s", address):
        raise ValueError("an address such as http://localhost:8080/v1")
    return address


def read_key(value: object, place: Place) -> str:
    """Read a key that is valid in an HTTP header."""
    key = read_text(value, place)
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("plain ASCII without spaces, which is all that a request can carry")
    return key


def read_judge(value: object, place: Place) -> str:
    """Read the name of a judge."""
    if value not in get_args(JudgeChoice):
        raise ValueError(f"one of {', '.join(get_args(JudgeChoice))}")
    return str(value)


def read_ask(value: object, place: Place) -> str:
    """Read the name of a request style."""
    if value not in get_args(AskChoice):
        raise ValueError(f"one of {', '.join(get_args(AskChoice))}")
    return str(value)


def read_path(value: object, place: Place) -> Path:
    """Read a path, relative to the place where it was written."""
    path = value if isinstance(value, Path) else Path(read_text(value, place))
    return place.folder / path.expanduser()


def read_path_or_off(value: object, place: Place) -> Path | str:
    """Read a path, or the word "off"."""
    return "off" if value == "off" else read_path(value, place)


def read_seconds(value: object, place: Place) -> float:
    """Read a duration in seconds."""
    # A number in quotes is a mistake where numbers can be written without.
    kinds = int | float | str if place.text_only else int | float
    if isinstance(value, kinds) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            value = float(value)
            if 0 < value <= _MOST_SECONDS:
                return value
    raise ValueError(f"a number of seconds above 0, up to {_MOST_SECONDS:,}")


def read_count(value: object, place: Place) -> int:
    """Read an integer of at least one."""
    if place.text_only and isinstance(value, str) and value.isdecimal():
        # Python refuses to convert very long ones.
        value = int(value[:_MOST_DIGITS])
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _LARGEST_COUNT:
        raise ValueError(f"a whole number from 1 to {_LARGEST_COUNT:,}")
    return value


def read_table(value: object, place: Place) -> dict[str, object]:
    """Read fields to add to the body of every request."""
    if not isinstance(value, dict):
        raise ValueError("a table, such as [extra_body] and a line top_k = 20")
    if own := sorted(value.keys() & _OWN_FIELDS):
        raise ValueError(f"fields other than {', '.join(own)}, which unillmrec sets itself")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError("values that JSON can hold: no dates, no nan, no inf") from error
    return dict(value)


def read_price_table(value: object, place: Place) -> dict[str, Price]:
    """Read the prices of models."""
    if not isinstance(value, dict):
        raise ValueError('a table, such as [prices."gpt-4o-mini"] and a line prompt = 0.15')
    return read_prices(value)


def show_plain(value: object) -> str:
    """Show the value itself."""
    return "not set" if value is None else str(value)


def show_length(value: object) -> str:
    """Show the length of a secret, and nothing of its text."""
    return "not set" if value is None else f"set, {len(str(value))} characters"


def show_address(value: object) -> str:
    """Show an address without password and query values."""
    without_password = re.sub(r"(^|(?<=//))[^/]*@", "…@", show_plain(value))
    return re.sub(r"=[^&]+", "=…", without_password)


def show_table(value: object) -> str:
    """Show a table as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, default=str) if value else "none"


def show_names(value: object) -> str:
    """Show the keys of a table."""
    return ", ".join(value) if isinstance(value, dict) and value else "none"


@dataclass(frozen=True, slots=True)
class Option:
    """One setting, with its flag and variable if it has any."""

    name: str
    flag: str
    variable: str
    read: Callable[[object, Place], object] = read_text
    show: Callable[[object], str] = show_plain


OPTIONS = (
    Option("base_url", "--base-url", "OPENAI_BASE_URL", read_address, show_address),
    Option("api_key", "", "OPENAI_API_KEY", read_key, show_length),
    Option("model", "--model", "UNILLMREC_MODEL"),
    Option("model_file", "--model-file", "UNILLMREC_MODEL_FILE", read_path),
    Option("judge", "--judge", "UNILLMREC_JUDGE", read_judge),
    Option("ask", "--ask", "UNILLMREC_ASK", read_ask),
    Option("endpoint_memory", "", "UNILLMREC_ENDPOINT_MEMORY", read_path_or_off),
    Option("embed_model", "--embed", "UNILLMREC_EMBED_MODEL"),
    Option("prompts", "--prompts", "UNILLMREC_PROMPTS", read_path),
    Option("usage_log", "--usage-log", "UNILLMREC_USAGE_LOG", read_path_or_off),
    Option("timeout_seconds", "--timeout-seconds", "UNILLMREC_TIMEOUT_SECONDS", read_seconds),
    Option("concurrency", "--concurrency", "UNILLMREC_CONCURRENCY", read_count),
    Option("extra_body", "", "", read_table, show_table),
    Option("prices", "", "", read_price_table, show_names),
)


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a sentence that suggests the most similar of *names*, or ""."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(names), n=1)
    return f" The nearest is {near[0]!r}." if near else ""
