"""Registry of the systems under evaluation, by the names that the command line uses.

To add a baseline, write a class with the methods of `contract.System` and add it to `REGISTRY`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from unillmrec.errors import EvaluationError
from unillmrec.evaluation.data.cases import Split
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
from unillmrec.evaluation.systems.unillmrec_system import UnillmrecSystem
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
PSEUDONYMISED = f"{REFERENCE}, made-up titles"
# The embedded judge within the limits of a model: without a model, the estimated tokens belong
# to these lists, not to those of the wider walk that the embedded judge can afford.
WIDTH_LIMITED = f"{REFERENCE}, as for a model"
# How many people stand for all when usage is estimated.
SAMPLED_CASES = 5


@dataclass(frozen=True, slots=True)
class SystemContext:
    """What systems are built from: the tree, the judge, and the prompts.

    *options*, *name* and *remark* (an addition to the note) are for this package's own system.
    Without a model, *width_limited* is a judge within the limits of a model, and *estimating*
    also bills what a model would cost.
    """

    tree: ItemTree
    judge: Judge
    writer: PromptWriter
    options: Options = field(default_factory=Options)
    seed: int = 0
    width_limited: Judge | None = None
    estimating: Judge | None = None
    name: str = REFERENCE
    remark: str = ""

    @classmethod
    def without_model(cls, tree: ItemTree, settings: Settings, seed: int = 0) -> SystemContext:
        """Return a context in which the embedded judge answers and a model's cost is estimated."""
        return cls(
            tree,
            SimilarityJudge(tree),
            build_writer(settings),
            seed=seed,
            width_limited=build_width_limited_judge(tree, settings),
            estimating=build_estimating_judge(tree, settings),
        )

    def build(self, kind: str) -> System:
        """Build the system that is registered as *kind*."""
        return REGISTRY[kind].build(self)


def _unillmrec(context: SystemContext) -> System:
    free = (
        "asks nobody, and looks further than a model is asked to" if context.width_limited else ""
    )
    remark = "; ".join(filter(None, [free, context.remark]))
    recommender = Recommender(context.tree, context.judge)
    return UnillmrecSystem(recommender, context.options, context.name, remark=remark)


def _width_limited(context: SystemContext) -> System:
    assert context.width_limited is not None
    assert context.estimating is not None
    return UnillmrecSystem(
        Recommender(context.tree, context.width_limited),
        context.options,
        WIDTH_LIMITED,
        estimating=Recommender(context.tree, context.estimating),
        remark="walks no further than a model is asked to, prompts are counted and not sent",
    )


def _flat_listing(context: SystemContext) -> System:
    judge = None
    if isinstance(context.judge, LanguageModelJudge):
        # Room for the list itself, the titles of a history, and the text around them.
        writer = context.writer
        judge = context.judge.with_writer(
            PromptWriter(writer.prompts, writer.counter, 2 * FLAT_CEILING)
        )
    return FlatListing(context.tree, context.writer, judge)


def _retrieve_and_rank(context: SystemContext) -> System:
    judge = context.width_limited or context.judge
    return retrieve_and_rank(context.tree, judge, context.estimating)


def _paper_scheme(context: SystemContext) -> System:
    judge = context.judge
    endpoint = judge.endpoint if isinstance(judge, LanguageModelJudge) else None
    return PaperScheme(context.tree, context.writer.counter, endpoint)


@dataclass(frozen=True, slots=True)
class RegisteredSystem:
    """How to build a system, whether it asks a model, and whether it needs nothing but the tree.

    Systems that need only the tree are not given the catalog or the training interactions, and
    can answer different people in different processes.
    """

    build: Callable[[SystemContext], System]
    asks_model: bool = False
    tree_only: bool = False


REGISTRY: dict[str, RegisteredSystem] = {
    "random": RegisteredSystem(lambda context: RandomBaseline(context.seed)),
    "popular": RegisteredSystem(lambda context: MostPopular()),
    "tfidf": RegisteredSystem(lambda context: TfIdf()),
    "bm25": RegisteredSystem(lambda context: Bm25()),
    "vectors": RegisteredSystem(lambda context: FlatVectors(context.tree)),
    "item-knn": RegisteredSystem(lambda context: ItemKnn()),
    "als": RegisteredSystem(lambda context: Als()),
    "flat": RegisteredSystem(_flat_listing, asks_model=True),
    "retrieve": RegisteredSystem(_retrieve_and_rank, asks_model=True, tree_only=True),
    "paper": RegisteredSystem(_paper_scheme, asks_model=True, tree_only=True),
    REFERENCE: RegisteredSystem(_unillmrec, asks_model=True, tree_only=True),
    WIDTH_LIMITED: RegisteredSystem(_width_limited, tree_only=True),
}
SYSTEMS = tuple(kind for kind in REGISTRY if kind != WIDTH_LIMITED)
MODEL_SYSTEMS = frozenset(kind for kind, each in REGISTRY.items() if each.asks_model)


