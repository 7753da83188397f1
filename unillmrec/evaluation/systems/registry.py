"""The systems of a comparison, by the names that a command line gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from unillmrec.errors import EvaluationError
from unillmrec.evaluation.data.exam import Split
from unillmrec.evaluation.systems.chain import Chain
from unillmrec.evaluation.systems.content import (
    Bm25,
    FlatVectors,
    MostPopular,
    RandomBaseline,
    TfIdf,
)
from unillmrec.evaluation.systems.contract import System
from unillmrec.evaluation.systems.model_baselines import (
    FLAT_CEILING,
    FlatListing,
    retrieve_and_rank,
)
from unillmrec.evaluation.systems.paper import PaperScheme
from unillmrec.evaluation.systems.trained import Als, ItemKnn
from unillmrec.judge import Judge, LanguageModelJudge, SimilarityJudge
from unillmrec.judge.from_settings import build_writer, uses_letters
from unillmrec.judge.prompting.prompt_writer import PromptWriter
from unillmrec.judge.registry import build_estimating_judge, build_width_limited_judge
from unillmrec.recommending.recommender import Recommender
from unillmrec.settings import Settings
from unillmrec.stages import Options
from unillmrec.store import ItemTree
from unillmrec.usage import Usage

REFERENCE = "unillmrec"
MADE_UP = f"{REFERENCE}, made-up titles"
# The chain with the embedded judge within the limits of a model, where no model is asked: what
# it finds belongs to the tokens beside it, and what a wider walk finds does not.
PACED = f"{REFERENCE}, as for a model"


@dataclass(frozen=True, slots=True)
class Means:
    """What systems are made from: the tree, who answers, how prompts are written and counted.

    *options* are those of the chain, *name* is what it is called in tables, and *remark* what is
    to be said of it there. Where no model is asked, *paced* answers within a model's limits, and
    *counting* bills what asking one would cost besides.
    """

    tree: ItemTree
    judge: Judge
    writer: PromptWriter
    options: Options = field(default_factory=Options)
    seed: int = 0
    paced: Judge | None = None
    counting: Judge | None = None
    name: str = REFERENCE
    remark: str = ""

    @classmethod
    def without_model(cls, tree: ItemTree, settings: Settings, seed: int = 0) -> Means:
        """Return those of an evaluation in which no model is asked; asking it is counted."""
        return cls(
            tree,
            SimilarityJudge(tree),
            build_writer(settings),
            seed=seed,
            paced=build_width_limited_judge(tree, settings),
            counting=build_estimating_judge(tree, settings),
        )

    def chain(self) -> Chain:
        """Make this package's own chain; where its judge is no model, it asks nobody."""
        free = "asks nobody, and looks further than a model is asked to" if self.paced else ""
        remark = "; ".join(filter(None, [free, self.remark]))
        recommender = Recommender(self.tree, self.judge)
        return Chain(recommender, self.options, self.name, remark=remark)

    def paced_chain(self) -> Chain:
        """Make the same with the limits that a model's walk has, and the bill of that walk."""
        assert self.paced is not None
        assert self.counting is not None
        walking, counting = (Recommender(self.tree, each) for each in (self.paced, self.counting))
        remark = "walks no further than a model is asked to, prompts are counted and not sent"
        return Chain(walking, self.options, PACED, counting=counting, remark=remark)

    def flat(self) -> FlatListing:
        """Make the listing of everything, with room for a long prompt."""
        judge = None
        if isinstance(self.judge, LanguageModelJudge):
            # The list itself, the titles of a history, and what is said around them.
            roomy = PromptWriter(self.writer.prompts, self.writer.counter, 2 * FLAT_CEILING)
            judge = self.judge.with_writer(roomy)
        return FlatListing(self.tree, self.writer, judge)

    def retrieve(self) -> Chain:
        """Make the shortlist by vectors."""
        return retrieve_and_rank(self.tree, self.paced or self.judge, self.counting)

    def paper(self) -> PaperScheme:
        """Make the scheme of the paper."""
        asked = self.judge.endpoint if isinstance(self.judge, LanguageModelJudge) else None
        return PaperScheme(self.tree, self.writer.counter, asked)


