"""What a person sees while something takes its time: on stderr, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.text import Text

from unillmrec.cli.shared.output import counted

if TYPE_CHECKING:
    from unillmrec.building import Progress as Report
    from unillmrec.catalog import CatalogReader
    from unillmrec.stages import Event


@contextmanager
def build_progress(reader: CatalogReader) -> Iterator[Report]:
    """Give what shows the phases of a build; of the reading, how much of the file is through."""
    if not sys.stderr.isatty():
        yield lambda phase, done, total: None
        return
    with Progress(
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=30, style="dim"),
        TextColumn("{task.fields[told]}", style="dim", markup=False),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        shown = _Phases(bars, reader)
        yield shown.report


class _Phases:
    """One bar for each phase; a new one means that those before it are over."""

    def __init__(self, bars: Progress, reader: CatalogReader) -> None:
        self._bars = bars
        self._reader = reader
        self._tasks: dict[str, TaskID] = {}

    def report(self, phase: str, done: int, total: int | None) -> None:
        if phase not in self._tasks:
            for task in self._tasks.values():
                self._bars.update(task, total=1, completed=1)
            self._tasks[phase] = self._bars.add_task(phase, total=None, told="")
        told = counted(done, "item") if phase == "reading" else ""
        if phase == "reading" and total is None:
            done, total = self._reader.position, self._reader.size
        elif not done:
            total = None
        self._bars.update(self._tasks[phase], completed=done, total=total, told=told)


@contextmanager
def walk_progress() -> Iterator[Callable[[Event], None] | None]:
    """Give what shows the branch that was opened last."""
    if not sys.stderr.isatty():
        yield None
        return
    with Console(stderr=True).status(Text("asking about the profile", style="dim")) as status:
        opened = 0

        def watch(event: Event) -> None:
            nonlocal opened
            opened += 1
            told = f"{counted(opened, 'node')} opened: {event.opened.description.label}"
            status.update(Text(told, style="dim", overflow="ellipsis", no_wrap=True))

        yield watch
