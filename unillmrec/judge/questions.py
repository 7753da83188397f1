"""Closed questions, what answers them, and what an answer is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from unillmrec.budget import BudgetTracker
from unillmrec.errors import UnillmrecError
from unillmrec.usage import Stage, Usage

if TYPE_CHECKING:
    from unillmrec.tree.vectors import Vector

Kind = Literal["choose", "pick", "rank", "rerank"]
"""What is asked: which branches to open, which items to keep, in which order they fit,
in which order they make a varied list. Each is a prompt of the same name."""


@dataclass(frozen=True, slots=True)
class Interest:
    """One thing a person likes, in words, its share of all they like, and its place if known."""

    text: str
    weight: float
    taste: Vector | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a judge is told about a person.

    *taste* is where the person stands among the tree's vectors; None if nothing is known
    that could be placed there.
    """

    interests: tuple[Interest, ...]
    taste: Vector | None = None

    def text(self) -> str:
        """Return the profile as a model reads it, the heaviest interest first."""
        if len(self.interests) == 1:
            return self.interests[0].text
        ordered = sorted(self.interests, key=lambda each: -each.weight)
        return "\n".join(f"- {each.text} ({each.weight:.0%})" for each in ordered)


@dataclass(frozen=True, slots=True)
class Choice:
    """One line a judge may choose; *key* is a node's id or an item's number.

    *prior* is how popular it is, between 0 and 1; None where popularity is not used.
    """

    number: int
    line: str
    key: int
    prior: float | None = None


def numbered(choices: Iterable[Choice]) -> tuple[Choice, ...]:
    """Return *choices* with the numbers of their places, from one."""
    return tuple(
        each if each.number == number else Choice(number, each.line, each.key, each.prior)
        for number, each in enumerate(choices, start=1)
    )


@dataclass(frozen=True, slots=True)
class Question:
    """A closed question: how well does each of these choices fit the person?

    *limit* is how many are wanted. *where* is the path of labels that led here, *node* the
    branch whose children they are. *purse* is what asking is paid from, if there is a budget;
    *person* is a label for the usage log.
    """

    kind: Kind
    stage: Stage
    profile: Profile
    choices: tuple[Choice, ...]
    limit: int
    where: str = ""
    tracker: BudgetTracker | None = field(default=None, compare=False, repr=False)
    node: int | None = field(default=None, compare=False)
    person: str = field(default="", compare=False, repr=False)

    @property
    def about(self) -> str:
        """The branch that is asked about, by number and label, for the usage log."""
        return "" if self.node is None else f"{self.node} {self.where}".strip()

    @property
    def about_nodes(self) -> bool:
        """Whether the choices are nodes; otherwise they are items."""
        return self.kind == "choose"

    @property
    def wants_order(self) -> bool:
        """Whether the answer is an order of all choices rather than scores of some."""
        return self.kind in ("rank", "rerank")


@dataclass(frozen=True, slots=True)
class HistoryQuestion:
    """What does a person like who met these items, oldest first?

    *words* are the terms that weigh most in the history's vectors.
    """

    lines: tuple[str, ...]
    words: tuple[str, ...] = ()
    stage: Stage = Stage.PROFILE
    tracker: BudgetTracker | None = field(default=None, compare=False, repr=False)
    person: str = field(default="", compare=False, repr=False)

    @property
    def about(self) -> str:
        """No branch."""
        return ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """What had to be thrown away or made up for to make sense of answers."""

    invented: int = 0
    repeated: int = 0
    left_out: int = 0
    asked_again: int = 0
    fallbacks: int = 0

    def __add__(self, other: Dropped) -> Dropped:
        return Dropped(
            self.invented + other.invented,
            self.repeated + other.repeated,
            self.left_out + other.left_out,
            self.asked_again + other.asked_again,
            self.fallbacks + other.fallbacks,
        )

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call as the trace keeps it: what was sent, what came back.

    *error* says why nothing did. *off_labels* is the probability of whatever was no label, where
    the probabilities of labels were asked for.
    """

    messages: tuple[tuple[str, str], ...]
    reply: str
    usage: Usage
    asked_with: str = ""
    finish: str | None = None
    model: str | None = None
    seconds: float = 0.0
    error: str = ""
    off_labels: float | None = None


def keep_exchanges(error: UnillmrecError, exchanges: Sequence[Exchange]) -> None:
    """Let an error that ends a question carry the calls that were made for it."""
    # Errors are below this package and know no exchanges; whatever raised it, it has a place.
    vars(error)["exchanges"] = tuple(exchanges)


def kept_exchanges(error: UnillmrecError) -> tuple[Exchange, ...]:
    """Return the calls that were made before and when a question ended in *error*."""
    kept: tuple[Exchange, ...] = vars(error).get("exchanges", ())
    return kept


@dataclass(frozen=True, slots=True)
class Verdict:
    """The choices' scores between 0 and 100, best first; a choice left out is not in it.

    *shares* are the choices' probabilities, where the judge gives any: they sum to at most
    one, and what is missing lies beside the choices. *stand_in* is who answered in the
    judge's place, if somebody had to.
    """

    scores: tuple[tuple[int, float], ...]
    dropped: Dropped = field(default_factory=Dropped)
    usage: Usage = field(default_factory=Usage)
    exchanges: tuple[Exchange, ...] = ()
    stand_in: str = ""
    shares: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Interests:
    """What a judge made of a history; *stand_in* is as in `Verdict`."""

    interests: tuple[Interest, ...]
    dropped: Dropped = field(default_factory=Dropped)
    usage: Usage = field(default_factory=Usage)
    exchanges: tuple[Exchange, ...] = ()
    stand_in: str = ""


class Judge(Protocol):
    """Answers closed questions. Stages know nothing else about who does.

    *name* stands in every output the judge touched; *at_once* is how many questions are
    worth asking at the same time. A judge that *goes_by_words* can do without a taste; one that
    *asks_by_letters* tells branches apart in one token, and its scores by their shares.
    """

    @property
    def name(self) -> str:
        """Who answers, for people."""

    @property
    def at_once(self) -> int:
        """How many questions are worth asking at the same time."""

    @property
    def works_without_vector(self) -> bool:
        """Whether the profile's words are enough, without a place among the vectors."""

    @property
    def asks_by_letters(self) -> bool:
        """Whether the next short list of branches is asked about in one token."""

    def interests(self, question: HistoryQuestion) -> Interests:
        """Say what a person likes."""

    def choose(self, question: Question) -> Verdict:
        """Score the choices."""

    def windows(self, question: Question) -> Sequence[Question]:
        """Part a question into ones that fit; their choices keep their numbers' order."""
