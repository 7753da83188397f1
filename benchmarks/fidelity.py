"""How much of an exhaustive search does recall find, and for how many input tokens?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.intervals import mean
from benchmarks.results import save
from benchmarks.synthetic import SyntheticCatalog, item_id
from unillmrec import BuildOptions, ItemTree, Options, Recommender, SimilarityJudge, build
from unillmrec.building.given_vectors import VectorFile
from unillmrec.judge import CONTRACTS, EstimatingJudge, PromptWriter, Question
from unillmrec.judge.registry import AT_ONCE
from unillmrec.prompts import PromptSet
from unillmrec.stages import start_run
from unillmrec.store.columns.eligibility import Eligibility
from unillmrec.store.nearest import nearest_items
from unillmrec.testing import NoisyJudge
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Stage

QUESTION = __doc__
SIZES = (1_217, 10_000, 100_000, 1_000_000)
PEOPLE = {1_217: 12, 10_000: 12, 100_000: 12, 1_000_000: 6}
# In score points: a hundredth of a cosine each.
SIGMAS = (0.0, 4.0)
SOUGHT = 20
SEED = 0
SAMPLED_LINES = 5_000


@dataclass(frozen=True, slots=True)
class System:
    """A recall method, and how its price is varied."""

    name: str
    options: Options


def systems() -> Iterator[System]:
    """Return every walk at several prices."""
    for branches in (2, 5, 9, 13):
        yield System("best-first", Options(SOUGHT, branches=branches))
    for path_score in ("relative", "probability"):
        for branches in (9,):
            options = Options(SOUGHT, branches=branches, path_score=path_score)  # type: ignore[arg-type]
            yield System(f"best-first, {path_score}", options)
    for branches in (2, 4):
        yield System("beam", Options(SOUGHT, branches=branches, walk="beam"))
    for candidates in (30, 60):
        options = Options(SOUGHT, candidates=candidates, walk="depth-first")
        yield System("depth-first", options)
    yield System("hybrid", Options(SOUGHT, walk="hybrid"))
    yield System("retrieve 50, rank", Options(SOUGHT, candidates=50, walk="retrieve"))


def run(data: Path) -> None:
    """Measure every system on synthetic catalogs of all sizes, over words and over vectors."""
    rows: list[dict[str, Any]] = []
    for size in SIZES:
        for space in ("words", "vectors"):
            rows += measured(size, space)
    save(
        "fidelity",
        QUESTION,
        rows,
        seed=SEED,
        people=PEOPLE,
        judge="embedded similarity judge, exact and with simulated noise, no model",
    )


def measured(size: int, space: str) -> list[dict[str, Any]]:
    """Build one tree, and walk it in every way."""
    catalog = SyntheticCatalog(size, SEED)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tree"
        given = None
        if space == "vectors":
            catalog.write_vectors(Path(folder) / "a.npy")
            given = VectorFile(Path(folder) / "a.npy")
        build(catalog.items(), path, BuildOptions(seed=SEED, given=given))
        with ItemTree.open(path) as tree:
            return list(_rows(tree, catalog, size, space))


def _rows(
    tree: ItemTree, catalog: SyntheticCatalog, size: int, space: str
) -> Iterator[dict[str, Any]]:
    writer = PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model("gpt-4o"))
    people = [[item_id(number) for number in each.history] for each in catalog.people(PEOPLE[size])]
    flat, sliding = _listing_tokens(tree, writer, people[0])
    nearest = [_nearest(tree, writer, history) for history in people]
    about = {"items": size, "space": space}
    for name, tokens in (("flat listing", flat), ("sliding windows 20/10", sliding)):
        yield {**about, "noise": 0.0, "system": name, "tokens": tokens, "found": 1.0, "ratio": 1.0}
    for sigma in SIGMAS:
        for system in systems():
            row = {
                **about,
                "noise": sigma,
                "system": system.name,
                **_walked(tree, writer, system.options, sigma, people, nearest),
            }
            row["saved"] = round(1 - row["tokens"] / flat, 4)
            print(row, flush=True)
            yield row


def _walked(
    tree: ItemTree,
    writer: PromptWriter,
    options: Options,
    sigma: float,
    people: Sequence[Sequence[str]],
    nearest: Sequence[dict[int, float]],
) -> dict[str, Any]:
    """Return means over people."""
    judge = EstimatingJudge(NoisyJudge(SimilarityJudge(tree), sigma, SEED), writer)
    judge.at_once = AT_ONCE
    found = []
    for history, best in zip(people, nearest, strict=True):
        made = Recommender(tree, judge).recommend(history, options=options)
        taste = made.profile.vector
        assert taste is not None
        placed = tree.items_by_id(made.candidates)
        numbers = [placed[each].number for each in made.candidates]
        scores = _closeness(tree, taste, numbers)
        total = made.total_usage()
        found.append(
            (
                total.estimated_prompt,
                total.calls,
                made.rounds,
                len(best.keys() & set(numbers)) / SOUGHT,
                float(np.sort(scores)[::-1][:SOUGHT].mean() / np.mean(list(best.values()))),
            )
        )
    tokens, calls, rounds, share, ratio = np.array(found).mean(axis=0)
    of_share, of_ratio = (mean(column) for column in np.array(found).T[-2:])
    return {
        "tokens": round(tokens),
        "calls": round(float(calls), 1),
        "rounds": round(float(rounds), 1),
        "found": round(float(share), 3),
        "ratio": round(float(ratio), 3),
        "found, interval": of_share.partition(" ")[2],
        "ratio, interval": of_ratio.partition(" ")[2],
    }


def _nearest(tree: ItemTree, writer: PromptWriter, history: Sequence[str]) -> dict[int, float]:
    """Return the similarity of the items that an exhaustive search ranks first."""
    made = Recommender(tree, EstimatingJudge(SimilarityJudge(tree), writer)).recommend(history)
    assert made.profile.vector is not None
    eligibility = Eligibility(tree)
    eligibility.exclude(tree.locate(history).values())
    return dict(nearest_items(tree, made.profile.vector, SOUGHT, eligibility))


def _closeness(tree: ItemTree, taste: Any, numbers: Sequence[int]) -> np.ndarray:
    from unillmrec.tree.vectors import similarities

    return similarities(taste, tree.item_vectors(numbers))


def _listing_tokens(
    tree: ItemTree, writer: PromptWriter, history: Sequence[str]
) -> tuple[int, int]:
    """Return the tokens of listing every item once, and of ranking all in sliding windows."""
    made = Recommender(tree).recommend(history)
    numbers = np.linspace(0, len(tree) - 1, min(len(tree), SAMPLED_LINES)).astype(int).tolist()
    placed = list(tree.items_by_number(numbers).values())
    run = start_run(tree, SimilarityJudge(tree))
    choices = run.item_choices(placed, 180)
    line = np.mean([writer.counter.count(writer.line(choice)) + 1 for choice in choices])
    around = writer.estimate(
        writer.request(Question("rank", Stage.RANK, made.profile, choices[:1], 1))
    )[0] - writer.counter.count(writer.line(choices[0]))
    windows = (len(tree) - 20) // 10 + 1
    return round(around + line * len(tree)), round(windows * (around + 20 * line))
