"""Resolve the settings of a command."""

from __future__ import annotations

from unillmrec.settings import Settings
from unillmrec.settings.options import OPTIONS


def settings_of(request: object) -> Settings:
    """Return the settings in force, where the flags of *request* win.

    Raises:
        SettingsError: a value is unusable, or the settings file is.
    """
    names = (each.name for each in OPTIONS)
    return Settings.resolve({name: getattr(request, name, None) for name in names})
