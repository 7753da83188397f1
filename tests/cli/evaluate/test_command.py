"""`unillmrec evaluate`."""

import json
import re
from html import unescape
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.evaluation.scripted import interactions
from unillmrec.evaluation.system_runs import run_sequentially
from unillmrec.system.processes import available_cores

WORDS = ("harbour", "whale", "comet", "rocket", "bread", "oven", "alibi", "violin")
FEW = ("--people", "4")


@pytest.fixture
def orders():
    """A file with the interactions of three dozen people."""
    met = interactions()
    lines = ["user_id,item_id,timestamp,rating"]
    for row in range(len(met)):
        names = met.people[met.person[row]], met.items[met.item[row]]
        lines.append(f"{names[0]},{names[1]},{met.time[row]:.0f},5")
    Path("orders.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "orders.csv"


def test_every_system_has_a_row_with_intervals(run, shop, orders):
    """The explanations are printed around the table."""
    done = run("evaluate", shop, "--histories", orders, "--people", "12")

    assert 0 == done.code
    assert "corrected for the number of systems, the 95 % intervals are not" in " ".join(
        done.out.split()
    )
    assert done.out.startswith("12 people of 36, seed 42; the last item of each is held out")
    for name in ("random", "most popular *", "TF-IDF", "BM25", "item-kNN *", "ALS *", "unillmrec"):
        assert any(line.startswith(name) and "[" in line for line in done.out.splitlines()), name


def test_json_has_the_documented_fields(run, shop, orders):
    """With comparisons and the judge."""
    done = run("evaluate", shop, "--histories", orders, "--systems", "tfidf", *FEW, "--json")

    assert {
        "protocol",
        "systems",
        "comparisons",
        "price",
        "seconds",
        "tree",
        "judge",
    } == done.json.keys()
    names = ["TF-IDF", "unillmrec", "unillmrec, as for a model"]
    assert names == [each["name"] for each in done.json["systems"]]
    assert [0, 0] == [each["usage"]["calls"] for each in done.json["systems"][:2]]
    assert done.json["systems"][2]["usage"]["estimated_prompt"] > 4 * 1_000
    assert {"value", "low", "high"} == done.json["systems"][0]["metrics"]["ndcg@10"].keys()


def test_the_number_of_processes(run, shop, orders, server, monkeypatch):
    """By default one per core; with a model, there are none."""
    wanted = []

    def record(entries, workers):
        wanted.append((workers, [each.kind for each in entries]))
        return run_sequentially

    monkeypatch.setattr("unillmrec.cli.evaluate.run.RunInProcesses", record)
    few = ("--systems", "random", "--people", "2")
    asked = ("evaluate", shop, "--histories", orders, *few)
    for more in ((), ("--workers", "3")):
        assert 0 == run(*asked, "--judge", "embedded", *more).code
    assert 0 == run(*asked, "--workers", "3", "--yes").code

    kinds = ["random", "unillmrec", "unillmrec, as for a model"]
    assert [(available_cores(), kinds), (3, kinds)] == wanted
    assert server.requests


def test_a_split_by_time(run, shop, orders):
    """The cutoff is a date."""
    done = run(
        *("evaluate", shop, "--histories", orders, "--systems", "popular"),
        *("--split", "time", "--cutoff", "1970-01-05", *FEW, "--json"),
    )

    assert 4 * 86_400 == done.json["protocol"]["cutoff"]


def test_lists_are_written_to_a_file(run, shop, orders):
    """One line per person and system."""
    only = ("--systems", "tfidf", *FEW)
    asked = ("evaluate", shop, "--histories", orders, *only, "--lists", "lists.jsonl")
    assert 0 == run(*asked).code
    lines = [json.loads(line) for line in Path("lists.jsonl").read_text().splitlines()]

    assert 4 * 3 == len(lines)
    assert {"case", "system", "items", "held_out", "history"} == lines[0].keys()
    assert 3 == run(*asked).code


def test_a_report_page_is_written(run, shop, orders):
    """With a pseudonymous tree beside the real one; no temporary file is left."""
    only = ("--systems", "tfidf", "--pseudonymise", *FEW)
    done = run("evaluate", shop, "--histories", orders, *only, "--report", "page.html")

    assert 0 == done.code
    result = unescape(Path("page.html").read_text(encoding="utf-8"))
    assert "unillmrec, made-up titles" in result
    assert "unillmrec evaluate shop.tree --histories orders.csv --people 4" in result
    assert "--report page.html --pseudonymise" in result
    assert f"unillmrec {version('unillmrec')}" in result
    assert re.search(r"date: \d{4}-\d\d-\d\d ", result)
    assert {shop, orders, "page.html"} == {each.name for each in Path().iterdir()}
    assert 3 == run("evaluate", shop, "--histories", orders, "--report", "page.html").code


def test_a_report_page_has_no_password(run, shop, orders, server):
    """An address can contain one, and other people read the page."""
    address = ("--judge", "embedded", "--base-url", "http://anna:secret@localhost/v1?key=hidden")
    only = ("--systems", "random", *FEW, "--report", "page.html")
    assert 0 == run("evaluate", shop, "--histories", orders, *only, *address).code
    result = Path("page.html").read_text(encoding="utf-8")

    assert "localhost" in result
    assert "secret" not in result
    assert "hidden" not in result


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("--report", "nowhere/page.html"), "nowhere is not a writable folder"),
        (("--lists", "orders.csv/lists.jsonl"), "orders.csv is not a writable folder"),
        (("--lists", "both", "--report", "./both"), "both name both"),
    ],
)
def test_files_that_cannot_be_written_are_refused_first(run, shop, orders, server, files, message):
    """Before a model is asked."""
    done = run("evaluate", shop, "--histories", orders, *FEW, *files, "--yes")

    assert (3, "") == (done.code, done.out)
    assert message in done.err
    assert [] == server.requests


