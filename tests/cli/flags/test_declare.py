from __future__ import annotations

from dataclasses import dataclass

import pytest
import typer
from typer.main import get_command

from unillmrec.cli.flags.declare import argument, as_command, option


@dataclass(frozen=True, kw_only=True)
class SizeFlags:
    """Flags that several commands share."""

    size: int = option("-s", "--size", help="Size in pixels.", default=3, metavar="N", min=1)
    name: str | None = option("--name", help="The name.", default=None, group="Names")


@dataclass(frozen=True, kw_only=True)
class DrawRequest(SizeFlags):
    """The flags of a command."""

    file: str = argument("FILE", help="The picture.")
    out: str = option("--out", help="Where it goes.")
    context: typer.Context


@pytest.fixture
def draw():
    """Run a command in which each flag is declared; return the request that it was called with."""
    requests = []

    def command(request: DrawRequest) -> None:
        """Draw."""
        requests.append(request)

    app = typer.Typer()
    app.command()(as_command(command))
    built = get_command(app)

    def draw(*arguments):
        built.main(list(arguments), standalone_mode=False)
        return requests[-1]

    draw.command = built
    return draw


def test_a_request_has_the_values_of_the_flags(draw):
    """Flags that are not given have their defaults."""
    request = draw("a.png", "--out", "b.png", "-s", "7")

    assert ("a.png", "b.png", 7, None) == (request.file, request.out, request.size, request.name)
    assert "b.png" == request.context.params["out"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("a.png",), "Missing parameter: out"),
        (("--out", "b.png"), "Missing parameter: file"),
        (("a.png", "--out", "b.png", "--size", "0"), "greater than or equal to 1"),
        (("a.png", "--out", "b.png", "--size", "large"), "valid integer"),
    ],
)
def test_required_and_bounded_flags_are_checked(draw, arguments, problem):
    """The errors are those of typer."""
    with pytest.raises(typer.TyperException, match=problem):
        draw(*arguments)


def test_flags_are_listed_in_order_and_with_their_group(draw):
    """In the order of their declaration, those of base classes first."""
    groups = {each.name: getattr(each, "rich_help_panel", None) for each in draw.command.params}

    assert ["size", "name", "file", "out"] == [*groups][:4]
    assert ("Names", None) == (groups["name"], groups["size"])
