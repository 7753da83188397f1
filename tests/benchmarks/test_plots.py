"""Plots belong to results, and it is seen when they do not."""

import pytest

from benchmarks import plots
from benchmarks.results import load, names


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "FOLDER", tmp_path)
    monkeypatch.setattr(plots, "DRAWN", {"tokens": plots.tokens})
    monkeypatch.setattr(plots, "names", lambda: ["tokens"])
    rows = [
        {"catalog": f"{size:,} items", "way": way, "billed": f"{size:,} [1, 2]"}
        for size in (100, 1_000)
        for way in ("unillmrec, the walk", "b", "c", "d", "e")
    ]
    monkeypatch.setattr(plots, "load", lambda name: {"rows": rows})
    return rows, tmp_path


def test_a_plot_is_drawn_once(folder):
    """And then is that of the result."""
    assert ["The plot of tokens is of another result."] == plots.write(check=True)
    assert [] == plots.write(check=False)
    assert [] == plots.write(check=True)

    text = (folder[1] / "tokens.svg").read_text(encoding="utf-8")
    assert "unillmrec, the walk" in text
    assert plots.INK in text


def test_another_result_is_noticed(folder):
    """One number is enough."""
    plots.write(check=False)
    folder[0][3]["billed"] = "7 [1, 9]"

    assert ["The plot of tokens is of another result."] == plots.write(check=True)


def test_a_plot_of_nothing_is_noticed(folder):
    """Nobody would draw it again."""
    (folder[1] / "gone.svg").write_text("<svg/>")

    assert "gone.svg is of no result." in plots.write(check=True)


@pytest.mark.parametrize("name", [name for name in plots.DRAWN if name in names()])
def test_every_committed_result_can_be_drawn(name):
    """With the drawing as it is now."""
    figure = plots.DRAWN[name](load(name))

    assert figure.axes[0].get_xlabel()
