import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import trees
from unillmrec.cli import main
from unillmrec.testing import FakeServer

PACKAGE = str(Path(__file__).parents[2])


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Where trees are kept that are built once."""
    folder = tmp_path_factory.getbasetemp() / "trees"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def shop(built, tmp_path):
    """A tree of three hundred items in the working directory, by its name."""
    trees.tree(built).close()
    shutil.copy(built / "words.tree", tmp_path / "shop.tree")
    return "shop.tree"


@pytest.fixture
def shelf(built, tmp_path):
    """A tree of fifteen books over given vectors, one of them not harmless."""
    trees.shelf_tree(built).close()
    shutil.copy(built / "shelf.tree", tmp_path / "shelf.tree")
    return "shelf.tree"


class Run:
    """What a command left behind."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        """The one object that was printed."""
        (line,) = self.out.splitlines()
        return json.loads(line)


@pytest.fixture
def run(capsys):
    """Run the command line in this process."""

    def run(*arguments):
        capsys.readouterr()
        code = 0
        try:
            main([str(each) for each in arguments])
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err)

    return run


@pytest.fixture
def server(monkeypatch):
    """A model's server that the settings lead to."""
    with FakeServer() as server:
        lead_to(server, monkeypatch)
        yield server


def lead_to(server, monkeypatch):
    """Set the variables so that *server* is asked."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("UNILLMREC_MODEL", server.model)


def in_process(*arguments, **variables):
    """Start the command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "unillmrec", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": PACKAGE} | variables,
    )


def on_terminal(width, *arguments, **variables):
    """Run the command line on a terminal that is *width* columns wide; return what it shows."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "unillmrec", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"PYTHONPATH": PACKAGE, "TERM": "xterm-256color"} | variables,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65_536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait() == 0
    return shown.decode().replace("\r\n", "\n")


def names_in(fields):
    """Return the names that the help of a command gives for the JSON it prints."""
    always = [names for names, _ in fields if not names.startswith("with ")]
    return sorted(name for names in always for name in names.split(", "))
