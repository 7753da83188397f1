"""Convert plain values of flags without typer, which imports pydantic for any conversion.

Only values that cannot be read in two ways are converted here. All others, among them every wrong
one, are left to typer, which also writes the error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args, get_origin

_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class NotPlainError(Exception):
    """A value that typer has to convert."""


def convert_plain_values(parameters: Iterable[Any]) -> None:
    """Make the *parameters* of a command convert plain values themselves."""
    for parameter in parameters:
        by_typer = getattr(parameter, "get_runtime_param", None)
        if by_typer and not isinstance(by_typer, _PlainFirst):
            parameter.get_runtime_param = _PlainFirst(by_typer)


class _PlainFirst:
    """Stands in for the conversion of one parameter; typer's own is built when it is needed."""

    def __init__(self, by_typer: Callable[[], Any]) -> None:
        self._by_typer = by_typer

    def __call__(self) -> _PlainFirst:
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return *value* as what the parameter takes."""
        try:
            return plain_value(value, param)
        except NotPlainError:
            return self._by_typer().coerce(value, param=param, ctx=ctx)


def plain_value(value: Any, parameter: Any) -> Any:
    """Return *value* as what *parameter* takes.

    Raises:
        NotPlainError: typer has to convert it.
    """
    several = parameter.multiple or parameter.nargs == -1
    if value is None:
        return () if several else None
    kind, about = parameter.type_descriptor.annotation, parameter.type_descriptor.parameter_info
    if about.parser is not None:
        raise NotPlainError
    if not several:
        return _convert(value, kind, about)
    if isinstance(value, str) or get_origin(kind) is not list:
        raise NotPlainError
    return [_convert(each, get_args(kind)[0], about) for each in value]


def _convert(value: Any, kind: Any, about: Any) -> Any:
    if kind is str and isinstance(value, str) and _is_unicode(value):
        return value
    if kind in (int, float):
        return _number(value, kind, about)
    if kind is Path and isinstance(value, str) and _is_unicode(value) and _is_openable(value):
        return Path(value)
    if isinstance(value, str) and value in get_args(kind):
        return value
    raise NotPlainError


def _number(value: Any, kind: type, about: Any) -> Any:
    text = str(value)
    match = _NUMBER.fullmatch(text)
    if match is None or (kind is int and match[1]):
        raise NotPlainError
    number = kind(text)
    least, most = about.min, about.max
    if (least is not None and number < least) or (most is not None and number > most):
        raise NotPlainError
    return number


def _is_unicode(text: str) -> bool:
    """Whether *text* has no half characters: undecodable bytes of an argument become such."""
    return text.isascii() or not re.search("[\ud800-\udfff]", text)


def _is_openable(path: str) -> bool:
    """Whether typer would have nothing to say about the file at *path*."""
    return "\0" not in path and (not os.path.exists(path) or os.access(path, os.R_OK))