def test_the_table_is_printed_even_if_a_file_cannot_be_written(run, shop, orders, monkeypatch):
    """Its folder was deleted meanwhile."""
    Path("out").mkdir()
    page = "unillmrec.cli.evaluate.files.render_page"
    monkeypatch.setattr(page, lambda *_: Path("out").rmdir() or "")
    only = ("--systems", "tfidf", *FEW)
    done = run("evaluate", shop, "--histories", orders, *only, "--report", "out/page.html")

    assert 3 == done.code
    assert "cannot be written" in done.err
    assert "TF-IDF" in done.out


def test_a_model_is_asked_only_after_confirmation(run, shop, orders, server):
    """The cost is printed first; then every system that can ask the model does."""
    asked = ("evaluate", shop, "--histories", orders, "--people", "1", "--systems", "tfidf")
    refused = run(*asked)

    assert 3 == refused.code
    assert "takes about" in refused.err
    assert "nothing was sent" in refused.err
    assert [] == server.requests

    done = run(*asked, "--yes", "--json")
    assert 0 == done.code, done.err
    assert server.requests
    assert ["TF-IDF", "unillmrec"] == [each["name"] for each in done.json["systems"]]
    chain = done.json["systems"][-1]
    assert (1, 0) < (chain["priced"], chain["usage"]["prompt"])
    assert (chain["cost"], done.json["price"]) == (None, None)


def test_every_system_has_an_estimated_cost(run, shop, orders):
    """At the price of the named model, even if none is asked."""
    Path("unillmrec.toml").write_text("[prices.some-model]\nprompt = 1000\ncompletion = 2000\n")
    asked = ("evaluate", shop, "--histories", orders, "--systems", "tfidf", *FEW)
    named = ("--judge", "embedded", "--model", "some-model")
    result = run(*asked, *named, "--json").json
    usage = result["systems"][-1]["usage"]

    expected = (1_000 * usage["estimated_prompt"] + 2_000 * usage["estimated_completion"]) / 4e6
    assert [{"USD": 0.0}, {"USD": 0.0}, {"USD": pytest.approx(expected)}] == [
        each["estimated_cost"] for each in result["systems"]
    ]
    assert result["systems"][-1]["cost"] is None
    assert "Money is per person, at USD 1000 for a million" in run(*asked, *named).out
    assert "unknown" in run(*asked, "--judge", "embedded").out


