"""A group of commands that imports the module of a command only when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand
from typer.main import get_command, get_group

from unillmrec.cli.help import Group, documented


class LazyGroup(Group):
    """A group that lists its commands by their summaries, and loads the one that is called."""

    modules: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """For each command, its module below `unillmrec.cli` and its summary."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, (_, summary) in self.modules.items():
            self.commands[name] = TyperCommand(name, help=summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command, and load it."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, self.load(name), rest

    def load(self, name: str) -> Any:
        """Return the command called *name*, with its flags; import its module if need be."""
        command = self.commands[name]
        if type(command) is TyperCommand:
            command = self.commands[name] = load_command(name, self.modules[name][0])
        return command


def load_command(name: str, path: str) -> Any:
    """Import a command from its module: its function is the last word of its name."""
    from unillmrec.cli.flags.declare import as_command

    module = import_module(f"unillmrec.cli.{path}")
    if hasattr(module, "app"):
        group = get_group(module.app)
        group.name = name
        return group
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    function = as_command(getattr(module, name.split()[-1]))
    app.command(name, cls=documented(module.EXAMPLES, module.FIELDS))(function)
    return get_command(app)
