"""How many tokens does a recommendation take, against the size of the catalog?

Prompts are rendered and counted, nothing is sent. Every person met fifty items of a few leaves,
so that all sizes are alike but for their size.
"""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import find
from benchmarks.results import prompt_digests, save
from benchmarks.synthetic import SyntheticCatalog
from unillmrec import BuildOptions, Item, ItemTree, Options, Recommender, build, read_catalog
from unillmrec.evaluation.asking import SHORTLIST, title_of
from unillmrec.evaluation.exam import Case, Exam, Known, Shelf
from unillmrec.evaluation.paper import PaperScheme
from unillmrec.evaluation.statistics import Bootstrap
from unillmrec.judge import Choice, HistoryQuestion, Interest, Interests, Profile, Question
from unillmrec.judge.making import make_estimating_judge, make_writer
from unillmrec.judge.writing import PromptWriter
from unillmrec.settings import Settings
from unillmrec.usage import Stage

QUESTION = __doc__.partition("\n")[0]
MODEL = "gpt-4o"
SEED = 42
PEOPLE = 20
HISTORY = 50
OF_LEAVES = 5
# The published window: twenty lines, ten of which are seen again with the next ten.
WINDOW, STEP = 20, 10
# As long as the profile prompt allows: five interests of twelve words.
INTEREST = "quiet stories of long journeys by sea told in the first person"
INTERESTS = tuple(Interest(INTEREST, 0.2) for _ in range(5))
MIXED = 288_923
COUNTED = 20_000


@dataclass(frozen=True, slots=True)
class Catalog:
    """A catalog of one size; *kept* is the name of a tree of it that may be there already."""

    told: str
    kept: str
    size: int


CATALOGS = (
    Catalog("1,217 news (of MIND)", "mind-1217", 1_217),
    Catalog("6,176 games (of Amazon)", "games-6176", 6_176),
    Catalog("12,101 beauty products", "amazon-beauty", 12_101),
    Catalog("100,000 made up", "synthetic-100000", 100_000),
    Catalog("288,923 mixed", "catalog-mixed", MIXED),
    Catalog("1,000,000 made up", "synthetic-1000000", 1_000_000),
)


def run(data: Path) -> None:
    """Count each way of asking on each catalog."""
    rows: list[dict[str, Any]] = []
    for catalog in CATALOGS:
        with tempfile.TemporaryDirectory() as folder:
            path = tree_of(data, catalog, Path(folder))
            with ItemTree.open(path) as tree:
                assert len(tree) == catalog.size, (catalog, len(tree))
                rows += counted(tree, catalog.told)
        for row in rows[-5:]:
            print(row, flush=True)
    save(
        "tokens",
        QUESTION,
        rows,
        seed=SEED,
        people=PEOPLE,
        prompts=prompt_digests(),
        judge=f"embedded similarity judge, no model; counted with the vocabulary of {MODEL}",
    )


def tree_of(data: Path, catalog: Catalog, folder: Path) -> Path:
    """Return a tree of a catalog: one that is in DATA/trees, or one that is built now."""
    kept = data / "trees" / f"{catalog.kept}.tree"
    if kept.exists():
        return kept
    path = folder / "measured.tree"
    build(items_of(data, catalog), path, BuildOptions(workers=1))
    return path


def items_of(data: Path, catalog: Catalog) -> Iterator[Item]:
    """Return the items of a catalog: all of a set, the first so many by lot, or made-up ones."""
    name, _, size = catalog.kept.partition("-")
    if name == "synthetic":
        return SyntheticCatalog(int(size), 0).items()
    sets = {"mind": "mind-sample", "games": "amazon-games"}
    found = list(read_catalog(find(data, sets.get(name, catalog.kept), "items.jsonl")))
    if len(found) > catalog.size:
        random.Random(SEED).shuffle(found)
    return islice(iter(found), catalog.size)


class Wordy:
    """An estimating judge whose profile is as long as a model's may be.

    The embedded judge's own profile is eight words, which would flatter every later prompt.
    """

    def __init__(self, judge: Any) -> None:
        self._judge = judge
        self.name, self.at_once = judge.name, judge.at_once
        self.goes_by_words = judge.goes_by_words
        self.asks_by_letters = judge.asks_by_letters

    def interests(self, question: HistoryQuestion) -> Interests:
        """Answer with the long profile, at the price of the question."""
        return replace(self._judge.interests(question), interests=INTERESTS)

    def choose(self, question: Question) -> Any:
        """Answer as before."""
        return self._judge.choose(question)

    def windows(self, question: Question) -> Sequence[Question]:
        """Part a question as before."""
        windows: Sequence[Question] = self._judge.windows(question)
        return windows


