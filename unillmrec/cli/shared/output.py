"""Print text, tables, numbers and bills in the same way for all commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from unillmrec.building import BuildReport
    from unillmrec.catalog import CatalogReader
    from unillmrec.store.survey import TreeShape
    from unillmrec.usage import Usage

# Lines are not wrapped where the output is not a terminal.
UNWRAPPED = 4_000
NARROW = 76
LONGEST_ERROR_LINE = 2_000
SHOWN_SKIPPED = 10
# Zero-width characters that Persian, Indic scripts and emoji need inside a word.
JOINERS = "\u200c\u200d"


class Page:
    """A stream for output as text. Text is never interpreted as markup."""

    def __init__(self, stream: TextIO | None = None) -> None:
        from rich.console import Console

        self._stream = stream or sys.stdout
        self.is_terminal = self._stream.isatty()
        self.console = Console(
            file=self._stream,
            width=None if self.is_terminal else UNWRAPPED,
            markup=False,
            highlight=False,
            emoji=False,
        )

    @property
    def width(self) -> int:
        """The width in characters."""
        return self.console.width

    @property
    def is_narrow(self) -> bool:
        """Whether wide tables must leave out columns."""
        return self.width < NARROW

    def show(self, *parts: RenderableType) -> None:
        """Print *parts* below each other; texts lose what would control the terminal."""
        parts = tuple(map(_harmless, parts))
        if self.is_terminal:
            self.console.print(*parts, sep="\n")
            return
        # Rich pads lines with spaces, which are a nuisance in a pipe.
        with self.console.capture() as captured:
            self.console.print(*parts, sep="\n")
        for line in captured.get().split("\n")[:-1]:
            self._stream.write(line.rstrip() + "\n")

    def blank(self) -> None:
        """Print an empty line."""
        self.show("")


def show_json(value: Mapping[str, object]) -> None:
    """Print one JSON object on one line."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value)
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Print a line to standard error, beside the results."""
    if not sys.stderr.isatty() and text.isascii() and len(text) < UNWRAPPED:
        # The same line, without importing rich.
        print(*(_cut(line.rstrip()) for line in text.split("\n")), sep="\n", file=sys.stderr)
        return
    from rich.text import Text

    text = "\n".join(map(_cut, text.split("\n")))
    Page(sys.stderr).show(Text(text, style="dim"))


def print_error(text: str) -> None:
    """Print an error: the first line is the problem, the others are its detail and remedy."""
    from rich.text import Text

    page = Page(sys.stderr)
    problem, *rest = (_without_control_codes(_cut(line)) for line in text.split("\n"))
    page.console.print(Text.assemble(("Error: ", "bold red"), problem), soft_wrap=True)
    for line in rest:
        page.console.print(Text(line, style="dim"), soft_wrap=True)


def _harmless(part: RenderableType) -> RenderableType:
    """Return a text without control codes, which names of files and items may contain."""
    from rich.text import Text

    if isinstance(part, Text) and not part.plain.isprintable():
        # Each is replaced by one character, so that the styles stay in their places.
        part = part.copy()
        part.plain = "\n".join(map(_without_control_codes, part.plain.split("\n")))
    return part


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST_ERROR_LINE else line[: LONGEST_ERROR_LINE - 1] + "…"


def _without_control_codes(line: str) -> str:
    """Return *line* with blanks for control codes."""
    return "".join(each if each.isprintable() or each in JOINERS else " " for each in line)


def printable(text: str, limit: int = 200) -> str:
    """Return untrusted *text* as one line of printable characters, cut to *limit*."""
    text = _without_control_codes(text)
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def indented(text: Text | str, indent: int = 4) -> Padding:
    """Return *text* indented, also where it wraps."""
    from rich.padding import Padding

    return Padding(text, (0, 0, 0, indent), expand=False)


def grid(*, columns: int = 2, right: Sequence[int] = ()) -> Table:
    """Return a table without borders or wrapping; the columns in *right* are right-aligned."""
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for place in range(columns):
        table.add_column(justify="right" if place in right else "left", no_wrap=True)
    return table


def facts_table(pairs: Iterable[tuple[str, Text | str]]) -> Table:
    """Return a table of names and values, one pair per line; long values wrap."""
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, value)
    return table


def format_count(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def format_shape(tree: BuildReport | TreeShape) -> str:
    """Return leaves, branches and depth of a tree in one line."""
    sizes = f"{tree.smallest_leaf} to " if tree.smallest_leaf != tree.largest_leaf else ""
    leaves = f"{format_count(tree.leaves, 'leaf', 'leaves')} of {sizes}{tree.largest_leaf:,} items"
    if not tree.depth:
        return leaves
    # The root counts as a branch: every node that is not a leaf does.
    branches = format_count(tree.branches, "branch", "branches")
    return f"{leaves} under {branches}, {tree.depth} deep, at most {tree.most_children} in a branch"


def format_bytes(size: int) -> str:
    """Return a file size in bytes, kB or MB."""
    if size < 1_000:
        return f"{size} bytes"
    if size < 1_000_000:
        return f"{size / 1_000:.0f} kB"
    return f"{size / 1_000_000:.1f} MB"


def format_seconds(seconds: float) -> str:
    """Return a duration in seconds, with two digits below ten seconds and one above."""
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"


def show_bill(
    page: Page, lines: Mapping[str, Usage], total: Usage, *, first: str = "stage"
) -> None:
    """Print usage by line, and the total; reported and estimated tokens have their own columns.

    Cached and reasoning tokens are part of the others, and are shown if there are any.
    """
    from rich.text import Text

    rows = [*lines.items(), ("total", total)] if len(lines) != 1 else list(lines.items())
    parts = [part for part in ("cached", "reasoning") if any(getattr(u, part) for _, u in rows)]
    columns = ["prompt", "completion", *([] if page.is_narrow else parts)]
    short = {"completion": "compl."} if page.is_narrow else {}
    reported = [short.get(name, name) for name in columns]
    estimated = ["~prompt", "~compl."] if page.is_narrow else ["est. prompt", "est. completion"]
    table = numbers_table(first, ["calls", *reported, *estimated])
    for name, usage in rows:
        numbers = [usage.calls, *(getattr(usage, column) for column in columns)]
        numbers += [usage.estimated_prompt, usage.estimated_completion]
        style = "bold" if name == "total" and len(rows) > 1 else ""
        table.add_row(Text(name), *map(format_tokens, numbers), style=style)
    page.show(table)
    if page.is_narrow:
        counts = [f"{part} {format_tokens(getattr(total, part))}" for part in parts]
        page.show(Text(", ".join(["~ estimated", *counts]), style="dim"))


def numbers_table(first: str, columns: Sequence[str]) -> Table:
    """Return a table whose first column holds names and whose other columns hold numbers."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first, overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def format_tokens(number: int | None) -> Text:
    """Return a token count, or "unknown"."""
    from rich.text import Text

    return Text("unknown", style="yellow") if number is None else Text(f"{number:,}")


def show_skipped(page: Page, reader: CatalogReader) -> None:
    """Print the first skipped rows with their problems, and the number of the others."""
    from rich.text import Text

    if not reader.skipped_count:
        return
    page.blank()
    page.show(Text(f"Skipped {format_count(reader.skipped_count, 'row')}:", style="yellow"))
    for each in reader.skipped[:SHOWN_SKIPPED]:
        page.show(indented(f"{reader.name}:{each.line}: {printable(each.problem, 200)}", 2))
    more = reader.skipped_count - SHOWN_SKIPPED
    if more > 0:
        page.show(indented(Text(f"and {more:,} more; --json lists them", style="dim"), 2))
