"""Write the command line of the running command."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from unillmrec.settings.options import show_address

if TYPE_CHECKING:
    import typer


def format_command(context: typer.Context) -> str:
    """Return the command line with the flags that were given; secrets in addresses are hidden."""
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
