"""Show progress on standard error, if it is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from unillmrec.cli.shared.output import format_count

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.text import Text

    from unillmrec.building import OnProgress
    from unillmrec.catalog import CatalogReader
    from unillmrec.stages import WalkStep


class ProgressBars:
    """One bar for each name that is reported; nothing is drawn where nobody can see it."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def report(self, name: str, done: int, total: int | None = None, text: str = "") -> None:
        """Draw that *done* of *total* is finished; *text* stands in place of the two numbers."""
        if self._bars.disable:
            return
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=None, text="")
        text = text or (f"{done:,}/{total:,}" if total else "")
        self._bars.update(self._tasks[name], completed=done, total=total, text=text)

    def finish(self) -> None:
        """Draw every bar as finished."""
        for task in self._tasks.values():
            self._bars.update(task, total=1, completed=1)

    def __contains__(self, name: str) -> bool:
        return name in self._tasks


@contextmanager
def progress_bars() -> Iterator[ProgressBars]:
    """Yield progress bars, which disappear at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description:<10}", markup=False),
        BarColumn(bar_width=30, style="dim"),
        TextColumn("{task.fields[text]}", style="dim", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bars:
        yield ProgressBars(bars)


@contextmanager
def status_line(text: str) -> Iterator[Callable[[str], None]]:
    """Show *text* beside a spinner, and yield a function that replaces it."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True).status(_one_line(text)) as status:
        yield lambda text: status.update(_one_line(text))


def _one_line(text: str) -> Text:
    from rich.text import Text

    return Text(text, style="dim", overflow="ellipsis", no_wrap=True)


@contextmanager
def build_progress(reader: CatalogReader) -> Iterator[OnProgress]:
    """Yield a callback that draws one bar per build phase.

    While the catalog is read, its bar shows the share of the file consumed.
    """
    with progress_bars() as bars:

        def report(phase: str, done: int, total: int | None) -> None:
            text = format_count(done, "item") if phase == "reading" else ""
            if phase == "reading" and total is None:
                done, total = reader.position, reader.size
            elif not done:
                total = None
            if phase not in bars:
                bars.finish()
            bars.report(phase, done, total, text)

        yield report


@contextmanager
def walk_progress() -> Iterator[Callable[[WalkStep], None]]:
    """Yield a callback that shows how many nodes were opened, and the last one."""
    with status_line("asking for the profile") as show:
        opened = 0

        def watch(event: WalkStep) -> None:
            nonlocal opened
            opened += 1
            show(f"{format_count(opened, 'node')} opened: {event.opened.description.label}")

        yield watch