@dataclass(frozen=True, slots=True)
class SystemSpec:
    """A system of an evaluation without a model, before it is built.

    It contains what another process needs to build the same system, but no API key.
    """

    kind: str
    tree: Path
    settings: Settings
    options: Options = field(default_factory=Options)
    seed: int = 0
    name: str = REFERENCE
    remark: str = ""

    @classmethod
    def for_kinds(
        cls, tree: Path, settings: Settings, chosen: Iterable[str] = (), seed: int = 0
    ) -> list[SystemSpec]:
        """Return the specs of the *chosen* systems, or of all; the last one is width-limited.

        Raises:
            EvaluationError: a name is unknown.
        """
        kinds = [*resolve_kinds(chosen), WIDTH_LIMITED]
        return [cls(kind, tree, settings, seed=seed) for kind in kinds]

    def build(self, tree: ItemTree) -> System:
        """Build the system over *tree*, its open tree."""
        context = SystemContext.without_model(tree, self.settings, self.seed)
        named = replace(context, options=self.options, name=self.name, remark=self.remark)
        return named.build(self.kind)

    def to_plain(self) -> dict[str, Any]:
        """Return the spec as plain values for JSON; the request style is already decided."""
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
    def from_plain(cls, plain: dict[str, Any]) -> SystemSpec:
        """Restore a spec from what `to_plain` returned."""
        settings = Settings(
            model=plain["model"],
            prompts=Path(plain["prompts"]) if plain["prompts"] else None,
            ask=plain["ask"],
            concurrency=plain["concurrency"],
        )
        return cls(
            tree=Path(plain["tree"]),
            settings=settings,
            options=Options(**plain["options"]),
            **{name: plain[name] for name in ("kind", "seed", "name", "remark")},
        )


def build_systems(context: SystemContext, chosen: Iterable[str] = ()) -> list[System]:
    """Build the *chosen* systems, or all; this package's own is always included, and last.

    Raises:
        EvaluationError: a name is unknown.
    """
    return [context.build(kind) for kind in resolve_kinds(chosen)]


def resolve_kinds(chosen: Iterable[str] = ()) -> list[str]:
    """Return the *chosen* names, or all, in the order of the registry, this package's own last.

    Raises:
        EvaluationError: a name is unknown.
    """
    wanted = set(chosen) or set(SYSTEMS)
    if unknown := sorted(wanted - set(SYSTEMS)):
        raise EvaluationError(
            f"there is no system {unknown[0]!r}.", remedy=f"some of {', '.join(SYSTEMS)}."
        )
    return [kind for kind in SYSTEMS if kind in wanted | {REFERENCE}]


def estimate_usages(
    context: SystemContext, split: Split, chosen: Iterable[str] = (), at: int = 10
) -> dict[str, list[Usage]]:
    """Estimate the usage of each system that asks a model, for a few people of a split.

    Nothing is sent: *context* must be one without a model.
    """
    sample = replace(split.data, cases=split.data.cases[:SAMPLED_CASES])
    wanted = (set(chosen) or MODEL_SYSTEMS) & MODEL_SYSTEMS | {REFERENCE}
    usages: dict[str, list[Usage]] = {}
    for kind in (kind for kind in SYSTEMS if kind in wanted):
        system = context.build(WIDTH_LIMITED if kind == REFERENCE else kind)
        system.learn(sample)
        if isinstance(system, FlatListing) and system.listed > FLAT_CEILING:
            continue
        usages[kind] = [system.answer(case, at).usage or Usage() for case in sample.cases]
    return usages


def estimate_total_usage(
    context: SystemContext, split: Split, chosen: Iterable[str] = (), at: int = 10
) -> Usage:
    """Estimate the usage of the systems that ask a model, for all people of a split.

    A few people are counted and scaled to all.
    """
    by_kind = estimate_usages(context, split, chosen, at)
    usage = sum((each for usages in by_kind.values() for each in usages), Usage())
    share = len(split.data.cases) / len(by_kind[REFERENCE])
    return Usage(
        round(usage.calls * share),
        None,
        None,
        estimated_prompt=round(usage.estimated_prompt * share),
        estimated_completion=round(usage.estimated_completion * share),
    )
