import ast
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import PACKAGE, in_process, on_terminal
from unillmrec.cli import main
from unillmrec.cli.application import COMMANDS as REGISTERED
from unillmrec.cli.application import commands
from unillmrec.cli.shutdown import raise_on_signals

COMMANDS = (
    ["demo"],
    ["build"],
    ["recommend"],
    ["batch"],
    ["insert"],
    ["update"],
    ["upsert"],
    ["delete"],
    ["sync"],
    ["describe"],
    ["evaluate"],
    ["tree"],
    ["tree", "check"],
    ["usage"],
    ["doctor"],
    ["mock"],
    ["settings"],
    ["prompts", "list"],
    ["prompts", "show"],
    ["prompts", "export"],
    ["prompts", "check"],
)
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]")


def test_prints_the_version(run):
    """`--version` prints name and number."""
    from importlib.metadata import version

    assert f"unillmrec {version('unillmrec')}\n" == run("--version").out


def test_no_arguments_show_the_help(run):
    """Without a command the help goes to stderr, with the exit code for wrong usage."""
    ended = run()

    assert (2, "") == (ended.code, ended.out)
    assert ended.err.startswith("Usage: unillmrec [OPTIONS] COMMAND [ARGS]...\n")
    assert "\n  unillmrec recommend films.tree" in ended.err


@pytest.mark.parametrize(
    ("arguments", "problem", "hint"),
    [
        (["bild"], "No such command 'bild'. Did you mean 'build'?", "unillmrec --help"),
        (["recommend", "x.tree", "--limit", "0"], "'--limit'", "unillmrec recommend --help"),
        (["build", "x.csv", "--on-error", "cry"], "'cry'", "unillmrec build --help"),
        (["tree"], "'FILE'", "unillmrec tree --help"),
        (["prompts", "show"], "'NAME'", "unillmrec prompts show --help"),
        (["build", "-"], "A catalog from standard input has no name; give -o FILE.", ""),
    ],
)
def test_wrong_usage_exits_with_two(run, arguments, problem, hint):
    """The message says what is wrong with the arguments, and how to get help."""
    ended = run(*arguments)

    assert (2, "") == (ended.code, ended.out)
    assert ended.err.startswith("Error: ")
    assert problem in ended.err
    assert ended.err.endswith(f"\n  Try: `{hint}`\n" if hint else "\n")
    assert "Value error" not in ended.err


def test_errors_of_the_library_become_text(run):
    """At most three lines on stderr and an exit code; no traceback."""
    ended = run("tree", "no.tree")

    assert (3, "") == (ended.code, ended.out)
    assert [
        "Error: no.tree does not exist.",
        "  Try: `unillmrec build CATALOG -o no.tree` to make a tree.",
    ] == ended.err.splitlines()


def test_other_errors_are_not_caught(shop, monkeypatch):
    """A bug keeps its traceback."""
    monkeypatch.setattr("unillmrec.cli.tree.show.measure_shape", lambda tree: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        main(["tree", shop])


def test_an_interrupt_prints_one_line(run, shop, monkeypatch):
    """Ctrl-C exits with 130."""

    def interrupted(tree):
        raise KeyboardInterrupt

    monkeypatch.setattr("unillmrec.cli.tree.show.measure_shape", interrupted)

    ended = run("tree", shop)

    assert (130, "", "Interrupted.\n") == (ended.code, ended.out, ended.err)


def test_a_closed_pipe_is_not_an_error(shop):
    """A reader that stops early, as `head` does, causes no traceback."""
    process = in_process("tree", shop, "--depth", "9", "--json")
    process.stdout.read(1)
    process.stdout.close()

    assert b"" == process.stderr.read()
    assert 0 == process.wait()
    process.stderr.close()


def on_shell(script, *arguments, **variables):
    """Run the command line in a shell script that changes its streams."""
    return subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-m", "unillmrec", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": PACKAGE} | variables,
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ('exec "$@" >&-', "it is closed"),
        ('exec "$@" 1<shop.tree', "Bad file descriptor"),
        ('ulimit -f 0; exec "$@" >out', "File too large"),
    ],
)
@pytest.mark.parametrize("arguments", [["prompts", "list", "--json"], ["--help"]], ids=" ".join)
def test_an_unwritable_output_prints_one_line(shop, arguments, script, why, unbuffered):
    """It exits with 3 and no traceback, also if the output is buffered until the end."""
    ended = on_shell(script, *arguments, PYTHONUNBUFFERED=unbuffered)

    message = f"Error: standard output cannot be written: {why}.\n"
    assert (3, message) == (ended.returncode, ended.stderr)


def test_an_error_is_printed_even_if_the_output_is_unwritable(shop):
    """The first error determines the message and the exit code."""
    ended = on_shell('exec "$@" 1<shop.tree', "tree", "no.tree", PYTHONUNBUFFERED="")

    assert 3 == ended.returncode
    assert ended.stderr.startswith("Error: no.tree does not exist.\n")
    assert "Exception" not in ended.stderr


