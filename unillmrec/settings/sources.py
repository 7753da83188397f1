"""The places settings come from: flags, variables, and the settings file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unillmrec.errors import SettingsError
from unillmrec.settings.options import OPTIONS, Option, Place, nearest, show_plain

FILE_NAME = "unillmrec.toml"
FILE_VARIABLE = "UNILLMREC_SETTINGS"


@dataclass(frozen=True, slots=True)
class SettingsSource:
    """The raw values of one place."""

    values: Mapping[str, object]
    place: Place
    origins: Mapping[str, str]
    """How people call the place of each value."""
    lines: Mapping[str, str]
    """The same with a line number, where there is one; for errors."""

    def read(self, option: Option) -> object:
        """Return the value of *option*.

        Raises:
            SettingsError: It is not what the option takes; the error says where it is written.
        """
        value = self.values[option.name]
        try:
            return option.read(value, self.place)
        except ValueError as error:
            # Only what is shown as it is may be quoted as it is.
            shown = repr(value) if option.show is show_plain else option.show(value)
            raise SettingsError(
                f"{self.lines[option.name]}: {option.name} is {shown}.",
                detail=f"Expected {error}.",
                remedy="`unillmrec settings`, which shows every value and where it is from.",
            ) from error


def from_flags(flags: Mapping[str, object]) -> SettingsSource:
    """Return the values given on the command line."""
    given = {name: value for name, value in flags.items() if value is not None}
    if "api_key" in given:
        raise SettingsError(
            "the key cannot be given on the command line.",
            detail="Others can see the commands that run, and the shell keeps them on disk.",
            remedy="export OPENAI_API_KEY=…",
        )
    names = {option.name: option.flag for option in OPTIONS if option.flag}
    if unknown := sorted(given.keys() - names.keys()):
        raise TypeError(f"there are no flags for {unknown}")
    return SettingsSource(given, Place(text_only=True, folder=Path()), names, names)


def from_variables(environment: Mapping[str, str]) -> SettingsSource:
    """Return the values set in *environment*; an empty variable counts as not set."""
    names = {option.name: option.variable for option in OPTIONS if option.variable}
    values = {name: environment.get(variable, "").strip() for name, variable in names.items()}
    found = {name: value for name, value in values.items() if value}
    return SettingsSource(found, Place(text_only=True, folder=Path()), names, names)


def unread_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return variables with our prefix that belong to no setting."""
    known = {FILE_VARIABLE, *(option.variable for option in OPTIONS)}
    ours = (name for name in environment if name.startswith("UNILLMREC_"))
    return tuple(sorted(name for name in ours if name not in known))


def from_file(environment: Mapping[str, str], directory: Path) -> SettingsSource:
    """Return the values of the settings file that a variable names, or that is in *directory*."""
    named = environment.get(FILE_VARIABLE, "").strip()
    path = directory / Path(named or FILE_NAME).expanduser()
    place = Place(text_only=False, folder=path.parent)
    if not named and not path.exists():
        return SettingsSource({}, place, {}, {})
    shown = named or FILE_NAME
    text = _text_of(path, shown, f"It was named by {FILE_VARIABLE}." if named else "")
    values = _parsed(text, shown)
    lines = {name: _line_of(name, text, shown) for name in values}
    _check_names(values, lines)
    return SettingsSource(values, place, dict.fromkeys(values, shown), lines)


def _text_of(path: Path, shown: str, detail: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(
            f"{shown}: the settings file cannot be read: {reason}.", detail=detail
        ) from error


def _parsed(text: str, shown: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise SettingsError(f"{shown}: the settings file is not TOML: {reason}.") from error


def _line_of(name: str, text: str, shown: str) -> str:
    # tomllib tells no positions; the beginnings of lines do, but for keys in inline tables.
    begins = re.compile(rf"\s*\[*\s*[\"']?{re.escape(name)}[\"']?\s*[=.\]]")
    for number, line in enumerate(text.splitlines(), start=1):
        if begins.match(line):
            return f"{shown}:{number}"
    return shown


def _check_names(values: Mapping[str, Any], lines: Mapping[str, str]) -> None:
    known = [option.name for option in OPTIONS if option.name != "api_key"]
    for name, value in values.items():
        if any(map(_is_key, [name, *value] if isinstance(value, dict) else [name])):
            raise SettingsError(
                f"{lines[name]}: a key cannot be given in a settings file.",
                detail="Such files are copied, shown and committed.",
                remedy="take it out, and export OPENAI_API_KEY=…",
            )
        if name not in known:
            raise SettingsError(
                f"{lines[name]}: there is no setting {name!r}.{nearest(name, known)}",
                detail=f"The settings are {', '.join(known)}.",
                remedy="correct the name, or take it out.",
            )


def _is_key(name: str) -> bool:
    return "apikey" in re.sub("[^a-z]", "", name.lower())
