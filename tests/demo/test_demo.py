import pytest

from unillmrec.catalog import read_catalog
from unillmrec.demo import books, find_reader, readers
from unillmrec.demo.walkthrough import flat_cost, run_walkthrough
from unillmrec.errors import PersonError
from unillmrec.items import one_line
from unillmrec.judge import Interest, Profile
from unillmrec.judge.from_settings import build_writer
from unillmrec.settings import Settings
from unillmrec.stages import Person
from unillmrec.store import ItemTree


def test_the_catalog_is_complete():
    """Every book can be read, has a text of its own, and its numbers are numbers."""
    with books() as path:
        items = list(read_catalog(path))

    assert len(items) >= 400
    for item in items:
        assert item.title == one_line(item.title)
        assert item.text == one_line(item.text)
        assert {"authors", "year", "subjects", "language", "pages"} == item.attributes.keys()
        assert isinstance(item.attributes["pages"], int)
        assert isinstance(item.attributes["year"], int)
    assert len({item.text for item in items}) == len(items)


def test_histories_consist_of_books_in_the_catalog():
    """Each id occurs once."""
    with books() as path:
        known = {item.id for item in read_catalog(path)}

    assert len(readers()) >= 3
    for reader in readers():
        assert set(reader.history) <= known
        assert len(set(reader.history)) == len(reader.history)


def test_readers_are_found_by_name():
    """Case does not matter; an unknown name is an error that lists the readers."""
    assert "Rosa" == find_reader("ROSA").name
    with pytest.raises(PersonError) as raised:
        find_reader("bob")
    assert all(reader.id in raised.value.remedy for reader in readers())


@pytest.mark.parametrize("reader", readers(), ids=lambda reader: reader.id)
def test_everybody_gets_ten_new_books(reader, tmp_path):
    """Each walk opens some branches only, and ends with ten books not read before."""
    done = run_walkthrough(tmp_path / "demo.tree", Person(reader.history))
    recommendation = done.recommendation
    ids = [each.item.id for each in recommendation.items]
    opened = {event.opened.id for event in recommendation.opened}
    offered = {child.id for event in recommendation.opened for child in event.children}

    assert 10 == len(set(ids) - set(reader.history))
    assert all(each.reason for each in recommendation.items)
    assert any(not event.opened.is_leaf for event in recommendation.opened[1:])
    assert offered - opened
    assert len(reader.history) == len(done.titles)


def test_the_flat_listing_contains_every_book(tmp_path):
    """Its cost is that of a prompt with all lines."""
    run_walkthrough(tmp_path / "demo.tree", Person(like="whales"))
    writer = build_writer(Settings())
    profile = Profile((Interest("whales", 1.0),))
    with ItemTree.open(tmp_path / "demo.tree") as tree:
        cost = flat_cost(tree, profile, writer)
        titles = sum(
            writer.counter.count(each.item.title)
            for each in tree.items_by_number(range(len(tree))).values()
        )

    assert cost.estimated_prompt > titles + 3 * len("700")
    assert (1, None) == (cost.calls, cost.prompt)
