"""How many tokens does a recommendation cost, against catalog size?"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import find
from benchmarks.results import save
from benchmarks.synthetic import SyntheticCatalog
from unillmrec import BuildOptions, Item, ItemTree, Options, Recommender, build, read_catalog
from unillmrec.evaluation.data.cases import (
    EvaluationCase,
    EvaluationData,
    ItemIndex,
    TrainingInteractions,
)
from unillmrec.evaluation.statistics import Bootstrap, Estimate
from unillmrec.evaluation.systems.model_baselines import HISTORY, SHORTLIST, one_line_title
from unillmrec.evaluation.systems.paper import PaperScheme, levels_over_leaves
from unillmrec.judge import HistoryQuestion, Interest, Interests, Profile, Question, Verdict
from unillmrec.judge.from_settings import build_writer
from unillmrec.judge.prompting.prompt_writer import PromptWriter
from unillmrec.judge.registry import build_estimating_judge
from unillmrec.settings import Settings
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Stage, Usage

QUESTION = __doc__.partition("\n")[0]
MODEL = "gpt-4o"
SEED = 42
PEOPLE = 50
OF_LEAVES = 5
LIMIT = 10
# The published window: twenty lines, ten of which are seen again with the next ten.
WINDOW, STEP = 20, 10
# How deep the tree of the paper's scheme may be.
LEVELS = (2, 3)
# As many titles as the chain's own profile stage shows.
PROFILED = 30
# As long as the profile prompt allows: five interests of twelve words.
INTEREST = "quiet stories of long journeys by sea told in the first person"
INTERESTS = tuple(Interest(INTEREST, 0.2) for _ in range(5))
SCORE = 80
MIXED = 288_923
# How many lines are counted at once; so many are a text that is worth no cache.
BLOCK = 1_000
STAGES = (Stage.PROFILE, Stage.RECALL, Stage.RANK)
WALK, RETRIEVE, PAPER = "unillmrec, the walk", "retrieve and rank", "the paper's scheme"
FLAT, WINDOWS = "flat listing", f"sliding windows {WINDOW}/{STEP}"


@dataclass(frozen=True, slots=True)
class Catalog:
    """A catalog of one size, and its origin."""

    label: str
    source: str
    size: int


CATALOGS = (
    Catalog("1,217 news (of MIND)", "mind-sample", 1_217),
    Catalog("6,176 games (of Amazon)", "amazon-games", 6_176),
    Catalog("12,101 beauty products", "amazon-beauty", 12_101),
    Catalog("100,000 made up", "synthetic", 100_000),
    Catalog("288,923 mixed", "catalog-mixed", MIXED),
    Catalog("1,000,000 made up", "synthetic", 1_000_000),
)


def run(data: Path) -> None:
    """Count each system on each catalog."""
    rows: list[dict[str, Any]] = []
    for catalog in CATALOGS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "measured.tree"
            build(items_of(data, catalog), path, BuildOptions())
            with ItemTree.open(path) as tree:
                assert len(tree) == catalog.size, (catalog, len(tree))
                made = counted(tree, catalog.label)
        print(*made, sep="\n", flush=True)
        rows += made
    save(
        "tokens",
        QUESTION,
        rows,
        seed=SEED,
        people=PEOPLE,
        judge=f"embedded similarity judge, no model; counted with the vocabulary of {MODEL}",
    )


def items_of(data: Path, catalog: Catalog) -> Iterator[Item]:
    """Return the items of a catalog: a whole set, a random sample of it, or generated items."""
    if catalog.source == "synthetic":
        return SyntheticCatalog(catalog.size, 0).items()
    found = list(read_catalog(find(data, catalog.source, "items.jsonl")))
    if len(found) > catalog.size:
        random.Random(SEED).shuffle(found)
    return islice(iter(found), catalog.size)


class Spoken:
    """An estimating judge whose answers are as long as a model's may be.

    The embedded judge's own profile has eight words, which would flatter every later prompt.
    *shown* collects the lines to choose from.
    """

    def __init__(self, judge: Any, writer: PromptWriter) -> None:
        self._judge = judge
        self._writer = writer
        self.name, self.at_once = judge.name, judge.at_once
        self.works_without_vector = judge.works_without_vector
        self.asks_by_letters = judge.asks_by_letters
        self.shown: list[int] = []

    def interests(self, question: HistoryQuestion) -> Interests:
        """Answer with the long profile, at the price of the question."""
        found = self._judge.interests(question)
        usage = self._billed(found.usage, profile_json())
        return replace(found, interests=INTERESTS, usage=usage)

    def choose(self, question: Question) -> Verdict:
        """Answer as the estimating judge; every branch is named in the answer."""
        verdict: Verdict = self._judge.choose(question)
        listed = "".join(f"{self._writer.line(choice)}\n" for choice in question.choices)
        self.shown.append(self._writer.counter.count(listed))
        numbers = [choice.number for choice in question.choices]
        named = order_json if question.wants_order else picks_json
        answer = named(numbers if question.wants_order else numbers[: question.limit])
        return replace(verdict, usage=self._billed(verdict.usage, answer))

    def windows(self, question: Question) -> Sequence[Question]:
        """Split a question as the estimating judge does."""
        windows: Sequence[Question] = self._judge.windows(question)
        return windows

    def _billed(self, usage: Usage, answer: str) -> Usage:
        return replace(usage, estimated_completion=self._writer.counter.count(answer))


def picks_json(numbers: Iterable[int]) -> str:
    """Return an answer that scores this many choices."""
    return json.dumps({"picks": [{"number": each, "score": SCORE} for each in numbers]})


def order_json(numbers: Iterable[int]) -> str:
    """Return an answer that orders this many choices."""
    return json.dumps({"order": list(numbers)})


def profile_json() -> str:
    """Return an answer that names the interests."""
    interests = [{"interest": each.text, "weight": round(100 * each.weight)} for each in INTERESTS]
    return json.dumps({"interests": interests})


@dataclass(frozen=True, slots=True)
class Titles:
    """Token counts of all titles as numbered lines, in one list and in windows.

    Lines of a window are numbered from one, which is shorter than a number among a million.
    """

    size: int
    through: int
    windows: int
    in_windows: int

    @classmethod
    def of(cls, tree: ItemTree, counter: TokenCounter) -> Titles:
        """Count every line of the catalog, line ends included."""
        rows = tree.rows("SELECT id, title FROM item ORDER BY number")
        titles = [one_line_title(Item(*row)) for row in rows]
        size = len(titles)

        def unnumbered(begin: int, end: int) -> int:
            return counter.count("".join(f". {line}\n" for line in titles[begin:end]))

        blocks = range(0, size, BLOCK)
        bare = sum(unnumbered(begin, begin + BLOCK) for begin in blocks)
        # Numbers of as many digits are as many tokens.
        tens = [10**power for power in range(len(str(size)))]
        numbers = sum(counter.count(str(ten)) * (min(size + 1, 10 * ten) - ten) for ten in tens)
        steps = -(-size // STEP)
        if size <= WINDOW:
            return cls(size, bare + numbers, 1, bare + size)
        # All lines are seen twice but those of the first step and of the last. Each number of a
        # window is one token.
        last = (steps - 1) * STEP
        once = unnumbered(0, STEP) + STEP + unnumbered(last, size) + size - last
        return cls(size, bare + numbers, steps - 1, 2 * (bare + size) - once)


def counted(tree: ItemTree, label: str) -> list[dict[str, Any]]:
    """Return one row per system."""
    settings = Settings.resolve({"model": MODEL, "judge": "embedded"})
    writer = build_writer(settings)
    judge = Spoken(build_estimating_judge(tree, settings), writer)
    people = histories(tree)
    titles = Titles.of(tree, writer.counter)
    recommender = Recommender(tree, judge)
    shortlist = Options(walk="retrieve", candidates=SHORTLIST, reorder="none", limit=LIMIT)
    unbound = PromptWriter(writer.prompts, writer.counter, 1 << 40)
    met = [_titles_met(tree, each) for each in people]
    made = {
        WALK: [_walked(recommender, judge, each, Options(limit=LIMIT)) for each in people],
        RETRIEVE: [_walked(recommender, judge, each, shortlist) for each in people],
        PAPER: _paper(tree, writer.counter, people),
        FLAT: [_flat(unbound, each, titles) for each in met],
        WINDOWS: [_windows(unbound, each, titles) for each in met],
    }
    flat = [each.billed for each in made[FLAT]]
    return [
        {"catalog": label, "way": way, "people": len(spent), **_row(spent, titles, flat)}
        for way, spent in made.items()
    ]


@dataclass(frozen=True, slots=True)
class Spent:
    """What one recommendation costs: calls, tokens by stage, lines to choose from."""

    calls: int
    stages: tuple[tuple[int, int], ...]
    shown: int

    @property
    def billed(self) -> int:
        """All tokens read and written."""
        return sum(map(sum, self.stages))


def _row(people: Sequence[Spent], titles: Titles, flat: Sequence[int]) -> dict[str, Any]:
    stages = np.array([each.stages for each in people])
    read, written = map(round, stages.sum(axis=1).mean(axis=0).tolist())
    billed = np.array([each.billed for each in people], float)
    shown = np.array([each.shown / titles.through for each in people])
    bootstrap = Bootstrap(len(people), SEED)
    interval, share = bootstrap.estimates(np.column_stack([billed, shown]))
    calls = np.mean([each.calls for each in people])
    pairs = zip(STAGES, stages.mean(axis=0).tolist(), strict=True)
    return {
        "calls": int(calls) if calls.is_integer() else round(float(calls), 1),
        **{str(stage): _pair(*pair) for stage, pair in pairs},
        "input": read,
        "output": written,
        # The sum of what stands beside it, and the only one: tables and plots take it from here.
        "billed": f"{read + written:,} [{interval.low:,.0f}, {interval.high:,.0f}]",
        "item text shown / catalog text": _share(share),
        "billed / flat listing": _share(bootstrap.ratio(billed, np.array(flat, float))),
    }


def _pair(read: float, written: float) -> str:
    return f"{read:,.0f} + {written:,.0f}" if read or written else ""


def _share(share: Estimate) -> str:
    """Return a share in percent, with its interval if people differ."""
    value, low, high = (f"{100 * (each or 0):.3g}" for each in (share.value, share.low, share.high))
    return f"{value} %" if low == high else f"{value} % [{low}, {high}]"


def histories(tree: ItemTree) -> list[tuple[str, ...]]:
    """Return people with fifty items from a few leaves."""
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


def _titles_met(tree: ItemTree, history: Sequence[str]) -> list[str]:
    placed = tree.items_by_id(history)
    return [one_line_title(placed[each].item) for each in history]


def _walked(
    recommender: Recommender, judge: Spoken, history: Sequence[str], options: Options
) -> Spent:
    judge.shown.clear()
    made = recommender.recommend(history, options=options)
    usage = [made.usage.get(stage, Usage()) for stage in STAGES]
    stages = tuple((each.estimated_prompt, each.estimated_completion) for each in usage)
    return Spent(made.total_usage().calls, stages, sum(judge.shown))


def _paper(tree: ItemTree, counter: TokenCounter, people: Sequence[tuple[str, ...]]) -> list[Spent]:
    """Count the paper's scheme with the cheapest number of levels.

    The labels of branches and the titles of leaves are its lines.
    """
    shown: list[int] = []

    class Counting(PaperScheme):
        def _choose(self, search: Any, question: Any) -> list[int]:
            listed = "".join(f"{n}. {line}\n" for n, line in enumerate(question.lines, 1))
            shown.append(counter.count(listed))
            return super()._choose(search, question)

    def searched(history: tuple[str, ...]) -> Spent:
        shown.clear()
        usage = scheme.answer(EvaluationCase(0, history), LIMIT).usage
        profile_usage = scheme.profile_usage(history)
        assert usage is not None
        profile = profile_usage.estimated_prompt, profile_usage.estimated_completion
        search = (
            usage.estimated_prompt - profile_usage.estimated_prompt,
            usage.estimated_completion - profile_usage.estimated_completion,
        )
        return Spent(usage.calls, (profile, search, (0, 0)), sum(shown))

    none = np.zeros(0, np.int64)
    scheme = Counting(tree, counter)
    scheme.learn(EvaluationData(ItemIndex(()), TrainingInteractions(none, none, 0, 0), ()))
    made = []
    for levels in LEVELS:
        scheme.groups = levels_over_leaves(tree, levels)
        made.append([searched(each) for each in people])
    return min(made, key=lambda spent: sum(each.billed for each in spent))


def _flat(writer: PromptWriter, met: Sequence[str], titles: Titles) -> Spent:
    """Count one prompt with the titles of the history and of the whole catalog."""
    likes = Profile((Interest("\n".join(met), 1.0),))
    around, _ = writer.estimate(writer.request(Question("pick", Stage.RECALL, likes, (), LIMIT)))
    numbers = random.Random(SEED).sample(range(1, titles.size + 1), LIMIT)
    picked = writer.counter.count(picks_json(numbers))
    return Spent(1, ((0, 0), (around + titles.through, picked), (0, 0)), titles.through)


def _windows(writer: PromptWriter, met: Sequence[str], titles: Titles) -> Spent:
    """Count a profile call, and windows over the whole catalog with the profile."""
    lines = tuple(f"- {title}" for title in met[-PROFILED:])
    asked, _ = writer.estimate(writer.history_request(HistoryQuestion(lines)))
    question = Question("rank", Stage.RANK, Profile(INTERESTS), (), 0)
    around, _ = writer.estimate(writer.request(question))
    answered = writer.counter.count(profile_json())
    ordered = writer.counter.count(order_json(range(1, WINDOW + 1)))
    rank = titles.windows * around + titles.in_windows, titles.windows * ordered
    return Spent(1 + titles.windows, ((asked, answered), (0, 0), rank), titles.in_windows)
