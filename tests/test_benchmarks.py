"""The tables of the benchmarks are those of the committed results."""

import re
from pathlib import Path

from benchmarks import report
from benchmarks.results import FOLDER, load, names

HOME = Path(__file__).parents[1]


def test_the_tables_are_those_of_the_results(capsys):
    """A result that changed, or has no table, is seen here before it is seen by a reader."""
    assert 0 == report.write(check=True), capsys.readouterr().out


def test_every_result_says_how_it_was_made():
    """Each names its question, its command, when, on what, and of which commit."""
    for name in names():
        result = load(name)

        assert {"question", "command", "date", "commit", "machine", "rows"} <= result.keys(), name


def test_results_that_the_code_names_are_there():
    """A constant that says where it comes from comes from there."""
    for module in (HOME / "unillmrec").rglob("*.py"):
        text = module.read_text(encoding="utf-8")
        for name in re.findall(r"benchmarks/results/([\w-]+\.json)", text):
            assert (FOLDER / name).exists(), (module, name)
