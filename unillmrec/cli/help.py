"""Format help: options in groups, the fields of --json, examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from typer.core import TyperCommand, TyperGroup

from unillmrec.cli.flags.headings import PERSON
from unillmrec.cli.flags.plain_values import convert_plain_values

ARGUMENTS = "Arguments"
OPTIONS = "Options"

Fields = Sequence[tuple[str, str]]


class Interrupted(Exception):
    """Ctrl-C was pressed."""


class OutputClosed(Exception):
    """The reader of the output closed it."""


class Command(TyperCommand):
    """A command whose help lists the options by group."""

    examples: ClassVar[str] = ""
    fields: ClassVar[Fields] = ()

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        convert_plain_values(self.params)

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option --help."""
        option = super().get_help_option(ctx)
        convert_plain_values([option])
        return option

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the arguments of the usage line, without braces."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options by group, then the fields of --json."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            heading = getattr(parameter, "rich_help_panel", None) or OPTIONS
            if parameter.param_type_name == "argument":
                # The metavar already tells the type.
                record = record[0].partition(" <")[0], record[1].removesuffix("  [required]")
                heading = ARGUMENTS
            groups.setdefault(heading, []).append(record)
        for heading in sorted(groups, key=_position):
            with formatter.section(heading):
                formatter.write_dl(groups[heading])
        if self.fields:
            with formatter.section("Fields of --json"):
                formatter.write_dl(self.fields)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples."""
        write_examples(self.examples, formatter)


def documented(examples: str, fields: Fields = ()) -> type[Command]:
    """Return a command class whose help has *examples*, and the *fields* of the JSON output."""
    return type("DocumentedCommand", (Command,), {"examples": examples, "fields": fields})


def write_examples(examples: str, formatter: Any) -> None:
    """Write examples without wrapping them."""
    if examples:
        with formatter.section("Examples"):
            for line in examples.splitlines():
                formatter.write(f"  {line}\n")


def _position(heading: str) -> int:
    return (ARGUMENTS, PERSON, OPTIONS, heading).index(heading)


class Group(TyperGroup):
    """A group of commands whose epilog holds examples. `main` chooses the exit code."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        convert_plain_values(self.params)

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option --help."""
        option = super().get_help_option(ctx)
        convert_plain_values([option])
        return option

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples."""
        write_examples(self.epilog or "", formatter)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command by one word, or by two, such as `tree check` beside `tree`."""
        two = " ".join(args[:2])
        if len(args) > 1 and two in self.commands:
            return two, self.commands[two], args[2:]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted from error
        except BrokenPipeError as error:
            raise OutputClosed from error
