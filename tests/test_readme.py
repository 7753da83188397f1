"""The README's commands exist, its flags too, and its outputs are what the program prints."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from unillmrec.cli import main
from unillmrec.cli.application import app

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"(<!-- run: (.*?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    """A folder with the demo's catalog and tree, which every example works on."""
    folder = tmp_path_factory.mktemp("readme")
    with contextlib.chdir(folder):
        _output("demo --keep . --no-pause")
    return folder


def _output(arguments: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        # A failure ends in SystemExit with a code, and fails the test that asked.
        main(shlex.split(arguments))
    return printed.getvalue()


def _commands() -> list[str]:
    """Return the lines of the README's code blocks that call unillmrec."""
    lines = [
        line.split("#")[0].strip()
        for language, body in FENCE.findall(README.read_text(encoding="utf-8"))
        if language != "python"
        for line in body.splitlines()
    ]
    called = [line.removeprefix(".venv/bin/") for line in lines]
    return [line for line in called if line.startswith("unillmrec ")]


def test_the_outputs_are_what_the_program_prints(books, request, monkeypatch):
    """Each block between markers is the output of the command in its marker."""
    monkeypatch.chdir(books)
    monkeypatch.setenv("COLUMNS", "100")
    text = README.read_text(encoding="utf-8")

    def fresh(found):
        printed = _output(found[2].removeprefix("unillmrec "))
        # How long it took is different every time.
        timeless = re.sub(r"\d+\.\d+ s\b", "0.05 s", printed.rstrip())
        return f"{found[1]}```text\n{timeless}\n```\n{found[4]}"

    made = BLOCK.sub(fresh, text)
    if request.config.getoption("--update-readme"):
        README.write_text(made, encoding="utf-8")
    assert made == text or request.config.getoption("--update-readme")


@pytest.mark.parametrize("command", sorted(set(_commands())))
def test_every_command_and_flag_exists(command):
    """A command line of the README names a command that is there, with flags that it has."""
    words = shlex.split(re.split(r"\s{3,}", command)[0], comments=True)[1:]
    named = words[:2] if words[0] == "prompts" else words[:1]
    flags = {word.split("=")[0] for word in words if word.startswith("-") and word != "-"}
    if words[0].startswith("-"):
        # Options of all commands stand before the command, if there is one.
        names = {each.name for each in app.registered_commands}
        named = [word for word in words if word in names][:1]
        return_help = _output("--help") + (_output(f"{named[0]} --help") if named else "")
    else:
        return_help = _output(shlex.join([*named, "--help"]))

    assert all(re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", return_help) for flag in flags)


def test_the_python_examples_run(books, monkeypatch, capsys):
    """The first example builds a tree and prints titles; the second makes a recommender."""
    monkeypatch.chdir(books)
    blocks = FENCE.findall(README.read_text(encoding="utf-8"))
    examples = [body for language, body in blocks if language == "python"]

    for example in examples:
        exec(compile(example, "README.md", "exec"), {})

    printed = capsys.readouterr().out.splitlines()
    assert 5 == len(printed)
