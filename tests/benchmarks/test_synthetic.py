from pathlib import Path

import numpy as np
import pytest

from benchmarks.synthetic import CHUNK, LENGTHS, SyntheticCatalog, item_id
from benchmarks.walk_recall import walk_recall
from unillmrec import build, read_catalog

SIZE = 1_000


@pytest.fixture(scope="module")
def catalog() -> SyntheticCatalog:
    return SyntheticCatalog(SIZE)


def test_the_same_seed_gives_the_same_items() -> None:
    """A catalog is a function of its size and seed, and another seed gives another one."""
    items = list(SyntheticCatalog(50, seed=3).items())

    assert items == list(SyntheticCatalog(50, seed=3).items())
    assert items != list(SyntheticCatalog(50, seed=4).items())


def test_titles_have_the_promised_length(catalog: SyntheticCatalog) -> None:
    """Every title has 8 to 15 words, and all of these lengths occur."""
    lengths = {len(item.title.split()) for item in catalog.items()}

    assert set(range(LENGTHS[0], LENGTHS[1] + 1)) == lengths


def test_each_item_has_one_topic_across_chunks() -> None:
    """Items and topics are made apart, chunk by chunk, and still belong together."""
    catalog = SyntheticCatalog(CHUNK + 10)
    numbers = [item.id for item in catalog.items()]

    assert [item_id(number) for number in range(CHUNK + 10)] == numbers
    assert CHUNK + 10 == len(catalog.topics())


def test_a_word_of_its_own_marks_a_topic(catalog: SyntheticCatalog) -> None:
    """Items of one fine topic share more words than items of two."""
    topics = catalog.topics()
    words = [set(item.title.split()) for item in catalog.items()]
    largest = np.flatnonzero(topics == np.argmax(np.bincount(topics)))[:30]
    others = np.flatnonzero(topics != topics[largest[0]])[:30]

    def shared(one: np.ndarray, two: np.ndarray) -> float:
        return float(np.mean([len(words[a] & words[b]) for a in one for b in two if a != b]))

    assert shared(largest, largest) > 2 * shared(largest, others)


def test_people_like_one_topic_or_two(catalog: SyntheticCatalog) -> None:
    """By turns a history comes from one fine topic and from two."""
    topics = catalog.topics()
    people = catalog.people(6)

    assert [1, 2, 1, 2, 1, 2] == [len(person.topics) for person in people]
    assert all(
        {int(topics[number]) for number in person.history} == person.topics for person in people
    )


def test_vectors_lie_around_their_topics(catalog: SyntheticCatalog, tmp_path: Path) -> None:
    """An item is nearer to the mean of its own fine topic than to the mean of all items."""
    catalog.write_vectors(tmp_path / "a.npy", dimensions=16)
    rows = np.load(tmp_path / "a.npy")
    own = rows[catalog.topics() == 0]

    assert (SIZE, 16) == rows.shape
    assert np.linalg.norm(own - own.mean(0)) < np.linalg.norm(own - rows.mean(0))


def test_a_walk_finds_planted_topics(catalog: SyntheticCatalog, tmp_path: Path) -> None:
    """Built and walked in small, the shares lie in bounds and beat chance by far."""
    catalog.write_catalog(tmp_path / "a.jsonl")
    build(read_catalog(tmp_path / "a.jsonl"), tmp_path / "a.tree")

    walked = walk_recall(tmp_path / "a.tree", SIZE, seed=0, count=4)

    assert 0.3 < walked.of_topics <= 1
    assert 0.5 < walked.similarity <= 1.0001
