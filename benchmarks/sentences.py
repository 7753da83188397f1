"""How many of ten recommendations fit an everyday sentence?

Each sentence comes with a predicate over the catalog's attributes that decides what fits. The
sentences were written down before anything was tuned on them; those at even places may be looked
at while tuning, those at odd places only measure.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.datasets import SEED, find
from benchmarks.intervals import mean
from benchmarks.results import save
from unillmrec import BuildOptions, ItemTree, Options, Recommender, build, read_catalog
from unillmrec.stages.options import WalkOrder

QUESTION = (__doc__ or "").split("\n")[0]
SENTENCES: dict[str, list[dict[str, str]]] = json.loads(
    (Path(__file__).parent / "sentences.json").read_text(encoding="utf-8")
)
AT = 10
WALKS: tuple[WalkOrder, ...] = ("best-first", "retrieve")


def run(data: Path) -> None:
    """Recommend for every sentence with the embedded judge, and count what fits."""
    rows = [row for name in SENTENCES for row in measured(data, name)]
    save("sentences", QUESTION, rows, seed=SEED, judge="embedded similarity judge, no model")


def measured(data: Path, name: str) -> list[dict[str, Any]]:
    """Build the tree of one catalog, and return a row for each walk and half of the sentences."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.tree"
        build(read_catalog(find(data, name, "items.jsonl")), path, BuildOptions(workers=1))
        with ItemTree.open(path) as tree:
            rows = [
                {"set": name, "walk": walk, "half": half}
                | _precision(tree, walk, SENTENCES[name][place::2])
                for walk in WALKS
                for place, half in enumerate(("tuning", "held out"))
            ]
    for row in rows:
        print(row)
    return rows


def _precision(tree: ItemTree, walk: WalkOrder, sentences: list[dict[str, str]]) -> dict[str, Any]:
    recommender = Recommender(tree)
    shares, chances = [], []
    for each in sentences:
        fitting = recommender.select(each["where"])
        options = Options(limit=AT, walk=walk)
        found = recommender.recommend(like=each["sentence"], options=options).items
        numbers = [place.number for place in tree.items_by_id([r.item.id for r in found]).values()]
        shares.append(fitting.mask[numbers].sum() / AT)
        chances.append(fitting.total / len(tree))
    return {
        "sentences": len(sentences),
        "precision@10": mean(shares),
        "by chance": f"{sum(chances) / len(chances):.3f}",
    }
