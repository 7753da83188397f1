"""`unillmrec settings`: what is set, and where."""

from __future__ import annotations

from unillmrec.cli.shared import options as shared

EXAMPLES = """\
unillmrec settings
UNILLMREC_MODEL=qwen3:8b OPENAI_BASE_URL=http://localhost:11434/v1 unillmrec settings
"""

FIELDS = (
    ("settings", "a list of name, value, origin, problem"),
    ("has_endpoint", "whether a language model can be asked"),
)


def settings(json: shared.Json = False) -> None:
    """Show every setting, its value, and where it comes from.

    A flag wins over an environment variable, that over unillmrec.toml in this folder, that
    over the default. A key is never shown, not even in part.
    """
    from unillmrec.cli.settings.show import show_settings
    from unillmrec.settings import Settings

    show_settings(Settings.resolve(), as_json=json)