def test_a_dataset_needs_no_tree(run, tmp_path):
    """A temporary tree is built, and the terms of the dataset are printed."""
    films = [f"{n}::The {word} of {n} (1990)::Drama" for n, word in enumerate(WORDS * 5)]
    rated = [
        f"{person}::{(person * 7 + day) % len(films)}::{5 - day % 2}::{day}"
        for person in range(9)
        for day in range(8)
    ]
    folder = tmp_path / "ml-1m"
    folder.mkdir()
    (folder / "movies.dat").write_text("\n".join(films))
    (folder / "ratings.dat").write_text("\n".join(rated))
    done = run("evaluate", "--dataset", f"movielens-1m:{folder}", "--systems", "tfidf", "--json")

    assert "Terms: research use" in done.err
    assert "a tree of MovieLens 1M" == done.json["tree"]
    assert (4.0, 9) == (done.json["protocol"]["least_rating"], done.json["protocol"]["people"])
    assert ["ml-1m"] == [each.name for each in tmp_path.iterdir()]


@pytest.mark.parametrize(
    "arguments",
    [[], ["--histories", "orders.csv"], ["x.tree"], ["--dataset", "mind:.", "--histories", "x"]],
)
def test_wrong_usage(run, orders, arguments):
    """A tree and interactions are required, in one form or another."""
    assert 2 == run("evaluate", *arguments).code


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--systems", "tfidf,nothing"], "there is no system 'nothing'"),
        (["--cutoff", "2026-01-31"], "--cutoff needs --split time"),
        (["--split", "time", "--cutoff", "soon"], "--cutoff: 'soon' is not a time"),
    ],
)
def test_a_mistake_is_reported_in_one_line(run, shop, orders, flags, message):
    """Without a traceback."""
    done = run("evaluate", shop, "--histories", orders, *flags)

    assert 3 == done.code
    assert message in done.err


def test_a_plan_sends_nothing_and_writes_nothing(run, shop, orders, server):
    """It has the cost of the chain and of the systems beside it, with an interval."""
    asked = ("evaluate", shop, "--histories", orders, "--plan", "--lists", "lists.jsonl", *FEW)
    chain = run(*asked, "--systems", "tfidf", "--json").json
    every = run(*asked)

    assert [] == server.requests
    assert not Path("lists.jsonl").exists()
    assert (4, "fake-model") == (chain["people"], chain["model"])
    total = chain["plan"]["total"]
    assert total["tokens_between"][0] < total["tokens"] < total["tokens_between"][1]
    assert "An evaluation with 4 people by fake-model would need about this" in every.out
    assert "of paper" in every.out.replace("\n", " ")


def test_pseudonymous_titles_have_their_own_cost(run, shop, orders, server):
    """In the plan, in the note before a model is asked, and in a row of their own."""
    asked = ("evaluate", shop, "--histories", orders, "--systems", "tfidf", *FEW)
    free = run(*asked, "--pseudonymise", "--judge", "embedded", "--json").json["systems"][-1]
    plain, both = (
        run(*asked, *more, "--plan", "--json").json for more in ((), ("--pseudonymise",))
    )
    calls = [each["plan"]["total"]["calls"] for each in (plain, both)]

    # It is to be compared with the walk over the true names, which asks nobody either.
    assert ("unillmrec, made-up titles", 0) == (free["name"], free["usage"]["calls"])
    assert "asks nobody" in free["note"]
    (result,) = [each for each in both["notes"] if "made-up titles" in each]
    assert f"{calls[1] - calls[0]:,} calls" in result
    assert [] == server.requests

    paid = run(*asked, "--pseudonymise", "--yes", "--json").json["systems"][-1]
    assert (4, 4 * 1_000) < (paid["priced"], paid["usage"]["prompt"])
