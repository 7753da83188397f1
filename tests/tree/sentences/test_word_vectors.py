"""Static word vectors: words of similar meaning are near each other."""

import numpy as np
import pytest

from unillmrec.tree.sentences.word_vectors import WordVectors, bundled_word_vectors

PIECES = ["\u2581sun", "\u2581su", "flower", "n", "s"]


@pytest.fixture
def small():
    rows = np.eye(len(PIECES), dtype=np.float32)
    return WordVectors(PIECES, rows, ["sun"], np.array([[3.0, 4.0]], np.float32))


def cosine(one, other):
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        ("sun", [0]),
        ("sunflower", [0, 2]),
        ("suns", [0, 4]),
        ("su-n", [1, 3]),
        ("日本", []),
        ("", []),
    ],
)
def test_a_word_is_split_into_the_longest_known_pieces(small, word, pieces):
    """Characters of no piece are skipped."""
    assert pieces == small.pieces_of(word)


def test_the_second_half_belongs_to_common_words_only(small):
    """A word without a vector of its own is known by its pieces alone."""
    common, rare = small.embed(["sun", "sunflower"])

    assert pytest.approx([0.3, 0.4]) == common[-2:]
    assert pytest.approx([0.0, 0.0]) == rare[-2:]
    assert pytest.approx(1.0) == np.linalg.norm(rare)
    assert [True, False] == [small.is_common("sun"), small.is_common("sunflower")]


def test_nothing_known_is_a_vector_of_zeros(small):
    """A word in another script has no meaning here, and does no harm."""
    assert not small.embed_together(["日本"]).any()


@pytest.mark.parametrize(
    ("word", "near", "far"),
    [
        ("scary", "horror", "romantic"),
        ("funny", "comedy", "tragedy"),
        ("spaceship", "galaxy", "kitchen"),
        ("detective", "crime", "gardening"),
        ("relaxing", "calm", "violent"),
    ],
)
def test_bundled_vectors_know_what_words_mean(word, near, far):
    """The words have similar meanings, not similar letters."""
    vectors = bundled_word_vectors()
    asked, close, other = vectors.embed([word, near, far])

    assert cosine(asked, close) > cosine(asked, other)


def test_bundled_vectors_are_loaded_once():
    """They take a tenth of a second and some forty megabytes."""
    assert bundled_word_vectors() is bundled_word_vectors()