_MAKERS: dict[str, Callable[[Means], System]] = {
    "random": lambda means: RandomBaseline(means.seed),
    "popular": lambda means: MostPopular(),
    "tfidf": lambda means: TfIdf(),
    "bm25": lambda means: Bm25(),
    "vectors": lambda means: FlatVectors(means.tree),
    "item-knn": lambda means: ItemKnn(),
    "als": lambda means: Als(),
    "flat": lambda means: means.flat(),
    "retrieve": lambda means: means.retrieve(),
    "paper": lambda means: means.paper(),
    REFERENCE: lambda means: means.chain(),
    PACED: lambda means: means.paced_chain(),
}
SYSTEMS = tuple(kind for kind in _MAKERS if kind != PACED)
ASKING = frozenset({"flat", "retrieve", "paper", REFERENCE})
# These take in nothing of an exam.
TREE_ALONE = frozenset({"retrieve", "paper", REFERENCE, PACED})
EXPECTED_FROM = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One system of a comparison in which no model is asked, before it is made.

    It holds what another process needs to make the same one, and no key.
    """

    kind: str
    tree: Path
    settings: Settings
    options: Options = field(default_factory=Options)
    seed: int = 0
    name: str = REFERENCE
    remark: str = ""

    @classmethod
    def of_all(
        cls, tree: Path, settings: Settings, chosen: Iterable[str] = (), seed: int = 0
    ) -> list[Entry]:
        """Return the entries of the *chosen* systems, or of all; the chain is there in two widths.

        Raises:
            EvaluationError: a name is that of no system.
        """
        return [cls(kind, tree, settings, seed=seed) for kind in [*kinds_of(chosen), PACED]]

    def made(self, tree: ItemTree) -> System:
        """Make the system over its tree, which is open."""
        means = Means.without_model(tree, self.settings, self.seed)
        named = replace(means, options=self.options, name=self.name, remark=self.remark)
        return _MAKERS[self.kind](named)

    def told(self) -> dict[str, Any]:
        """Return the entry as JSON has it, how a model would be asked already decided."""
        settings = self.settings
        return {
            "kind": self.kind,
            "tree": str(self.tree.resolve()),
            "model": settings.model,
            "prompts": str(settings.prompts.resolve()) if settings.prompts else None,
            "ask": "labels" if uses_letters(settings) else "text",
            "concurrency": settings.concurrency,
            "options": asdict(self.options),
            "seed": self.seed,
            "name": self.name,
            "remark": self.remark,
        }

    @classmethod
    def read(cls, told: dict[str, Any]) -> Entry:
        """Return what `told` has told."""
        settings = Settings(
            model=told["model"],
            prompts=Path(told["prompts"]) if told["prompts"] else None,
            ask=told["ask"],
            concurrency=told["concurrency"],
        )
        same = {name: told[name] for name in ("kind", "seed", "name", "remark")}
        where, options = Path(told["tree"]), Options(**told["options"])
        return cls(tree=where, settings=settings, options=options, **same)


def make_systems(means: Means, chosen: Iterable[str] = ()) -> list[System]:
    """Make the *chosen* systems, or all; this chain is always among them, and last.

    Raises:
        EvaluationError: a name is that of no system.
    """
    return [_MAKERS[kind](means) for kind in kinds_of(chosen)]


def kinds_of(chosen: Iterable[str] = ()) -> list[str]:
    """Return the names of the *chosen* systems, or all; this chain is always among them, and last.

    Raises:
        EvaluationError: a name is that of no system.
    """
    wanted = set(chosen) or set(SYSTEMS)
    if unknown := sorted(wanted - set(SYSTEMS)):
        raise EvaluationError(
            f"there is no system {unknown[0]!r}.", remedy=f"some of {', '.join(SYSTEMS)}."
        )
    return [kind for kind in SYSTEMS if kind in wanted | {REFERENCE}]


def expected(
    means: Means, split: Split, chosen: Iterable[str] = (), at: int = 10
) -> dict[str, list[Usage]]:
    """Return about what each system that asks a model will take for some people of a split.

    Nothing is sent: *means* holds a judge that is no model, and one that counts.
    """
    some = replace(split.exam, cases=split.exam.cases[:EXPECTED_FROM])
    # Without a name all systems are made, and the chain always is.
    names = [name for name in SYSTEMS if name in (set(chosen) or ASKING) & ASKING | {REFERENCE}]
    usages: dict[str, list[Usage]] = {}
    for name in names:
        system = _MAKERS[PACED if name == REFERENCE else name](means)
        system.learn(some)
        if isinstance(system, FlatListing) and system.listed > FLAT_CEILING:
            continue
        usages[name] = [system.answer(case, at).usage or Usage() for case in some.cases]
    return usages


def expected_usage(means: Means, split: Split, chosen: Iterable[str] = (), at: int = 10) -> Usage:
    """Return about what the systems that ask a model will take for all people of a split.

    A few people are counted, and stand for all.
    """
    by_system = expected(means, split, chosen, at)
    usage = sum((each for usages in by_system.values() for each in usages), Usage())
    share = len(split.exam.cases) / len(by_system[REFERENCE])
    return Usage(
        round(usage.calls * share),
        None,
        None,
        estimated_prompt=round(usage.estimated_prompt * share),
        estimated_completion=round(usage.estimated_completion * share),
    )
