"""Sentences as vectors over the terms of a catalog."""

import pytest

from unillmrec.tree.sentences import sentence_vectors
from unillmrec.tree.sentences.sentence_vectors import TermTable

TERMS = ["horror", "comedy", "gore", "bloody", "space", "romance", "zylvanquist", "kitchen"]


@pytest.fixture(scope="module")
def table():
    return TermTable(range(10, 10 + len(TERMS)), TERMS)


def weights(table, sentence, known=()):
    vector = table.vector_of(sentence, {TERMS[n - 10]: (n, 5.0) for n in known})
    if vector is None:
        return None
    return dict(zip((TERMS[n - 10] for n in vector.ids.tolist()), vector.weights, strict=True))


def test_terms_are_weighted_by_meaning(table):
    """The word of the sentence need not be in the catalog."""
    found = weights(table, "something scary")

    assert max(found, key=found.get) == "horror"
    assert found["horror"] > found.get("kitchen", 0.0)


def test_the_kind_of_item_says_nothing(table):
    """In a catalog of films, every item is one."""
    assert weights(table, "scary") == weights(table, "a scary movie, please")


@pytest.mark.parametrize(
    ("sentence", "unwanted"),
    [
        ("scary, but no gore", "gore"),
        ("scary without gore", "gore"),
        ("scary; not bloody", "bloody"),
    ],
)
def test_unwanted_meanings_count_against_an_item(table, sentence, unwanted):
    """Close terms get a negative weight; the rest of the sentence keeps its meaning."""
    found = weights(table, sentence)

    assert found[unwanted] < 0 < found["horror"]


def test_a_name_is_matched_as_a_word(table):
    """Word vectors only guess at the meaning of a rare name of the catalog."""
    named = weights(table, "films by Zylvanquist", known=[TERMS.index("zylvanquist") + 10])

    assert max(named, key=named.get) == "zylvanquist"
    assert pytest.approx(1.0) == named["zylvanquist"]


def test_a_name_and_a_meaning_go_together(table):
    """Each has its share of the words."""
    found = weights(table, "scary Zylvanquist", known=[TERMS.index("zylvanquist") + 10])

    assert found["zylvanquist"] > 0 < found["horror"]


@pytest.mark.parametrize("sentence", ["日本のホラー", "…"])
def test_nothing_known_is_no_vector(table, sentence):
    """The caller says so."""
    assert weights(table, sentence) is None


def test_only_the_closest_terms_keep_a_weight(table, monkeypatch):
    """The rest would only take time."""
    monkeypatch.setattr(sentence_vectors, "WEIGHTED_TERMS", 2)

    assert len(weights(table, "scary")) == 2


def test_an_empty_catalog_has_no_terms():
    """A tree may have lost all its items."""
    assert TermTable([], []).vector_of("scary", {}) is None
