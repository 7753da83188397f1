"""The command that was given, as it can be given again."""

from __future__ import annotations

import shlex

import typer

from unillmrec.settings.options import show_address


def told_command(context: typer.Context) -> str:
    """Return the command with what was given to it; an address without what is secret in it."""
    words = ["unillmrec", str(context.info_name)]
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[name]
        if parameter.param_type_name == "option":
            words.append(max(parameter.opts, key=len))
        if value is not True:
            words.append(show_address(value) if name == "base_url" else str(value))
    return shlex.join(words)
