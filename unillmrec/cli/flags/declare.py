"""Declare the flags of a command as fields of a dataclass, its request, which typer fills."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, field, fields
from functools import wraps
from typing import Annotated, Any, TypeVar, get_type_hints, overload

import typer

Value = TypeVar("Value")
Request = TypeVar("Request")

_PARAMETER = "typer"


@overload
def option(
    *flags: str,
    help: str,
    default: Value,
    group: str | None = None,
    metavar: str | None = None,
    min: float | None = None,
    max: float | None = None,
) -> Value: ...
@overload
def option(
    *flags: str,
    help: str,
    group: str | None = None,
    metavar: str | None = None,
    min: float | None = None,
    max: float | None = None,
) -> Any: ...
def option(
    *flags: str,
    help: str,
    default: Any = MISSING,
    group: str | None = None,
    metavar: str | None = None,
    min: float | None = None,
    max: float | None = None,
) -> Any:
    """Declare an option of a request; without *default* it is required.

    *group* is the heading it is listed under in the help.
    """
    parameter = typer.Option(
        *flags, help=help, metavar=metavar, min=min, max=max, rich_help_panel=group
    )
    return field(default=default, metadata={_PARAMETER: parameter})


def argument(metavar: str, *, help: str, default: Any = MISSING) -> Any:
    """Declare a positional argument of a request; without *default* it is required."""
    parameter = typer.Argument(metavar=metavar, help=help)
    return field(default=default, metadata={_PARAMETER: parameter})


def as_command(function: Callable[[Request], None]) -> Callable[..., None]:
    """Return *function*, which takes one request, as a function of its flags for typer to read.

    The request's class is read from the annotation. Flags are listed in the order in which they
    are declared, those of base classes first.
    """
    (request_type,) = (kind for name, kind in get_type_hints(function).items() if name != "return")

    @wraps(function)
    def command(**values: Any) -> None:
        function(request_type(**values))

    command.__annotations__ = {}
    command.__signature__ = inspect.Signature(list(_parameters(request_type)))  # type: ignore[attr-defined]
    return command


def _parameters(request_type: type) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(request_type)
    declared = {each.name: each for each in fields(request_type)}
    for name in _in_order(request_type):
        parameter = declared[name].metadata.get(_PARAMETER)
        default = declared[name].default
        yield inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if default is MISSING else default,
            annotation=Annotated[hints[name], parameter] if parameter else hints[name],
        )


def _in_order(request_type: type) -> dict[str, None]:
    """Return the names of the fields, those of base classes first and from left to right."""
    names: dict[str, None] = {}
    for base in request_type.__bases__:
        names |= _in_order(base)
    return names | dict.fromkeys(inspect.get_annotations(request_type))
