"""Every benchmark runs, in small; what comes of that is a result that has its table."""

import json
from importlib import import_module

import pytest

from benchmarks import report
from benchmarks.__main__ import BENCHMARKS
from benchmarks.results import FOLDER
from benchmarks.small import NOT_SMALL, SIZES, in_small

LONG = {
    *("baselines", "budgets", "change", "change_scale", "fidelity", "fuzz", "interests"),
    *("ledger", "planning", "speed"),
}
RUN = [
    pytest.param(name, marks=pytest.mark.slow) if name in LONG else name
    for name in BENCHMARKS
    if name not in NOT_SMALL
]


@pytest.mark.parametrize("name", RUN)
def test_a_benchmark_runs_in_small(name):
    """On made-up data; the results that are shown stay as they are."""
    before = {path: path.stat().st_mtime_ns for path in FOLDER.glob("*")}
    with in_small(name) as (data, result):
        import_module(f"benchmarks.{name}").run(data)
        made = json.loads(result.read_text(encoding="utf-8"))

    assert made["rows"]
    assert f"python -m benchmarks run {name} --small" in report.section(made)
    assert before == {path: path.stat().st_mtime_ns for path in FOLDER.glob("*")}


def test_each_benchmark_has_a_small_size_or_a_reason():
    """A new one is not forgotten."""
    assert set(BENCHMARKS) == SIZES.keys() | NOT_SMALL
