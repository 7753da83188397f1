import contextlib
import io
import re
from pathlib import Path

import pytest

from tests.cli.conftest import on_terminal
from unillmrec.cli import main
from unillmrec.cli.demo.command import FIELDS
from unillmrec.cli.recommend.command import FIELDS as RECOMMENDATION
from unillmrec.store import ItemTree


@pytest.fixture(scope="module")
def shown():
    """What the demo prints where nobody watches."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        main(["demo"])
    return printed.getvalue()


def test_shows_the_tree_the_walk_ten_titles_and_the_bill(shown):
    """From top to bottom: what was built and opened, the list, the cost beside a flat one."""
    assert re.search(r"^tree +700 books in \d+ leaves under \d+ branches, built in ", shown, re.M)
    assert "\nperson   Rosa. Reads detective stories and ghost stories" in shown
    assert "\njudge    embedded similarity judge (no language model)\n" in shown
    assert re.search(r"^ ▸ ━+ +\d+ \S.* \(\d+\)$", shown, re.M)
    assert re.search(r"^ +and \d+ left closed$", shown, re.M)
    assert list(range(1, 11)) == [int(n) for n in re.findall(r"^ ?(\d+)\. [A-Z]", shown, re.M)]
    assert 10 == len(re.findall(r"^ +close to .* \(.*\)$", shown, re.M))
    assert "what a language model would cost  estimated; nothing was sent\n" in shown
    assert "The catalog was written for unillmrec" in shown


def test_the_walk_is_cheaper_than_the_flat_list(shown):
    """The bill adds up, and is well below what listing the catalog takes."""
    rows = dict(re.findall(r"^(\w.*?)  +\d+ +([\d,]+) +[\d,]+$", shown, re.M))
    prompts = {name: int(number.replace(",", "")) for name, number in rows.items()}

    walked = prompts["profile"] + prompts["recall"] + prompts["rank"]
    assert prompts["total"] == walked
    assert 3 * walked < prompts["all 700 books in one prompt"]


def test_needs_no_settings(run, monkeypatch):
    """Whatever is set, the demo asks nobody."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("UNILLMREC_MODEL", "m")
    monkeypatch.setenv("UNILLMREC_JUDGE", "endpoint")

    ended = run("demo", "--person", "Noor")

    assert (0, "") == (ended.code, ended.err)
    assert "10 books for Noor\n" in ended.out


def test_json_has_the_fields_it_promises(run):
    """The JSON holds the recommendation, the tree, and the flat list's cost."""
    result = run("demo", "--person", "tomasz", "--json").json

    of_recommend = [name for names, _ in RECOMMENDATION[:9] for name in names.split(", ")]
    own = [name for names, _ in FIELDS for name in names.split(", ") if "…" not in name]
    assert sorted([*own, *of_recommend, "seconds"]) == sorted(result)
    assert ("tomasz", 700, None) == (
        result["person"],
        result["tree"]["items"],
        result["tree"]["path"],
    )
    assert result["flat"]["prompt"] is None
    assert result["flat"]["estimated_prompt"] > 10_000


def test_is_for_anybody(run):
    """A history or a sentence stands in for the bundled people."""
    liked = run("demo", "--like", "comedies about money", "--json").json
    read = run("demo", "--history", "emma,dracula", "--json").json

    assert (None, []) == (liked["person"], liked["history"])
    assert ["Emma", "Dracula"] == read["history"]
    assert "no reader 'bob'" in run("demo", "--person", "bob").err


def test_keep_leaves_the_tree_in_a_folder(run):
    """--keep leaves a tree to play with, and never writes over one."""
    ended = run("demo", "--keep", "here")
    again = run("demo", "--keep", "here")

    assert 0 == ended.code
    assert "unillmrec tree here/books.tree\n" in ended.out
    with ItemTree.open("here/books.tree") as tree:
        assert 700 == len(tree)
    assert (3, "Error: here/books.tree exists already.") == (again.code, again.err.splitlines()[0])
    assert ["books.jsonl", "books.tree"] == sorted(path.name for path in Path("here").iterdir())


def test_fits_a_narrow_terminal():
    """On sixty columns nothing is wider, and --no-pause does not dawdle."""
    shown = on_terminal(60, "demo", "--no-pause", NO_COLOR="1")
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).splitlines()

    assert [] == [line for line in lines if len(line) > 60]
    assert any("▸" in line for line in lines)
