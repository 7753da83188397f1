import io
from contextlib import contextmanager, redirect_stderr

import pytest

from unillmrec.cli.shared.progress import build_progress, progress_bars, status_line


class Terminal(io.StringIO):
    """A standard error stream that says that it is a terminal."""

    def isatty(self):
        return True


class Reader:
    """A catalog of which half was read."""

    position = 50
    size = 100


@contextmanager
def on_terminal():
    """Make standard error a terminal, and yield it."""
    with redirect_stderr(Terminal()) as stream:
        yield stream


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")


def test_bars_have_a_name_and_numbers():
    """One bar per name; the numbers can be replaced by a text."""
    with on_terminal() as terminal, progress_bars() as bars:
        bars.report("people", 1_200, 3_000)
        bars.report("other", 1, 2, "half of it")

    shown = terminal.getvalue()
    assert "people" in shown
    assert "1,200/3,000" in shown
    assert "half of it" in shown


def test_a_status_line_is_replaced():
    """The last text is shown, and is not read as markup."""
    with on_terminal() as terminal, status_line("first") as show:
        show("second [bold]")

    assert "second [bold]" in terminal.getvalue()


def test_reading_shows_the_share_of_the_file():
    """A new phase completes the bars before it."""
    with on_terminal() as terminal, build_progress(Reader()) as report:
        report("reading", 7, None)
        report("clustering", 0, 10)
        report("clustering", 5, 10)

    shown = terminal.getvalue()
    assert "7 items" in shown
    assert "5/10" in shown


def test_nothing_is_drawn_without_a_terminal(capsys):
    """Callbacks may be called all the same."""
    with progress_bars() as bars:
        bars.report("people", 1, 2)
        bars.finish()
    with status_line("working") as show:
        show("still working")
    with build_progress(Reader()) as report:
        report("reading", 7, None)

    assert ("", "") == capsys.readouterr()
