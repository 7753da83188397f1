"""README and docs: commands and flags exist, outputs are real, examples run, links resolve."""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, SVG_EXPORT_THEME
from rich.text import Text

import unillmrec
from unillmrec.cli import main
from unillmrec.cli.application import COMMANDS
from unillmrec.cli.application import commands as registered

HOME = Path(__file__).parents[1]
DOCS = HOME / "docs"
README = HOME / "README.md"
PAGES = [README, HOME / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
COMMANDS_PAGE = DOCS / "cli.md"
IMAGES = DOCS / "images"
MOST_WORDS = 900

OUTPUT = re.compile(r"(<!-- run: (.*?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)|(?:src|srcset)=\"([^\"]+)\"")
THEMES = {"light": DEFAULT_TERMINAL_THEME, "dark": SVG_EXPORT_THEME}


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    """A folder with the demo's catalog and tree, which every example works on."""
    folder = tmp_path_factory.mktemp("docs")
    with contextlib.chdir(folder):
        output("demo --keep . --no-pause")
    return folder


def output(arguments: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        # A failing command raises SystemExit, which fails the test.
        main(shlex.split(arguments))
    return printed.getvalue()


def commands() -> list[str]:
    """Return the lines of all code blocks that call unillmrec."""
    lines = [
        line.split("#")[0].strip()
        for page in PAGES
        if page != COMMANDS_PAGE
        for language, body in FENCE.findall(page.read_text(encoding="utf-8"))
        if language != "python"
        for line in body.splitlines()
    ]
    return [line for line in lines if line.startswith("unillmrec ")]


def compare(path, expected, request):
    """Assert that a file holds *expected*, or write it when asked to."""
    if request.config.getoption("--update-docs"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(expected, encoding="utf-8")
    assert expected == path.read_text(encoding="utf-8"), f"{path.name}: run pytest --update-docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_outputs_are_what_the_program_prints(page, books, request, monkeypatch):
    """Each block between markers is the output of the command in its marker."""
    monkeypatch.chdir(books)
    monkeypatch.setenv("COLUMNS", "100")

    def rerun(block):
        printed = output(block[2].removeprefix("unillmrec ")).rstrip()
        return f"{block[1]}```text\n{without_times(printed)}\n```\n{block[4]}"

    compare(page, OUTPUT.sub(rerun, page.read_text(encoding="utf-8")), request)


def without_times(text):
    return re.sub(r"\d+\.\d+ s\b", "0.05 s", text)


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_every_command_and_flag_exists(command):
    """A command line in the docs names an existing command, with flags that it has."""
    words = shlex.split(re.split(r"\s{3,}", command)[0], comments=True)[1:]
    named = words[:2] if words[0] == "prompts" else words[:1]
    flags = {word.split("=")[0] for word in words if word.startswith("-") and word != "-"}
    if words[0].startswith("-"):
        # Options of all commands precede the command.
        names = set(COMMANDS)
        named = [word for word in words if word in names][:1]
        return_help = output("--help") + (output(f"{named[0]} --help") if named else "")
    else:
        return_help = output(shlex.join([*named, "--help"]))

    assert all(re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", return_help) for flag in flags)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples_run_twice(page, books, tmp_path):
    """Every example works on the demo's files, also when its own files are there already."""
    for file in ("books.jsonl", "books.tree"):
        shutil.copy(books / file, tmp_path)
    examples = [
        body
        for language, body in FENCE.findall(page.read_text(encoding="utf-8"))
        if language == "python"
    ]

    for example in [*examples, *examples]:
        exec(compile(example, page.name, "exec"), {})


def test_the_readme_example_prints_five_titles(books, monkeypatch, capsys):
    """It is the first thing that anybody runs from Python."""
    monkeypatch.chdir(books)
    (example,) = [
        body for language, body in FENCE.findall(README.read_text("utf-8")) if language == "python"
    ]

    exec(compile(example, "README.md", "exec"), {})

    assert 5 == len(capsys.readouterr().out.splitlines())


def test_the_readme_is_read_in_three_minutes():
    """What does not fit belongs to a page of the docs."""
    assert len(README.read_text(encoding="utf-8").split()) <= MOST_WORDS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    """Links within the repository, and pictures."""
    targets = [first or second for first, second in LINK.findall(page.read_text(encoding="utf-8"))]

    assert [] == [
        target
        for target in targets
        if "://" not in target and not (page.parent / target).resolve().exists()
    ]


def test_the_command_reference_is_the_help_of_every_command(request, monkeypatch):
    """The page of all commands is generated."""
    monkeypatch.setenv("COLUMNS", "100")
    names = [name for name in COMMANDS if name != "prompts"]
    names += [f"prompts {name}" for name in registered().load("prompts").commands]
    parts = [f"## {name}\n\n```text\n{output(f'{name} --help').rstrip()}\n```\n" for name in names]
    top = f"# Commands\n\n```text\n{output('--help').rstrip()}\n```\n"

    compare(COMMANDS_PAGE, "\n".join([top, *parts]), request)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("theme", THEMES)
def test_the_picture_is_the_demo(theme, request, monkeypatch):
    """The picture in the README is what the demo shows on a terminal."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm-256color")
    screen = Terminal()
    with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(io.StringIO()):
        main(["demo", "--no-pause"])
    shown = shortened(without_times(screen.getvalue()).splitlines())
    console = Console(record=True, width=100, file=io.StringIO(), legacy_windows=False)
    for line in shown:
        console.print(Text.from_ansi(line), soft_wrap=True)
    svg = console.export_svg(title="unillmrec demo", theme=THEMES[theme], unique_id="demo")

    # Without the web fonts: pictures load nothing from elsewhere.
    compare(
        IMAGES / f"demo-{theme}.svg",
        re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL),
        request,
    )


def shortened(lines):
    """Return the walk's first blocks, the first titles, and the bill."""
    plain = [Text.from_ansi(line).plain for line in lines]
    walk = next(number for number, line in enumerate(plain) if line.startswith("the walk"))
    titles = next(number for number, line in enumerate(plain) if re.match(r"\d+ books", line))
    bill = next(n for n, line in enumerate(plain) if line.startswith("what a language model"))
    blocks = [number for number in range(walk, titles) if not plain[number].strip()]
    return [*lines[: blocks[3]], "", *lines[titles : titles + 7], "   …", "", *lines[bill:-2]]


def test_the_site_builds_strictly(tmp_path):
    """Every link between pages, and every name in the Python reference, is found."""
    shutil.copytree(DOCS, tmp_path / "docs")
    config = (HOME / "mkdocs.yml").read_text(encoding="utf-8")
    assert "paths: [.]" in config
    (tmp_path / "mkdocs.yml").write_text(config.replace("paths: [.]", f"paths: [{HOME}]"))
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"NO_COLOR": "1"},
    )

    assert 0 == built.returncode, built.stdout + built.stderr
    assert "unillmrec.Recommender.recommend" in (tmp_path / "site/python/index.html").read_text()
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    assert pages <= {path.name for path in (tmp_path / "site").iterdir()}


def test_the_diagram_shows_real_imports():
    """Each arrow of the architecture page is an import, and no package is missing there."""
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    diagram = re.search(r"```mermaid\n(.*?)```", page, re.DOTALL)[1]
    arrows = {
        (source, target)
        for left, right in re.findall(r"^ +(.+?) --> (.+)$", diagram, re.MULTILINE)
        for source in left.split(" & ")
        for target in re.sub(r"\[.*\]", "", right).split(" & ")
    }
    ground = set(re.findall(r"\w+", re.search(r'ground\["(.*)"\]', diagram)[1]))
    packages = {path.parent.name for path in (HOME / "unillmrec").glob("*/__init__.py")}

    assert arrows <= imports_of_packages(ground)
    assert packages <= {*re.findall(r"`(\w+)`", page)}


def imports_of_packages(ground):
    """Return which package imports which; the modules in *ground* count as one."""
    found = set()
    for path in (HOME / "unillmrec").rglob("*.py"):
        area = path.relative_to(HOME / "unillmrec").parts[0].removesuffix(".py")
        for target in re.findall(r"from unillmrec\.(\w+)", path.read_text(encoding="utf-8")):
            found.add(tuple("ground" if each in ground else each for each in (area, target)))
    return found


def test_the_contributing_guide_names_existing_places():
    """Folders and files, from the root or from the package."""
    page = (HOME / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = [each for each in re.findall(r"`([\w/.]+/[\w.]*)`", page) if "NAME" not in each]

    assert [] == [
        each
        for each in named
        if not any((HOME / above / each).exists() for above in ("", "unillmrec"))
    ]


def test_the_api_page_has_every_public_name():
    """What `unillmrec` exports is documented from its docstring."""
    page = (DOCS / "python.md").read_text(encoding="utf-8")

    assert {*unillmrec.__all__} == {*re.findall(r"^::: unillmrec\.(\w+)$", page, re.MULTILINE)}
