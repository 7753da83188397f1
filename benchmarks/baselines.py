"""Do the baselines find what the same methods found elsewhere, under the same protocol?

The rule: the other figure lies within our interval of 95 %. Both are of a thousand people, and
not of the same ones, so that of methods that are alike one figure in six lies outside; how far
apart the two are is given in standard errors of a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.people import PEOPLE, SEED, interactions_of, last_out, others, shelf_of
from benchmarks.results import save
from unillmrec.evaluation.data.cases import Split
from unillmrec.evaluation.runner import evaluate
from unillmrec.evaluation.statistics import Estimate
from unillmrec.evaluation.systems.content import Bm25, MostPopular, RandomBaseline, TfIdf
from unillmrec.evaluation.systems.contract import System
from unillmrec.evaluation.systems.trained import Als, ItemKnn

QUESTION = __doc__.partition("\n")[0]
SETS = ("ml-1m", "amazon-beauty")
TUNED_ON = 500
CUTOFFS = (10, 50)
METRICS = ("recall@10", "ndcg@10", "recall@50")
Makers = dict[str, Sequence[Callable[[], System]]]

# Measured beforehand with other code on samples of the same size: recall@10, ndcg@10, recall@50.
REFERENCE = {
    "ml-1m": {
        "random": (0.002, 0.001, 0.017),
        "most popular": (0.041, 0.020, 0.123),
        "item-kNN": (0.134, 0.073, 0.304),
        "item-kNN, unweighted": (0.057, 0.030, 0.192),
        "ALS": (0.094, 0.047, 0.294),
        "TF-IDF": (0.039, 0.019, 0.130),
        "TF-IDF, titles, whole history": (0.013, 0.008, 0.044),
        "BM25": (0.047, 0.023, 0.143),
        "BM25, all text": (0.047, 0.023, 0.143),
    },
    "amazon-beauty": {
        "random": (0.001, 0.000, 0.004),
        "most popular": (0.012, 0.005, 0.034),
        "item-kNN": (0.076, 0.049, 0.134),
        "item-kNN, unweighted": (0.064, 0.038, 0.126),
        "ALS": (0.058, 0.031, 0.140),
        "TF-IDF": (0.074, 0.047, 0.145),
        "TF-IDF, titles, whole history": (0.059, 0.035, 0.133),
        "BM25": (0.057, 0.030, 0.125),
        "BM25, all text": (0.057, 0.030, 0.125),
    },
}
ALL = 10_000


def grid() -> Makers:
    """Return the settings to try for each method."""
    return {
        "random": [RandomBaseline],
        "most popular": [MostPopular],
        "TF-IDF, titles, whole history": [lambda: TfIdf("title", ALL, 1.0)],
        "TF-IDF": [
            lambda f=f, r=r, d=d: TfIdf(f, r, d)
            for f in ("title", "all")
            for r in (5, 10)
            for d in (0.5, 0.7)
        ],
        "BM25": [lambda r=r, f=f: Bm25(r, f) for f in ("title", "all") for r in (1, 3, 5, 10)],
        "BM25, all text": [lambda r=r: Bm25(r, "all") for r in (1, 3, 5, 10)],
        "item-kNN, unweighted": [lambda k=k: ItemKnn(ALL, 1.0, k) for k in (20, 100, 200)],
        "item-kNN": [
            lambda d=d, k=k: ItemKnn(ALL, d, k) for d in (0.5, 0.7, 0.85) for k in (100, 200)
        ],
        "ALS": [lambda f=f, a=a: Als(f, a) for f in (64, 128) for a in (5.0, 20.0)],
    }


def run(data: Path) -> None:
    """Choose each method's setting on other people, then measure it."""
    rows: list[dict[str, Any]] = []
    protocol: dict[str, Any] = {}
    for name in SETS:
        index, met = shelf_of(data, name), interactions_of(data, name)
        held_out = last_out(met, index, name, PEOPLE)
        protocol[name] = held_out.facts
        tuning = others(held_out, met, index, name, TUNED_ON)
        for method, makers in grid().items():
            system = _chosen(makers, tuning)
            row = {"set": name, "method": method, **_measured(system, held_out, name, method)}
            rows.append(row)
            print(rows[-1], flush=True)
    save(
        "baselines",
        QUESTION,
        rows,
        seed=SEED,
        people=PEOPLE,
        rule="the figure there lies within our interval of 95 %",
        apart="in standard errors of the difference of two samples of so many people",
        protocol=protocol,
        settings="chosen by ndcg@10 on 500 other people",
    )


def _chosen(makers: Sequence[Callable[[], System]], tuning: Split) -> System:
    if len(makers) == 1:
        return makers[0]()
    tried = [
        (evaluate(tuning, [make()]).results[0].estimates["ndcg@10"].value, make) for make in makers
    ]
    return max(tried, key=lambda pair: pair[0] or 0.0)[1]()


def _measured(system: System, held_out: Split, name: str, method: str) -> dict[str, Any]:
    there = dict(zip(METRICS, REFERENCE[name][method], strict=True))
    found: dict[str, Any] = {"setting": system.note}
    outside = []
    for at in CUTOFFS:
        (result,) = evaluate(held_out, [system], at=at).results
        for metric in (f"recall@{at}", f"ndcg@{at}"):
            if metric in there:
                each = result.estimates[metric]
                found[metric] = f"{each.value:.3f} [{each.low:.3f}, {each.high:.3f}]"
                found[f"{metric} there"] = there[metric]
                if not _is_within(each, there[metric]):
                    outside.append(f"{metric} by {_apart(each, there[metric]):.1f}")
    return {**found, "there is within": f"all but {', '.join(outside)}" if outside else "all"}


def _is_within(ours: Estimate, there: float) -> bool:
    """Return whether the reference figure, known to three places, lies in our interval."""
    assert ours.low is not None
    assert ours.high is not None
    return round(ours.low, 3) <= there <= round(ours.high, 3)


def _apart(ours: Estimate, there: float) -> float:
    """Return the difference of two figures in standard errors."""
    assert ours.value is not None
    assert ours.low is not None
    assert ours.high is not None
    error = (ours.high - ours.low) / (2 * 1.96)
    return abs(ours.value - there) / (error * 2**0.5)
