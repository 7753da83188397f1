from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.settings.options import (
    OPTIONS,
    Place,
    nearest,
    read_address,
    read_ask,
    read_count,
    read_judge,
    read_key,
    read_path,
    read_path_or_off,
    read_seconds,
    read_table,
    read_text,
    show_address,
    show_length,
    show_table,
)

VARIABLE = Place(text_only=True, folder=Path())
FILE = Place(text_only=False, folder=Path("shop"))
HOME = Path("~").expanduser()


@pytest.mark.parametrize(
    ("read", "value", "place", "expected"),
    [
        (read_text, " llama-3 ", VARIABLE, "llama-3"),
        (read_address, "http://[::1]:8080/v1", VARIABLE, "http://[::1]:8080/v1"),
        (read_address, "HTTPS://api.example.org/", FILE, "HTTPS://api.example.org/"),
        (read_key, "sk-a_b", VARIABLE, "sk-a_b"),
        (read_judge, "embedded", FILE, "embedded"),
        (read_ask, "labels", VARIABLE, "labels"),
        (read_path, "prompts", VARIABLE, Path("prompts")),
        (read_path, "prompts", FILE, Path("shop/prompts")),
        (read_path, "/prompts", FILE, Path("/prompts")),
        (read_path, "~/prompts", FILE, HOME / "prompts"),
        (read_path, Path("prompts"), VARIABLE, Path("prompts")),
        (read_path_or_off, "off", FILE, "off"),
        (read_path_or_off, "log.jsonl", FILE, Path("shop/log.jsonl")),
        (read_seconds, "2.5", VARIABLE, 2.5),
        (read_seconds, 30, FILE, 30.0),
        (read_count, "4", VARIABLE, 4),
        (read_count, 4, FILE, 4),
        (read_table, {"top_k": 20, "deep": {"er": [1]}}, FILE, {"top_k": 20, "deep": {"er": [1]}}),
    ],
)
def test_usable_values_are_read(read, value, place, expected) -> None:
    """Relative paths start in the folder where they were written."""
    assert expected == read(value, place)


@pytest.mark.parametrize(
    ("read", "value", "place", "expected"),
    [
        (read_text, "  ", FILE, "a text that is not empty"),
        (read_text, 3, FILE, "a text that is not empty"),
        (read_address, "localhost:8080/v1", VARIABLE, "an address such as"),
        (read_address, "ftp://example.org", VARIABLE, "an address such as"),
        (read_address, "http://", VARIABLE, "an address such as"),
        (read_address, "http://a b/v1", VARIABLE, "an address such as"),
        (read_address, "http://[::1/v1", VARIABLE, "an address such as"),
        (read_address, "http://host:99999/v1", VARIABLE, "an address such as"),
        (read_key, "sk-ключ", VARIABLE, "plain ASCII"),
        (read_key, "sk-a b", VARIABLE, "plain ASCII"),
        (read_key, "sk-a\nb", VARIABLE, "plain ASCII"),
        (read_judge, "llm", VARIABLE, "one of auto, endpoint, embedded"),
        (read_judge, [], FILE, "one of auto, endpoint, embedded"),
        (read_path, "", FILE, "a text that is not empty"),
        (read_seconds, "60", FILE, "a number of seconds above 0, up to 1,000,000"),
        (read_seconds, "soon", VARIABLE, "a number of seconds above 0, up to 1,000,000"),
        (read_seconds, "nan", VARIABLE, "a number of seconds above 0, up to 1,000,000"),
        (read_seconds, True, FILE, "a number of seconds above 0, up to 1,000,000"),
        (read_seconds, 0, FILE, "a number of seconds above 0, up to 1,000,000"),
        (read_seconds, float("inf"), FILE, "a number of seconds above 0, up to 1,000,000"),
        (read_seconds, 10**400, FILE, "a number of seconds above 0, up to 1,000,000"),
        (read_count, "8", FILE, "a whole number from 1 to 100,000"),
        (read_count, "2.5", VARIABLE, "a whole number from 1 to 100,000"),
        (read_count, True, FILE, "a whole number from 1 to 100,000"),
        (read_count, 0, FILE, "a whole number from 1 to 100,000"),
        (read_table, "top_k=20", FILE, "a table"),
        (read_table, {"model": "x", "n": 2}, FILE, "fields other than model, n"),
        (read_table, {"day": date(2026, 1, 1)}, FILE, "values that JSON can hold"),
        (read_table, {"penalty": float("nan")}, FILE, "values that JSON can hold"),
    ],
)
def test_unusable_values_are_refused(read, value, place, expected) -> None:
    """The error describes the expected value."""
    with pytest.raises(ValueError, match=expected):
        read(value, place)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (None, "not set"),
        ("https://api.example.org/v1", "https://api.example.org/v1"),
        ("https://ann:secret@host/v1", "https://…@host/v1"),
        ("https://ann:sec@ret@host/v1", "https://…@host/v1"),
        ("ann:secret@host/v1", "…@host/v1"),
        ("https://host/v1?code=secret&version=2", "https://host/v1?code=…&version=…"),
    ],
)
def test_an_address_is_shown_without_secrets(address: str | None, expected: str) -> None:
    """Passwords and query values are not shown."""
    assert expected == show_address(address)


@given(st.text(st.characters(codec="ascii"), min_size=8))
def test_a_key_is_shown_as_its_length(key: str) -> None:
    """No part of its text is shown."""
    assert f"set, {len(key)} characters" == show_length(key)


def test_a_table_is_shown_as_json() -> None:
    """A table is one line; an empty one is shown as "none"."""
    assert '{"top_k": 20}' == show_table({"top_k": 20})
    assert "none" == show_table({})


def test_names_flags_and_variables_are_unique() -> None:
    """No two settings share a name, a flag or a variable."""
    for part in ("name", "flag", "variable"):
        used = [getattr(option, part) for option in OPTIONS if getattr(option, part)]
        assert sorted(set(used)) == sorted(used)


def test_only_a_similar_name_is_suggested() -> None:
    """A poor suggestion is worse than none."""
    assert " The nearest is 'model'." == nearest("modle", ["judge", "model"])
    assert "" == nearest("zzz", ["judge", "model"])
