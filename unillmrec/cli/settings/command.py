"""`unillmrec settings`: show every setting and its origin."""

from __future__ import annotations

from dataclasses import dataclass

from unillmrec.cli.flags.groups import json_flag

EXAMPLES = """\
unillmrec settings
UNILLMREC_MODEL=qwen3:8b OPENAI_BASE_URL=http://localhost:11434/v1 unillmrec settings
"""

FIELDS = (
    ("settings", "a list of name, value, origin, problem"),
    ("has_endpoint", "whether a language model can be asked"),
)


@dataclass(frozen=True, kw_only=True)
class SettingsRequest:
    """The flags of `unillmrec settings`."""

    json: bool = json_flag()


def settings(request: SettingsRequest) -> None:
    """Show every setting, its value and its origin.

    Flags override environment variables, which override unillmrec.toml in this folder, which
    overrides the defaults. No part of a key is ever shown.
    """
    from unillmrec.cli.settings.show import show_settings
    from unillmrec.settings import Settings

    show_settings(Settings.resolve(), as_json=request.json)
