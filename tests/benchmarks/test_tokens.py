"""The token benchmark in small: what it counts adds up."""

import pytest

from benchmarks import tokens
from tests import trees
from unillmrec.judge.making import make_writer
from unillmrec.settings import Settings


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.setattr(tokens, "PEOPLE", 2)
    with trees.tree(tmp_path) as tree:
        yield {row["way"]: row for row in tokens.counted(tree, "300 items")}, tree


def first(cell):
    return float(cell.replace(",", "").split(" ")[0])


def pair(cell):
    read, _, written = cell.replace(",", "").partition(" + ")
    return (float(read), float(written)) if cell else (0.0, 0.0)


def test_stages_add_up_to_what_is_billed(rows):
    """In every way of asking, the read and the written each."""
    for way, row in rows[0].items():
        stages = [pair(row[stage]) for stage in ("profile", "recall", "rank")]
        assert pytest.approx(row["input"], abs=2) == sum(read for read, _ in stages), way
        assert pytest.approx(row["output"], abs=2) == sum(written for _, written in stages), way
        assert pytest.approx(row["input"] + row["output"], abs=2) == first(row["billed"]), way


def test_a_flat_listing_shows_every_title_once_and_windows_twice(rows):
    """The windows step by half their length."""
    made, _ = rows

    assert "100.00%" == made["flat listing"]["item text shown / catalog text"]
    share = made["sliding windows 20/10"]["item text shown / catalog text"]
    assert pytest.approx(193, abs=1) == float(share.rstrip("%"))
    assert 30 == made["sliding windows 20/10"]["calls"]


def test_people_met_fifty_items(rows):
    """Whatever the catalog, and the same ones each time."""
    people = tokens.histories(rows[1])

    assert [50, 50] == [len(set(each)) for each in people]
    assert people == tokens.histories(rows[1])


def test_the_catalog_text_is_that_of_all_titles(rows, monkeypatch):
    """A sample of it comes near."""
    tree = rows[1]
    writer = make_writer(Settings.resolve({"model": tokens.MODEL}))
    whole, size = tokens.catalog_text(tree, writer)
    monkeypatch.setattr(tokens, "COUNTED", 100)

    assert 300 == size
    assert pytest.approx(whole, rel=0.05) == tokens.catalog_text(tree, writer)[0]
