"""What does variety cost: recall of the final list against the diversity of its items."""

from __future__ import annotations

import tempfile
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import SEED, WITH_PEOPLE, DataSet, load_with_people
from benchmarks.intervals import mean
from benchmarks.results import save
from unillmrec import BuildOptions, ItemTree, Options, Recommender, build
from unillmrec.tree.vectors import similarities

QUESTION = __doc__
PEOPLE = 500
VARIETY = (0.0, 0.1, 0.2, 0.35, 0.5)


def run(data: Path) -> None:
    """Recommend ten items at each degree of variety."""
    rows: list[dict[str, Any]] = []
    for name in WITH_PEOPLE:
        found = load_with_people(data, name, PEOPLE)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "measured.tree"
            build(found.items, path, BuildOptions(workers=1))
            with ItemTree.open(path) as tree:
                for variety in VARIETY:
                    rows.append(
                        {"set": name, "variety": variety, **_measured(found, tree, variety)}
                    )
                    print(rows[-1], flush=True)
    save("variety", QUESTION, rows, seed=SEED, judge="embedded similarity judge, no model")


def _measured(found: DataSet, tree: ItemTree, variety: float) -> dict[str, Any]:
    recommender = Recommender(tree)
    hits, apart = [], []
    for person in found.people:
        ids = [found.items[place].id for place in person.history]
        made = recommender.recommend(ids, options=Options(variety=variety))
        listed = [each.item.id for each in made.items]
        hits.append(found.items[person.target].id in listed)
        apart.append(_distance(tree, listed))
    return {
        "people": len(hits),
        "recall@10": mean(hits),
        "mean distance": mean(apart),
    }


def _distance(tree: ItemTree, ids: list[str]) -> float:
    """Return the mean cosine distance between the items of a list."""
    placed = tree.items_by_id(ids)
    vectors = tree.item_vectors([placed[each].number for each in ids])
    near = [similarities(one, [other])[0] for one, other in combinations(vectors, 2)]
    return 1 - float(np.mean(near))