def test_closed_input_and_error_streams_are_not_an_error(shop):
    """Results come without standard error; a closed standard input is an empty file."""
    silent = on_shell('exec "$@" 2>&-', "recommend", shop, "--like", "whale", "--json")
    mute = on_shell('exec "$@" <&-', "build", "-", "-o", "new.tree")

    assert (0, 1) == (silent.returncode, silent.stdout.count("\n"))
    assert (3, "Error: standard input: it is empty.") == (
        mute.returncode,
        mute.stderr.splitlines()[0],
    )


@pytest.mark.parametrize(
    ("name", "code"), [("SIGTERM", 143), pytest.param("SIGHUP", 129, marks=pytest.mark.slow)]
)
def test_a_terminated_build_removes_its_files(name, code, tmp_path):
    """Nothing is left, and the exit code is that of the signal."""
    os.mkfifo("catalog")
    process = in_process("build", "catalog", "-o", "new.tree", "--format", "jsonl")
    with open("catalog", "w") as catalog:
        catalog.write('{"id": "a", "title": "A"}\n' * 4_000)
        catalog.flush()
        while not any(left.stat().st_size for left in Path().glob(".new.tree.*")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(getattr(signal, name))
        _, stderr = process.communicate(timeout=20)

    assert (code, ["catalog"]) == (process.returncode, sorted(os.listdir()))
    assert f"Terminated by {name}.\n" == stderr.decode()[-len(f"Terminated by {name}.\n") :]
    assert b"Traceback" not in stderr


def test_ignored_signals_stay_ignored():
    """Under `nohup` the program outlives the terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raise_on_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        assert signal.SIG_IGN == signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_examples_and_fields_in_its_help(run, command):
    """The help shows examples, and the fields of the JSON output."""
    ended = run(*command, "--help")

    assert 0 == ended.code
    assert "\nExamples:\n  " in ended.out
    assert "  --json " in ended.out
    assert "\nFields of --json:\n  " in ended.out


def test_every_command_is_tested_here():
    """The list above has the commands of the program."""
    top = {*REGISTERED} - {"prompts"}
    nested = {"prompts list", "prompts show", "prompts export", "prompts check"}

    assert {" ".join(command) for command in COMMANDS} == top | nested


@pytest.mark.parametrize("name", REGISTERED)
def test_help_lists_a_command_as_it_describes_itself(name):
    """Help does not import the command, so the summary stands in the table of commands, too."""
    group = commands()
    command = group.load(name)

    assert name == command.name
    assert REGISTERED[name][1] == command.get_short_help_str(200)


def command_modules():
    folder = Path(PACKAGE) / "unillmrec" / "cli"
    changes = [folder / "changes" / f"{each}.py" for each in ("insert", "update", "sync")]
    return [*sorted(folder.rglob("*command.py")), *changes]


@pytest.mark.parametrize(
    "path", command_modules(), ids=lambda path: f"{path.parent.name}.{path.stem}"
)
def test_commands_are_short(path):
    """A command has fewer than forty lines: it calls the library and prints."""
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]

    assert functions
    lengths = {each.name: each.end_lineno - each.body[0].lineno for each in functions}
    assert [] == [name for name, length in lengths.items() if length >= 40]


def test_output_to_a_pipe_is_plain(run, shop):
    """Without a terminal there are no colours, no trailing spaces, and no wrapping."""
    out = run("tree", shop).out

    assert "\x1b" not in out
    assert [] == [line for line in out.splitlines() if line != line.rstrip()]
    assert max(map(len, out.splitlines())) > 80


@pytest.mark.parametrize("width", [60, pytest.param(200, marks=pytest.mark.slow)])
def test_lines_fit_the_terminal(shop, width):
    """No line is longer than the terminal is wide."""
    commands = (["tree", shop], ["recommend", shop, "--like", "whale"])
    shown = "".join(on_terminal(width, *command, NO_COLOR="1") for command in commands)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).splitlines()

    assert [] == [line for line in lines if len(line) > width]
    assert any(len(line) > width / 2 for line in lines)


def test_colours_are_for_terminals(shop):
    """A terminal gets colours unless NO_COLOR is set."""
    assert COLOUR.search(on_terminal(100, "tree", shop))
    assert not COLOUR.search(on_terminal(100, "tree", shop, NO_COLOR="1"))


def test_titles_are_not_interpreted_as_markup(run, tmp_path):
    """Brackets are printed as they are, and control characters are removed."""
    (tmp_path / "c.jsonl").write_text(
        '{"id": "a", "title": "[red]Sale[/red] \\u001b[2J\\u202e now"}\n'
        '{"id": "b[1]", "title": "[/]"}\n'
    )
    assert 0 == run("build", "c.jsonl").code

    out = run("tree", "c.tree", "--find", "").out + run("recommend", "c.tree", "--like", "sale").out

    assert 2 == out.count("[red]Sale[/red] [2J now")
    assert "b[1]" in out
    assert "\x1b" not in out


def test_unprintable_characters_become_question_marks(shop):
    """A terminal with a small character set causes no failure."""
    process = in_process("tree", shop, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    out, err = process.communicate()

    assert (0, b"") == (process.returncode, err)
    assert out.decode("ascii")
