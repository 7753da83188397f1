"""The tables of the benchmarks are those of the committed results."""

import re
from pathlib import Path

import pytest

from benchmarks import figures, report
from benchmarks.results import FOLDER, load, names

HOME = Path(__file__).parents[1]


def test_the_tables_are_those_of_the_results(capsys):
    """A result that changed, or has no table, is seen here before it is seen by a reader."""
    assert 0 == report.write(check=True), capsys.readouterr().out


def test_every_result_says_how_it_was_made():
    """Each names its question, its command, when and on what, and a commit that can be found."""
    wanted = {"question", "command", "date", "commit", "seconds", "machine", "seed"}
    for name in names():
        result = load(name)

        assert {*wanted, "rows"} <= result.keys(), name
        assert not result["commit"].endswith("-dirty"), name


def test_a_result_of_other_prompts_is_noticed(monkeypatch, capsys):
    """Its figures are counts of what is no longer sent."""
    monkeypatch.setattr(report, "prompt_digests", lambda: {"rank": "another"})

    assert report.write(check=True) == 1
    assert "Measured with other prompts, so run again: evaluation" in capsys.readouterr().out


def test_a_figure_in_a_sentence_is_that_of_the_result(monkeypatch):
    """One that was written by hand is put right, and one that nothing tells is an error."""
    text = "About <!-- figure plan-off-at-first -->99 %<!-- end figure --> off."
    monkeypatch.setattr(figures, "load", lambda name: {"median_error_percent": {"first": 5.0}})

    assert "-->5 %<!--" in figures.filled(text)
    with pytest.raises(KeyError):
        figures.filled("<!-- figure bogus -->5<!-- end figure -->")


def test_results_that_the_code_names_are_there():
    """A constant that says where it comes from comes from there."""
    for module in (HOME / "unillmrec").rglob("*.py"):
        text = module.read_text(encoding="utf-8")
        for name in re.findall(r"benchmarks/results/([\w-]+\.json)", text):
            assert (FOLDER / name).exists(), (module, name)
