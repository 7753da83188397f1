import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, random_array

from tests import trees
from unillmrec.items import Item
from unillmrec.tree.clustering import one_thread
from unillmrec.tree.growing import Bounds, Shape, flatten, grow
from unillmrec.tree.keyword_descriptions import Sources, describe_nodes, node_spans, node_sums
from unillmrec.tree.node_summary.value_spans import span
from unillmrec.tree.sentences.query_words import LONGEST_WORD
from unillmrec.tree.terms import TermCounter, weighted_words

NARROW = Bounds(fan_out=4, most_children=6, root_children=8, leaf_target=10, leaf_capacity=16)


def described(items, numbers=None):
    """Return the shape of a tree over items, and the description of each of its nodes."""
    counter = TermCounter()
    for item in items:
        counter.add(item)
    vocabulary, rows = counter.finish()
    with one_thread():
        grown = grow(rows, np.arange(len(items)), NARROW, (0,))
    shape = Shape.of(flatten(grown, NARROW))
    sources = Sources(vocabulary, rows, lambda numbers: {n: items[n].title for n in numbers})
    spans = node_spans(shape, numbers or {})
    return shape, describe_nodes(shape, sources, node_sums(shape, rows), spans)


def rows_below(shape, node):
    return shape.order[shape.starts[node] : shape.ends[node]].tolist()


@given(st.integers(1, 200), st.integers(0, 2**32))
def test_the_sum_of_a_node_is_the_sum_of_its_rows(total, seed):
    """For leaves and branches alike."""
    chance = np.random.default_rng(seed)
    rows = csr_matrix(random_array((total, 30), density=0.2, rng=chance, dtype=np.float32))
    shape = Shape.of(grow(rows, np.arange(total), NARROW, (0,)))

    sums = node_sums(shape, rows).toarray()

    dense = rows.toarray()
    for node in range(len(shape.parents)):
        assert dense[rows_below(shape, node)].sum(0) == pytest.approx(sums[node], abs=1e-4)


@pytest.fixture(scope="module")
def books():
    """Three hundred items of six topics, the shape of their tree, and its descriptions."""
    items = trees.items()
    years = np.array([float(item.attributes["year"]) for item in items])
    return items, *described(items, {"year": years})


def test_items_of_a_node_use_its_words(books):
    """The words of a node occur in its items; the root has none."""
    items, shape, descriptions = books

    for node, description in enumerate(descriptions):
        used = {
            word
            for row in rows_below(shape, node)
            for words, _ in weighted_words(items[row])
            for word in words
        }
        assert set(description.words) <= used
        assert bool(description.words) == (shape.parents[node] >= 0)


def test_the_words_of_a_node_are_more_frequent_in_it_than_in_its_parent(books):
    """At least as large a share of its items use its first word."""
    items, shape, descriptions = books

    def share(word, node):
        rows = rows_below(shape, node)
        used = [any(word in words for words, _ in weighted_words(items[row])) for row in rows]
        return sum(used) / len(rows)

    for node, parent in enumerate(shape.parents):
        if parent >= 0:
            word = descriptions[node].words[0]
            assert share(word, node) >= share(word, parent)


def test_typical_titles_come_from_items_of_the_node(books):
    """A node has up to three; those of a branch come from different children."""
    items, shape, descriptions = books
    children = shape.children()

    for node, description in enumerate(descriptions):
        assert 1 <= len(set(description.typical)) == len(description.titles) <= 3
        assert set(description.typical) <= set(rows_below(shape, node))
        assert description.titles == tuple(items[row].title for row in description.typical)
        if children[node]:
            homes = {
                child
                for child in children[node]
                for row in description.typical
                if row in rows_below(shape, child)
            }
            assert len(description.typical) == len(homes)


def test_spans_and_ranges_are_those_of_the_items(books):
    """They cover all values of the items of a node but for the tails."""
    items, shape, descriptions = books
    years = np.array([float(item.attributes["year"]) for item in items])

    for node, spans in enumerate(node_spans(shape, {"year": years})):
        assert {"year": span(years[rows_below(shape, node)])} == spans
    for node, description in enumerate(descriptions):
        for each in description.ranges:
            assert (each.low, each.high) == span(years[rows_below(shape, node)])


def test_ngrams_numbers_and_very_long_words_are_not_shown():
    """They mean nothing to a reader, and a very long word would not fit."""
    endless = "z" * (LONGEST_WORD + 1)
    items = [
        Item(str(n), f"{'red fox' if n % 2 else 'blue dog'} {1900 + n % 2} {endless}{n % 2}")
        for n in range(100)
    ]

    _, descriptions = described(items)

    shown = {word for description in descriptions for word in description.words}
    assert shown <= {"red", "fox", "blue", "dog"}
    assert "red" in shown
    assert all(len(description.line(10)) < 250 for description in descriptions)


def test_a_tree_of_one_item_is_described():
    """The root shows the title of the item."""
    _, (description,) = described([Item("a", "Only this")])

    assert ("Only this",) == description.titles
    assert "(1): Only this" == description.line(1)
