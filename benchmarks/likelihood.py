"""Does the likelihood of a title add to the vectors? The next item among 20.

`python -m benchmarks.likelihood measure --data DIR --model FILE.gguf --scores FILE.jsonl` asks a
model in this process about people, one line a person: a later run adds people. `… summarize
FILE.jsonl …` writes results/likelihood.json.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import SEED, DataSet, load_with_people
from benchmarks.fields import CHOICES
from benchmarks.intervals import format_estimate
from benchmarks.results import save
from benchmarks.title_scorer import TitleScore, TitleScorer
from unillmrec.evaluation.statistics import Bootstrap
from unillmrec.tree.terms import TermCounter

QUESTION = "Does the likelihood of a title add to the vectors? The next item among 20."
SETS = ("ml-1m", "amazon-beauty")
CANDIDATES = 20
RECENT = 10
DECAY = 0.7
SHARE = 0.7
HEADER = "A person liked these, one after the other:\n"
# Sampled from, so that a later run can add people without another sample.
SAMPLE = 1_000


def measure(data: Path, name: str, model: Path, scores: Path, people: int) -> None:
    """Add people to the file of scores until there are *people* of the data set in it."""
    found = load_with_people(data, name, SAMPLE)
    done = {(row["set"], row["person"]) for row in _rows(scores)}
    scorer, matrix = TitleScorer(model), _vectors(found)
    without = _Without(scorer, scores.with_suffix(".without.json"))
    met = sorted({place for person in found.people for place in (*person.history, person.target)})
    for number, person in enumerate(found.people[:people]):
        if (name, number) in done:
            continue
        chance = random.Random(f"{SEED} {name} {number}")
        others = [place for place in met if place not in {*person.history, person.target}]
        places = [person.target, *chance.sample(others, CANDIDATES - 1)]
        started, read = time.monotonic(), scorer.read
        titles = [_line(found, place) for place in places]
        history = person.history[-RECENT:]
        text = HEADER + "".join(f"-{_line(found, place)}" for place in history) + "-"
        after = scorer.score(text, titles)
        alone = without.score(titles)
        row = {
            "set": name,
            "person": number,
            "model": model.name,
            "after": [each.log_probability for each in after],
            "alone": [each.log_probability for each in alone],
            "tokens": [each.tokens for each in after],
            "vectors": _similarities(matrix, history, places),
            "read": scorer.read - read,
            "seconds": round(time.monotonic() - started, 2),
        }
        with scores.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        without.save()


class _Without:
    """Scores of titles without a history, kept in a file."""

    def __init__(self, scorer: TitleScorer, path: Path) -> None:
        self._scorer, self._path = scorer, path
        self._known: dict[str, list[float]] = (
            json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        )

    def score(self, titles: Sequence[str]) -> list[TitleScore]:
        missing = [title for title in dict.fromkeys(titles) if title not in self._known]
        for title, found in zip(missing, self._scorer.score(HEADER + "-", missing), strict=True):
            self._known[title] = [found.log_probability, found.tokens]
        return [TitleScore(self._known[each][0], int(self._known[each][1])) for each in titles]

    def save(self) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._known), encoding="utf-8")
        part.replace(self._path)


def _rows(scores: Path) -> Iterator[dict[str, Any]]:
    if scores.exists():
        for line in scores.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def _line(found: DataSet, place: int) -> str:
    return f" {found.items[place].title}\n"


def _vectors(found: DataSet) -> Any:
    weights, with_ngrams = CHOICES["title + attributes + text/2"]
    counter = TermCounter(weights, with_ngrams=with_ngrams)
    for item in found.items:
        counter.add(item)
    return counter.finish()[1]


def _similarities(matrix: Any, history: Sequence[int], places: Sequence[int]) -> list[float]:
    weights = np.array([DECAY**age for age in reversed(range(len(history)))], np.float32)
    taste = np.asarray(matrix[list(history)].T @ weights).ravel()
    return [float(each) for each in matrix[list(places)] @ taste]


def standard_scores(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return *values* with mean 0 and variance 1; zeros if all are equal."""
    found = np.asarray(values, dtype=float)
    spread = found.std()
    return (found - found.mean()) / spread if spread > 0 else np.zeros(len(found))


def gain_of_target(scores: np.ndarray) -> float:
    """Return the NDCG@10 of a list whose only relevant item is the first of *scores*.

    Of several orders of equal scores, it is the mean.
    """
    above, equal = int((scores > scores[0]).sum()), int((scores == scores[0]).sum())
    gains = [1 / np.log2(at + 2) if at < 10 else 0.0 for at in range(above, above + equal)]
    return float(np.mean(gains))


def systems(row: dict[str, Any], share: float = SHARE) -> dict[str, np.ndarray]:
    """Return the scores of each system for one person."""
    after, alone = np.array(row["after"]), np.array(row["alone"])
    vectors = standard_scores(row["vectors"])
    likelihood = standard_scores(after - share * alone)
    return {
        "vectors": vectors,
        "log p(title | history)": after,
        f"log p(title | history) - {share:g} log p(title)": likelihood,
        "fused": vectors + likelihood,
    }


def summarize(files: Sequence[Path]) -> None:
    """Write the result file from the scores."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for path in files:
        for row in _rows(path):
            groups.setdefault((row["model"], row["set"]), []).append(row)
    save(
        "likelihood",
        QUESTION,
        [line for key, rows in groups.items() for line in _table(*key, rows)],
        seed=SEED,
        protocol=f"leave last out, {CANDIDATES} candidates drawn evenly from the items people met",
    )


def _table(model: str, name: str, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    by_system: dict[str, list[float]] = {}
    for row in rows:
        for system, scores in systems(row).items():
            by_system.setdefault(system, []).append(gain_of_target(scores))
    names = list(by_system)
    values = np.array([by_system[each] for each in names]).T
    bootstrap = Bootstrap(len(rows))
    means = bootstrap.estimates(values)
    gains = bootstrap.estimates(values - values[:, :1])
    for system, estimate, gain in zip(names, means, gains, strict=True):
        yield {
            "model": model,
            "set": name,
            "system": system,
            "people": len(rows),
            "NDCG@10": format_estimate(estimate),
            "minus vectors": "" if system == "vectors" else format_estimate(gain),
            "tokens a person": round(float(np.mean([row["read"] for row in rows]))),
            "seconds a person": round(float(np.mean([row["seconds"] for row in rows])), 1),
        }


def main() -> None:
    """Measure, or write the result from what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.likelihood", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    for name in ("data", "model", "scores"):
        measuring.add_argument(f"--{name}", type=Path, required=True)
    measuring.add_argument("--set", choices=SETS, required=True)
    measuring.add_argument("--people", type=int, default=200)
    commands.add_parser("summarize").add_argument("files", type=Path, nargs="+")
    given = parser.parse_args()
    if given.command == "measure":
        measure(given.data, given.set, given.model, given.scores, given.people)
    else:
        summarize(given.files)


if __name__ == "__main__":
    main()
