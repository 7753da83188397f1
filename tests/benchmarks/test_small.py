"""Every benchmark runs, in small, and what comes of it is what a sound one would measure."""

import json
import re
from importlib import import_module

import pytest

from benchmarks import report
from benchmarks.__main__ import BENCHMARKS
from benchmarks.results import FOLDER
from benchmarks.small import SIZES, in_small

# These start process after process, which takes its time however little each does.
LONG = {"batch", "scale", "sharded", "speed"}
RUN = [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in BENCHMARKS]


def number(cell):
    """Return the first number of a cell, whatever stands around it."""
    return float(re.search(r"-?[\d,]*\.?\d+", str(cell))[0].replace(",", ""))


def numbers(rows, column):
    return [number(row[column]) for row in rows if row.get(column, "") != ""]


def by(rows, column, value):
    """Return the first row that has *value* in *column*."""
    return next(row for row in rows if row[column] == value)


def finds_topics(rows, column="recall@50"):
    """Fifty of 240 items, a quarter of them of the right topic: blind, one in five is found."""
    found = numbers(rows, column)
    return found and 0.5 < sum(found) / len(found) <= 1 and 0 <= min(found) and max(found) <= 1


def holds_its_recall(rows):
    """A walk of a changed tree finds about as much as one of a tree that was just built."""
    shares = numbers([row for row in rows if "synthetic" in row["catalog"]], "share of fresh")
    return shares and 0.5 < min(shares) and max(shares) < 1.5


def grows(values):
    return values == sorted(values)


