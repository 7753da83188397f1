"""The state of one recommendation, which every stage gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from unillmrec.judge import Choice, Judge, Question, SimilarityJudge
from unillmrec.stages.asker import Asker, StopReason
from unillmrec.stages.choice_scores import CandidateSource, ChoiceScores
from unillmrec.stages.item_lines import format_item
from unillmrec.stages.options import Options, WalkChoice
from unillmrec.stages.rotation import rotate_question
from unillmrec.store import ROOT, ItemTree, Node, PlacedItem
from unillmrec.store.columns.eligibility import Eligibility

if TYPE_CHECKING:
    from unillmrec.store.columns.selection import Selection
    from unillmrec.tree.descriptions import Description

# Reading a leaf asks nothing where only the nearest items are shown; beyond thirty leaves the
# nearest items hardly change (benchmarks/results/ceiling.json). A judge that costs nothing may
# look further.
LEAVES = 30
FREE_LEAVES = 300
WHOLE_LEAVES = 12


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recalled item, its score between 0 and 100, and how it was found."""

    placed: PlacedItem
    score: float
    found: CandidateSource = "judge"


@dataclass(frozen=True, slots=True)
class WalkStep:
    """One opened node of a walk.

    *opened* is the node, *scores* are those of its *children* by id. *asked* is whether a judge
    gave them. A leaf has neither children nor scores. *waiting* is how many nodes are left on
    the frontier.
    """

    opened: Node
    children: tuple[Node, ...] = ()
    scores: tuple[tuple[int, float], ...] = ()
    asked: bool = False
    waiting: int = 0


@dataclass(slots=True)
class Run:
    """The state of one recommendation: what may be recommended, and how far recall has come.

    *asker* sends the questions. *selection* are the items that match the predicate of `--where`,
    if there is one. *on_step* is called for each opened node. Recall writes down the *walk* it
    chose, why it *ended*, and with *cut* that it stopped asking early to leave part of the budget
    for the ranking.
    """

    tree: ItemTree
    asker: Asker
    options: Options
    selection: Selection | None = None
    on_step: Callable[[WalkStep], None] = lambda step: None
    walk: WalkChoice = field(init=False)
    steps: list[WalkStep] = field(default_factory=list)
    ended: str = ""
    cut: StopReason | Literal[""] = ""
    root: Node = field(init=False)
    eligibility: Eligibility = field(init=False)

    def __post_init__(self) -> None:
        self.eligibility = Eligibility(self.tree, self.selection)
        self.root = self.tree.node(ROOT)
        self.walk = WalkChoice(self.options.walk)

    @property
    def judge(self) -> Judge:
        """The judge that is asked."""
        return self.asker.judge

    @property
    def takes_all(self) -> bool:
        """Whether every eligible item will be a candidate, so that no branch is asked about."""
        return self.eligible(self.root) <= self.options.wanted

    @property
    def most_leaves(self) -> int:
        """How many leaves are read; whole leaves cost a question each."""
        if self.options.shows_whole_leaves:
            return self.options.leaves or WHOLE_LEAVES
        return self.options.leaves or (FREE_LEAVES if self.asker.is_free else LEAVES)

    def exclude(self, items: Iterable[PlacedItem]) -> None:
        """Make *items* ineligible."""
        self.eligibility.exclude((each.number, each.leaf) for each in items)

    def eligible(self, node: Node) -> int:
        """Return how many items below *node* may be recommended."""
        return self.eligibility.count(node)

    def ask(self, questions: Sequence[Question], *, paid: bool = True) -> list[list[ChoiceScores]]:
        """Ask all *questions* in one round; return the scores of each question, by window.

        Questions that do not fit one prompt are split into windows. Without *paid* the fallback
        judge answers.
        """
        windows = [self.windows(question) for question in questions]
        ask = self.asker.ask if paid else self.asker.ask_fallback
        verdicts = iter(ask([window for parts in windows for window in parts]))
        return [[ChoiceScores.of(part, next(verdicts)) for part in parts] for parts in windows]

    def windows(self, question: Question) -> list[Question]:
        """Split a question into parts that fit one prompt each, with rotated choices.

        The limit of a part is at most the number of its choices.
        """
        return [self._rotate(part) for part in self.judge.windows(question)]

    def _rotate(self, question: Question) -> Question:
        choices = rotate_question(question, self.options.seed)
        return replace(question, choices=choices, limit=min(question.limit, len(choices)))

    def description(self, node: Node) -> Description:
        """Return the description of *node*; titles that the predicate rules out are left out."""
        if self.selection is None:
            return node.description
        pairs = zip(node.description.titles, node.description.typical, strict=False)
        selected = [pair for pair in pairs if self.eligibility.selects(pair[1])]
        titles, numbers = zip(*selected, strict=True) if selected else ((), ())
        return replace(node.description, titles=titles, typical=numbers)

    def branch_choices(self, nodes: Sequence[Node]) -> tuple[Choice, ...]:
        """Return numbered choices for *nodes*, each with its number of items.

        The lines are the same for everybody, so that servers can cache prompts that begin with
        them: items count if the predicate selects them, whether or not the person has seen them.
        """
        return tuple(
            Choice(
                number,
                self.description(node).line(self.eligibility.count_selected(node)),
                node.id,
                self._prior(node),
            )
            for number, node in enumerate(nodes, start=1)
        )

    def item_choices(self, items: Sequence[PlacedItem], length: int) -> tuple[Choice, ...]:
        """Return numbered choices for *items*, with lines of at most *length* characters."""
        return tuple(
            Choice(number, format_item(each.item, length), each.number, self._prior(each))
            for number, each in enumerate(items, start=1)
        )

    def _prior(self, each: PlacedItem | Node) -> float | None:
        """Return the popularity of an item or a node, None if the tree has no popularity."""
        return each.prior if self.tree.has_prior else None

    def report(self, step: WalkStep) -> None:
        """Record an opened node, and call *on_step*."""
        self.steps.append(step)
        self.on_step(step)

    def cut_short(self, reason: StopReason) -> None:
        """Record that recall stopped asking, to leave part of the budget for the ranking."""
        self.cut = self.cut or reason


def start_run(
    tree: ItemTree,
    judge: Judge,
    options: Options | None = None,
    selection: Selection | None = None,
    **asking: Any,
) -> Run:
    """Return a new run, in which the embedded judge of *tree* is the fallback of *judge*.

    *asking* are further fields of the `Asker`, such as an *executor* or a *tracker*.
    """
    asker = Asker(judge, SimilarityJudge(tree), **asking)
    return Run(tree, asker, options or Options(), selection)
