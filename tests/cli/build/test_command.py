import io
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import lead_to, names_in
from unillmrec.cli.build.command import FIELDS
from unillmrec.store import ItemTree
from unillmrec.store.survey import measure_shape
from unillmrec.testing import FakeServer
from unillmrec.usage_log import read_log

FILMS = [
    "id,name,blurb,genre,year",
    "a,The Sea Wolf,A captain and a storm,sea > novel,1904",
    "b,Typhoon,A steamer in a storm,sea > tale,1902",
    "c,Emma,A matchmaker in a village,manners > novel,1815",
]


@pytest.fixture
def films(tmp_path):
    (tmp_path / "films.csv").write_text("\n".join(FILMS) + "\n", encoding="utf-8")
    return "films.csv"


def test_builds_a_tree_and_says_so(run, films):
    """The tree goes beside us under the catalog's name; the report says what to do next."""
    ended = run("build", films, "--text", "blurb", "--path", "genre", "--path-separator", " > ")

    assert (0, "") == (ended.code, ended.err)
    assert [
        "films.tree  3 items",
        "columns  id: id, title: name, text: blurb, path: genre",
        "tree     1 leaf of 3 items",
        "time     # s (#)",
        "file     # kB",
        "",
        'Next: unillmrec recommend films.tree --like "…"',
    ] == re.sub(r"\d[\d.]* (s|kB)( \(.*\))?", _measured, ended.out).splitlines()
    with ItemTree.open("films.tree") as tree:
        wolf = tree.items_by_id(["a"])["a"].item
    assert ("The Sea Wolf", "A captain and a storm", ("sea", "novel")) == (
        wolf.title,
        wolf.text,
        wolf.path,
    )


def _measured(found):
    return f"# {found[1]}{' (#)' if found[2] else ''}"


def test_json_has_the_fields_it_promises(run, films):
    """The JSON is one object with the fields of the help."""
    result = run("build", films, "-o", "t.tree", "--json").json

    assert names_in(FIELDS) == sorted(result)
    assert ("t.tree", 3, None) == (result["path"], result["items"], result["embedded_by"])
    assert Path("t.tree").stat().st_size == result["bytes"]
    assert {"read", "vectors", "tree", "describe and write", "total"} == result["seconds"].keys()
    assert 0 == result["usage"]["total"]["calls"]


def test_a_tree_that_is_there_stays(run, films):
    """Without --overwrite nothing is replaced."""
    run("build", films)
    before = Path("films.tree").read_bytes()

    ended = run("build", films)

    assert 3 == ended.code
    assert "films.tree exists already" in ended.err
    assert before == Path("films.tree").read_bytes()
    assert 0 == run("build", films, "--overwrite").code


def test_a_broken_catalog_leaves_nothing(run, films):
    """The error names file and line, and there is no tree and no rest of one."""
    Path(films).write_text("\n".join([*FILMS, "a,Again,,,"]))

    ended = run("build", films)

    assert 3 == ended.code
    assert ended.err.startswith("Error: films.csv:5: item id 'a' is already used on line 2.")
    assert [films] == [path.name for path in Path().iterdir()]


def test_skipped_rows_are_listed(run, films):
    """--on-error skip counts what it leaves out, and says where it is and why."""
    Path(films).write_text("\n".join([*FILMS, ",No id,,,", "a,Again,,,"]))

    ended = run("build", films, "--on-error", "skip")
    result = run("build", films, "--on-error", "skip", "--overwrite", "--json").json

    assert 0 == ended.code
    assert "Skipped 2 rows:\n  films.csv:5: " in ended.out
    assert "  films.csv:6: item id 'a' is already used on line 2\n" in ended.out
    assert 2 == result["catalog"]["skipped_count"]
    assert [5, 6] == [each["line"] for each in result["catalog"]["skipped"]]


def test_many_skipped_rows_are_not_all_shown(run, films):
    """A long list of skipped rows is cut, and says how long it is."""
    Path(films).write_text("\n".join([*FILMS, *[",No id,,,"] * 25]))

    out = run("build", films, "--on-error", "skip").out

    assert 10 == out.count("films.csv:")
    assert "  and 15 more; --json lists them\n" in out


def test_the_first_of_two_may_be_kept(run, films):
    """--on-duplicate keep-first takes the first item of an id."""
    Path(films).write_text("\n".join([*FILMS, "a,Again,,,"]))

    assert 0 == run("build", films, "--on-duplicate", "keep-first").code
    with ItemTree.open("films.tree") as tree:
        assert "The Sea Wolf" == tree.items_by_id(["a"])["a"].item.title


