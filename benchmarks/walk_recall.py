"""What walks with the embedded judge find, against planted topics and exhaustive search."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import Person, SyntheticCatalog, item_id
from unillmrec import ItemTree, Options, Recommender
from unillmrec.tree.vectors import Floats, Vector

LISTED = 10
COMPARED = 20


@dataclass(frozen=True, slots=True)
class Walked:
    """Means over people, for the walk and for an exact search by the same vectors.

    *of_topics* is the share of the ten recommended items that is of the person's fine topics,
    *likeness* the similarity of the walk's best twenty items over that of the best twenty there
    are, *overlap* how many of the latter the walk found, *nodes* how many a walk opened.
    """

    of_topics: float
    exact_of_topics: float
    of_topics_one_interest: float
    exact_of_topics_one_interest: float
    similarity: float
    overlap: float
    nodes: float


def walk_recall(
    path: Path, size: int, seed: int, count: int, *, leaves: int | None = None
) -> Walked:
    """Walk a synthetic catalog's tree for *count* people, and compare.

    Each gathers this many *leaves*, or the default number.
    """
    catalog = SyntheticCatalog(size, seed)
    topics = catalog.topics()
    people = catalog.people(count)
    with ItemTree.open(path) as tree:
        points = _item_points(tree, path)
        compared = [
            _compared(Recommender(tree), points, topics, person, leaves) for person in people
        ]
    one = np.array([len(person.topics) == 1 for person in people])
    walked, exact, similarity, overlap, nodes = np.array(compared).T
    means = [walked, exact, walked[one], exact[one], similarity, overlap, nodes]
    return Walked(*(round(float(each.mean()), 3) for each in means))


def found_of_nearest(
    path: Path, histories: Sequence[Sequence[str]], leaves: int | None
) -> tuple[float, float, float]:
    """Walk any tree; return the share of nearest items found, their similarity, nodes opened."""
    compared = []
    with ItemTree.open(path) as tree:
        points = _item_points(tree, path)
        rows = {each: row for row, (each,) in enumerate(tree.rows(_BY_NUMBER))}
        for history in histories:
            best = Recommender(tree).recommend(history, options=_nearest_first(leaves))
            assert best.profile.vector is not None
            near = _similarities(best.profile.vector, points)
            near[[rows[each] for each in history]] = -1
            nearest = np.argsort(-near, kind="stable")[:COMPARED]
            found = [rows[each.item.id] for each in best.items]
            overlap = len(set(found) & set(nearest.tolist())) / COMPARED
            similarity = near[found].sum() / near[nearest].sum()
            compared.append((overlap, float(similarity), float(len(best.opened))))
    found_of, similarity_of, opened = np.array(compared).mean(axis=0).round(3).tolist()
    return found_of, similarity_of, opened


_BY_NUMBER = "SELECT id FROM item ORDER BY number"


def _nearest_first(leaves: int | None) -> Options:
    return Options(limit=COMPARED, reorder="none", leaves=leaves)


def _compared(
    recommender: Recommender,
    points: Any,
    topics: NDArray[np.int64],
    person: Person,
    leaves: int | None,
) -> tuple[float, ...]:
    history = [item_id(number) for number in person.history]
    listed = recommender.recommend(history, options=Options(limit=LISTED, leaves=leaves))
    best = recommender.recommend(history, options=_nearest_first(leaves))
    assert listed.profile.vector is not None
    near = _similarities(listed.profile.vector, points)
    near[list(person.history)] = -1
    order = np.argsort(-near, kind="stable")
    found = [_number(each.item.id) for each in best.items]
    return (
        _of_topics([_number(each.item.id) for each in listed.items], topics, person),
        _of_topics(order[:LISTED].tolist(), topics, person),
        float(near[found].mean() / near[order[:COMPARED]].mean()),
        len(set(found) & set(order[:COMPARED].tolist())) / COMPARED,
        float(len(listed.opened)),
    )


def _number(identity: str) -> int:
    return int(identity[1:])


def _of_topics(numbers: Sequence[int], topics: NDArray[np.int64], person: Person) -> float:
    return sum(int(topics[number]) in person.topics for number in numbers) / LISTED


def _item_points(tree: ItemTree, path: Path) -> Any:
    """Return the stored vectors of all items as rows of a matrix, in file order."""
    db = sqlite3.connect(path)
    packed = [row for (row,) in db.execute("SELECT packed FROM item_vector ORDER BY item")]
    db.close()
    vectors = [Vector.from_bytes(each, sparse=tree.sparse) for each in packed]
    del packed
    weights = np.concatenate([vector.weights for vector in vectors])
    if not tree.sparse:
        return weights.reshape(len(vectors), -1)
    from scipy.sparse import csr_matrix

    ids = np.concatenate([vector.ids for vector in vectors])
    ends = np.concatenate([[0], np.cumsum([len(vector.weights) for vector in vectors])])
    return csr_matrix((weights, ids, ends))


def _similarities(taste: Vector, points: Any) -> Floats:
    query = taste.weights
    if taste.ids is not None:
        query = np.zeros(points.shape[1], np.float32)
        query[taste.ids] = taste.weights
    # The items' vectors are of length one.
    similar: Floats = np.asarray(points @ query, np.float32) / np.linalg.norm(query)
    return similar