def counted(tree: ItemTree, told: str) -> list[dict[str, Any]]:
    """Return a row for each way of asking."""
    settings = Settings.resolve({"model": MODEL, "judge": "embedded"})
    judge, writer = Wordy(make_estimating_judge(tree, settings)), make_writer(settings)
    people = histories(tree)
    text, size = catalog_text(tree, writer)
    recommender = Recommender(tree, judge)
    shortlist = Options(walk="retrieve", candidates=SHORTLIST, reorder="none")
    walked = [_walked(recommender, each, Options(), writer) for each in people]
    ranked = [_walked(recommender, each, shortlist, writer) for each in people]
    paper = _paper(tree, writer, people)
    flat, windows = _flat(writer, people, tree, text, size)
    made = {
        "unillmrec, the walk": walked,
        "retrieve and rank": ranked,
        "the paper's scheme": paper,
        "flat listing": flat,
        f"sliding windows {WINDOW}/{STEP}": windows,
    }
    whole = float(np.mean([each["prompt"] + each["completion"] for each in flat]))
    return [{"catalog": told, "way": way, **_row(each, text, whole)} for way, each in made.items()]


def _row(people: Sequence[dict[str, float]], text: int, whole: float) -> dict[str, Any]:
    def mean(name: str) -> float:
        return float(np.mean([each[name] for each in people]))

    total = np.array([[each["prompt"] + each["completion"]] for each in people])
    (billed,) = Bootstrap(len(people), SEED).estimates(total)
    return {
        "calls": round(mean("calls"), 1),
        "profile": _pair(mean("profile"), mean("profile out")),
        "recall": _pair(mean("recall"), mean("recall out")),
        "rank": _pair(mean("rank"), mean("rank out")),
        "input": round(mean("prompt")),
        "output": round(mean("completion")),
        "billed": f"{billed.value:,.0f} [{billed.low:,.0f}, {billed.high:,.0f}]",
        "item text shown / catalog text": f"{mean('item text') / text:.2%}",
        "billed / flat listing": f"{mean('prompt') + mean('completion'):,.0f} / {whole:,.0f}"
        f" = {(mean('prompt') + mean('completion')) / whole:.2%}",
    }


def _pair(read: float, written: float) -> str:
    return f"{read:,.0f} + {written:,.0f}" if read or written else ""