def test_reads_standard_input(run, monkeypatch):
    """- is standard input."""
    stdin = io.TextIOWrapper(io.BytesIO(b'{"id": "a", "title": "Emma"}\n'))
    monkeypatch.setattr(sys, "stdin", stdin)

    result = run("build", "-", "-o", "in.tree", "--json").json

    assert 1 == result["items"]


def test_bounds_and_popularity_reach_the_tree(run, tmp_path):
    """--leaf-size and --fan-out bound the tree, --popularity is remembered."""
    lines = [
        f'{{"id": "{n}", "title": "word{n % 7} thing{n % 40}", "met": {n}}}' for n in range(300)
    ]
    (tmp_path / "c.jsonl").write_text("\n".join(lines))

    result = run(
        *("build", "c.jsonl", "--leaf-size", 6, "--fan-out", 4, "--popularity", "met"),
        *("--seed", 3, "--workers", 1, "--json"),
    ).json

    assert result["largest_leaf"] <= 10
    with ItemTree.open("c.tree") as tree:
        assert result["leaves"] == measure_shape(tree).leaves
        assert (4, 6, 10) == tuple(
            tree.facts["bounds"][name] for name in ("fan_out", "leaf_target", "leaf_capacity")
        )
        assert ("met", 3) == (tree.facts["popularity"], tree.facts["seed"])


def test_vectors_may_be_given(run, films):
    """--vectors clusters the rows of a file."""
    np.save("v.npy", np.eye(3, dtype=np.float32))

    assert 0 == run("build", films, "--vectors", "v.npy").code
    with ItemTree.open("films.tree") as tree:
        assert not tree.sparse


def test_embeddings_come_from_the_endpoint_and_are_billed(run, films, monkeypatch):
    """--embed asks the endpoint, says so, shows the bill, and logs the calls."""
    with FakeServer(model="small-embedding") as server:
        lead_to(server, monkeypatch)
        ended = run("build", films, "--embed", "small-embedding")

    host = server.base_url.removeprefix("http://").removesuffix("/v1")
    _, total = read_log(Path("films.tree.usage"), "stage")
    assert 0 == ended.code
    assert f"Sending the items' text to small-embedding at {host} (--embed).\n" == ended.err
    assert "vectors  small-embedding\n" in ended.out
    assert re.search(r"^embed +1 +\d+ +0 +\d+ +0$", ended.out, re.MULTILINE)
    assert (1, server.billed.prompt) == (total.usage.calls, total.usage.prompt)


def test_vectors_come_from_one_place(run, films):
    """--vectors and --embed contradict each other."""
    ended = run("build", films, "--vectors", "v.npy", "--embed", "m")

    assert (2, "Error: --vectors and --embed exclude each other; give one.\n") == (
        ended.code,
        ended.err,
    )


def test_an_endpoint_that_fails_leaves_no_tree(run, films, monkeypatch):
    """When the embeddings cannot be had, the exit code is the endpoint's, and nothing is left."""
    with FakeServer(faults=lambda place: 401) as server:
        lead_to(server, monkeypatch)
        ended = run("build", films, "--embed", "m")

    assert 4 == ended.code
    assert not Path("films.tree").exists()
    _, total = read_log(Path("films.tree.usage"), "stage")
    assert (1, 1, 0) == (total.rows, total.failed, total.usage.calls)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (".", ". is a folder."),
        ("c.jsonl", "c.jsonl is not a tree, and --overwrite replaces only trees."),
        ("pipe", "pipe is a pipe, a device or a socket, and a tree is a file."),
    ],
)
def test_only_a_tree_is_replaced(run, place, message):
    """A folder, the catalog itself and a pipe are refused before anything is read."""
    content = '{"id": "a", "title": "A"}\n'
    Path("c.jsonl").write_text(content)
    os.mkfifo("pipe")

    ended = run("build", "c.jsonl", "-o", place, "--overwrite")

    assert (3, f"Error: {message}") == (ended.code, ended.err.splitlines()[0])
    assert (content, ["c.jsonl", "pipe"]) == (Path("c.jsonl").read_text(), sorted(os.listdir()))


def test_branches_are_counted_alike(run):
    """The build, the tree and the demo count every node that is no leaf, the root included."""
    demo = run("demo", "--keep", "here", "--json").json["tree"]
    shown = run("tree", "here/books.tree", "--depth", "9", "--json").json
    result = run("demo", "--no-pause").out

    inner = sum(not node["leaf"] for node in shown["nodes"])
    assert inner == shown["branches"] == demo["branches"]
    assert f" leaves under {inner} branches, " in result
    assert "a score out of 100\n" in result
