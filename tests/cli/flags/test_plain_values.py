"""Plain values of flags are what typer would make of them, without pydantic."""

from pathlib import Path
from typing import Literal

import pytest
import typer
from typer.main import get_command

from unillmrec.cli.flags.plain_values import NotPlainError, convert_plain_values, plain_value


def command(kind, **settings):
    app = typer.Typer(add_completion=False)

    @app.command()
    def main(value: kind = typer.Option(None, **settings)):
        pass

    return get_command(app)


VALUES = [
    *("", "a", "é 🎬", "0", "7", "-7", "1.5", "1e3", " 7 ", "1_000", "nan", "inf", "007", "٣"),
    *("9" * 30, "best", "BEST", "none", ".", "/nowhere/at all", "a\ud83d", "a\0b", "True"),
]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (str, {}),
        (int, {}),
        (int, {"min": 1, "max": 100}),
        (float, {}),
        (float, {"min": 0, "max": 1}),
        (Path, {}),
        (Literal["best", "none"], {}),
        (list[str], {}),
        (list[int], {}),
    ],
    ids=str,
)
def test_a_plain_value_is_what_typer_makes_of_it(kind, settings):
    """Values are the same, of the same type, and errors have the same text."""
    by_typer, ours = command(kind, **settings), command(kind, **settings)
    convert_plain_values(ours.params)

    for value in VALUES:
        assert parsed(by_typer, value) == parsed(ours, value), repr(value)


def parsed(parser, value):
    try:
        context = parser.make_context("command", ["--value", value])
    except (typer.TyperException, ValueError) as error:
        return type(error), error.format_message() if hasattr(error, "format_message") else str(
            error
        )
    result = context.params["value"]
    return type(result), repr(result)


@pytest.mark.parametrize("value", ["-7", "1e3", "101", "1.5", " 7"])
def test_a_doubtful_number_is_left_to_typer(value):
    """It knows what to say about it."""
    (parameter, *_) = command(int, min=1, max=100).params

    with pytest.raises(NotPlainError):
        plain_value(value, parameter)


def test_an_unreadable_file_is_left_to_typer(tmp_path, monkeypatch):
    """It checks the permission."""
    file = tmp_path / "a.tree"
    file.touch()
    monkeypatch.setattr("os.access", lambda *_: False)
    (parameter, *_) = command(Path).params

    with pytest.raises(NotPlainError):
        plain_value(str(file), parameter)