# By benchmark, what holds of its rows when it measures what it says, and not when it does not.
HOLDS = {
    "baselines": lambda rows: numbers(rows, "recall@50")[0] < numbers(rows, "recall@50")[3],
    "batch": lambda rows: (
        0 < rows[0]["ratio"] <= 1.5
        and [rows[-1]["missing"], rows[-1]["twice"]] == [0, 0]
        and rows[-1]["requests"] >= rows[-1]["needed"] > 0
    ),
    "budgets": lambda rows: (
        sum(row["runs"] for row in rows) == 6
        and not any(row["runs"] for row in rows if row["ended"].startswith("wrong"))
    ),
    "ceiling": lambda rows: (
        finds_topics(rows, "in leaves")
        and all(number(row["among 30 candidates"]) <= number(row["in leaves"]) for row in rows)
    ),
    "change": holds_its_recall,
    "change_scale": lambda rows: (
        # Many at a time take less than one by one.
        all(row["insert/cpu s"] * row["cpu ms insert"] > 1_000 for row in rows)
    ),
    "churn": holds_its_recall,
    "crash": lambda rows: all(
        row["before"] + row["between batches"] + row["after"] == row["kills"] > 0
        and row["broken or lost"] == 0
        for row in rows
    ),
    "descriptions": lambda rows: all(
        0 < row["within 1"] <= row["within 5"] <= row["within 12"] <= 1 for row in rows
    ),
    "encoder": lambda rows: (
        [row["vectors"] for row in rows] == ["words"] * 2 + ["all-MiniLM-L6-v2"] * 2
        and all(0 < number(row["recall@10"]) <= 1 for row in rows[:2])
    ),
    "evaluation": lambda rows: (
        number(by(rows, "system", "unillmrec")["distance"])
        < number(by(rows, "system", "random")["distance"])
        and by(rows, "system", "random")["prompt"] == by(rows, "system", "unillmrec")["prompt"] == 0
        and by(rows, "system", "unillmrec, as for a model")["prompt"] > 1_000
        and "vectors answer" in by(rows, "system", "flat listing")["note"]
    ),
    "fidelity": lambda rows: (
        number(by(rows, "system", "best-first")["tokens"])
        < number(by(rows, "system", "flat listing")["tokens"])
        and 0.5 < number(by(rows, "system", "best-first")["found"]) <= 1
    ),
    "fields": finds_topics,
    "fuzz": lambda rows: 0 < number(rows[0]["usable"]) < 100 and rows[1]["invented"] > 0,
    "history": finds_topics,
    "interests": lambda rows: (
        0 < max(numbers(rows, "found")) <= 1
        and by(rows, "interests", "together")["calls"] < by(rows, "interests", "apart")["calls"]
    ),
    "ledger": lambda rows: rows[0]["runs whose log differs"] == 0 < rows[0]["faults"],
    "letters": lambda rows: (
        rows[0]["asked by letters"] == rows[0]["models"]
        and 0 < number(rows[0]["best first, raw"]) <= 1
        and 0 < number(rows[0]["off by, raw"]) < 1
    ),
    "planning": lambda rows: max(numbers(rows, "off, no history")) < 50,
    "position": lambda rows: (
        number(by(rows, "fault", "bias 5")["opened from the first third"])
        > number(by(rows, "fault", "none")["opened from the first third"])
    ),
    "prefixes": lambda rows: (
        number(rows[0]["served without limit"]) < number(rows[2]["served without limit"])
    ),
    "replay": lambda rows: (
        rows[0]["requests"] > 0 == rows[1]["requests"] == rows[2]["requests"]
        and all(row["same"] for row in rows[1:])
        and not any(row["key in recording"] for row in rows)
    ),
    "scale": lambda rows: (
        0 < by(rows, "", "largest leaf")["500 titles"] <= by(rows, "", "largest leaf")["at most"]
        and 0 < by(rows, "", "of topics")["500 vectors"] <= 1
    ),
    "sharded": lambda rows: (
        {row["same file"] for row in rows if "same file" in row} == {"", "yes"}
        and sum(row["breaches"] for row in rows) == 0
        and by(rows, "built", "processes, killed 2 times")["done twice"] == 0
    ),
    "speed": lambda rows: (
        min(numbers(rows, "seconds best")) > 0 and rows[0]["megabytes"] < rows[1]["megabytes"]
    ),
    "titles": lambda rows: (
        # Nobody has put anything into made-up titles that would have to be taken out.
        rows[-1]["titles"] == sum(row["titles"] for row in rows[:-1]) > 0 == rows[-1]["changed"]
    ),
    "tokens": lambda rows: (
        0
        < by(rows, "way", "unillmrec, the walk")["input"]
        < by(rows, "way", "flat listing")["input"]
        < by(rows, "way", "sliding windows 20/10")["input"]
    ),
    "sentences": lambda rows: (
        min(numbers(rows, "precision@10")) > 0.5 > max(numbers(rows, "by chance"))
    ),
    "transcripts": lambda rows: all(
        row["excluded"] + row["eligible"] == 240 > row["candidates"] > 0 for row in rows
    ),
    "variety": lambda rows: grows(numbers(rows, "mean distance")),
}


@pytest.mark.parametrize("name", RUN)
def test_a_benchmark_runs_in_small(name):
    """On made-up data; the results that are shown stay as they are."""
    before = {path: path.stat().st_mtime_ns for path in FOLDER.glob("*")}
    with in_small(name) as (data, result):
        import_module(f"benchmarks.{name}").run(data)
        made = json.loads(result.read_text(encoding="utf-8"))

    assert HOLDS[name](made["rows"]), made["rows"]
    section = report.section(made)
    assert f"python -m benchmarks run {name} --small" in section
    if name in {"baselines", "evaluation"}:
        assert ("| set | unillmrec less |" in section) == (name == "evaluation")
        assert f"| ml-1m | {made['protocol']['ml-1m']['people']} | 30 |" in section
    assert before == {path: path.stat().st_mtime_ns for path in FOLDER.glob("*")}


def test_each_benchmark_has_a_small_size_and_an_expectation():
    """A new one is not forgotten."""
    assert set(BENCHMARKS) == SIZES.keys() == HOLDS.keys()