def histories(tree: ItemTree) -> list[tuple[str, ...]]:
    """Return people who met fifty items of a few leaves, whatever the catalog."""
    chance = random.Random(SEED)
    leaves = [leaf for (leaf,) in tree.rows("SELECT id FROM node WHERE leaf = 1 ORDER BY id")]
    people = []
    for _ in range(PEOPLE):
        met: list[str] = []
        while len(met) < HISTORY:
            held = [each.item.id for each in tree.items_in([chance.choice(leaves)])]
            met += [each for each in held if each not in met][: HISTORY // OF_LEAVES]
        chance.shuffle(met)
        people.append(tuple(met[:HISTORY]))
    return people


def catalog_text(tree: ItemTree, writer: PromptWriter) -> tuple[int, int]:
    """Return how many tokens the numbered titles of all items are, and how many items.

    Of a large catalog twenty thousand are counted, drawn by lot, and stand for all.
    """
    numbers = [number for (number,) in tree.rows("SELECT number FROM item ORDER BY number")]
    sample = random.Random(SEED).sample(numbers, min(len(numbers), COUNTED))
    placed = tree.items_numbered(sample)
    count = writer.counter.count
    # Numbers of seven digits are longer than those of four.
    told = [count(f"{number + 1}. {title_of(placed[number].item)}") + 1 for number in sample]
    return round(sum(told) * len(numbers) / len(sample)), len(numbers)


def _walked(
    recommender: Recommender, history: Sequence[str], options: Options, writer: PromptWriter
) -> dict[str, float]:
    asked: list[dict[str, Any]] = []
    made = recommender.recommend(history, options=options, trace=asked.append)
    usage, total = made.usage, made.total_usage()
    told: dict[str, float] = {"calls": total.calls, "prompt": total.estimated_prompt}
    told["completion"] = total.estimated_completion
    for stage in (Stage.PROFILE, Stage.RECALL, Stage.RANK):
        found = usage.get(stage)
        told[str(stage)] = found.estimated_prompt if found else 0
        told[f"{stage} out"] = found.estimated_completion if found else 0
    items = [line for each in asked if each["kind"] in ("pick", "rank") for line in each["choices"]]
    told["item text"] = sum(writer.counter.count(line) + 1 for line in items)
    return told


def _paper(
    tree: ItemTree, writer: PromptWriter, people: Sequence[tuple[str, ...]]
) -> list[dict[str, float]]:
    """Count the paper's scheme; the titles of the leaves it opens are its item text."""
    shown: list[int] = []

    class Counting(PaperScheme):
        def _chosen(self, session: Any, question: Any, vectors: Any) -> list[int]:
            if question[0].startswith("Select"):
                lines = (f"{n}. {line}" for n, line in enumerate(question[2], 1))
                shown[-1] += sum(self._length(line) + 1 for line in lines)
            return super()._chosen(session, question, vectors)

    none = np.zeros(0, np.int64)
    scheme = Counting(tree, writer.counter)
    scheme.learn(Exam(Shelf(()), Known(none, none, 0, 0), ()))
    told = []
    for history in people:
        shown.append(0)
        usage = scheme.answer(Case(0, history), 10).usage
        assert usage is not None
        begun = scheme.begun(history)
        told.append(
            {
                "calls": usage.calls,
                "prompt": usage.estimated_prompt,
                "completion": usage.estimated_completion,
                "profile": begun.estimated_prompt,
                "profile out": begun.estimated_completion,
                "recall": usage.estimated_prompt - begun.estimated_prompt,
                "recall out": usage.estimated_completion - begun.estimated_completion,
                "rank": 0,
                "rank out": 0,
                "item text": shown[-1],
            }
        )
    return told


def _flat(
    writer: PromptWriter,
    people: Sequence[tuple[str, ...]],
    tree: ItemTree,
    text: int,
    size: int,
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Count one prompt with everything, and windows over everything after a profile call."""
    roomy = PromptWriter(writer.prompts, writer.counter, 1 << 40)
    profile = Profile(INTERESTS)
    windows = 1 + math.ceil(max(size - WINDOW, 0) / STEP)
    twenty = tuple(Choice(n, "", n) for n in range(1, WINDOW + 1))
    around = _around(roomy, Question("rank", Stage.RANK, profile, (), 0))
    _, ordered = roomy.estimate(roomy.ask(Question("rank", Stage.RANK, profile, twenty, WINDOW)))
    shown = text / size * WINDOW * windows
    flat, slid = [], []
    for history in people:
        placed = tree.items_with_ids(history)
        titles = [title_of(placed[each].item) for each in history]
        met = Profile((Interest("\n".join(titles), 1.0),))
        whole = _around(roomy, Question("pick", Stage.RECALL, met, (), 10)) + text
        ten = Question("pick", Stage.RECALL, met, twenty[:10], 10)
        _, picked = roomy.estimate(roomy.ask(ten))
        flat.append(_told(1, 0, 0, whole, picked, 0, 0, text))
        lines = tuple(f"- {title}" for title in titles[-30:])
        asked, answered = roomy.estimate(roomy.ask_history(HistoryQuestion(lines)))
        read, written = windows * around + shown, windows * ordered
        slid.append(_told(1 + windows, asked, answered, 0, 0, read, written, shown))
    return flat, slid


def _around(writer: PromptWriter, question: Question) -> int:
    return writer.estimate(writer.ask(question))[0]


def _told(calls: float, *stages: float) -> dict[str, float]:
    """Return the figures of one person: profile, recall, rank, each read and written; item text."""
    names = ("profile", "profile out", "recall", "recall out", "rank", "rank out", "item text")
    told = dict(zip(names, stages, strict=True))
    told["calls"] = calls
    told["prompt"] = told["profile"] + told["recall"] + told["rank"]
    told["completion"] = told["profile out"] + told["recall out"] + told["rank out"]
    return told
