"""The closed questions that stages ask, the answers to them, and the `Judge` protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from unillmrec.usage import Exchange, Stage, Usage

if TYPE_CHECKING:
    from unillmrec.budget import BudgetTracker
    from unillmrec.tree.vectors import Vector

QuestionKind = Literal["choose", "pick", "rank", "rerank"]
"""The task of a question: choose branches to open, pick items to keep, rank items by fit, or
rerank them into a varied list. Each kind has a prompt of the same name."""


@dataclass(frozen=True, slots=True)
class Interest:
    """One thing a person likes: a phrase, its share of all interests, and its vector if known."""

    text: str
    weight: float
    vector: Vector | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a judge knows about a person: weighted interests, and a vector.

    *vector* locates the person among the vectors of the tree. It is None where nothing known
    about the person has a vector.
    """

    interests: tuple[Interest, ...]
    vector: Vector | None = None

    def text(self) -> str:
        """Return the profile as prompts contain it, the heaviest interest first."""
        if len(self.interests) == 1:
            return self.interests[0].text
        ordered = sorted(self.interests, key=lambda each: -each.weight)
        return "\n".join(f"- {each.text} ({each.weight:.0%})" for each in ordered)


@dataclass(frozen=True, slots=True)
class Choice:
    """One numbered line that a judge may choose.

    *key* is the id of a node or the number of an item. *prior* is its popularity between 0 and
    1, or None where popularity is not used.
    """

    number: int
    line: str
    key: int
    prior: float | None = None


def number_choices(choices: Iterable[Choice]) -> tuple[Choice, ...]:
    """Return *choices* numbered from one in their order."""
    return tuple(
        each if each.number == number else Choice(number, each.line, each.key, each.prior)
        for number, each in enumerate(choices, start=1)
    )


@dataclass(frozen=True, slots=True)
class Question:
    """A closed question: how well does each of these choices fit the person?

    *limit* is how many choices are wanted. *where* is the label of the branch the choices belong
    to, *node* its id. *tracker* is the budget that pays for the answer, if there is one. *person*
    is a label for the usage log.
    """

    kind: QuestionKind
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
        """The id and label of the branch, for the usage log."""
        return "" if self.node is None else f"{self.node} {self.where}".strip()

    @property
    def about_nodes(self) -> bool:
        """Whether the choices are nodes; otherwise they are items."""
        return self.kind == "choose"

    @property
    def wants_order(self) -> bool:
        """Whether the answer is an order of the choices; otherwise it is a score for each."""
        return self.kind in ("rank", "rerank")


@dataclass(frozen=True, slots=True)
class HistoryQuestion:
    """The profile question: what does a person like who has these items in the history?

    *lines* are the items, oldest first. *words* are the terms with the highest weights in the
    vectors of the history.
    """

    lines: tuple[str, ...]
    words: tuple[str, ...] = ()
    stage: Stage = Stage.PROFILE
    tracker: BudgetTracker | None = field(default=None, compare=False, repr=False)
    person: str = field(default="", compare=False, repr=False)

    @property
    def about(self) -> str:
        """Empty: a history belongs to no branch."""
        return ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Counts of the mistakes in replies, and of the repeated or replaced answers they caused.

    *invented* choices were not on the list, *repeated* ones were named twice, *left_out* ones
    were missing. *asked_again* counts second attempts, *fallbacks* answers of a fallback judge.
    *uninformative* counts the questions that got a reply without information about the person.
    """

    invented: int = 0
    repeated: int = 0
    left_out: int = 0
    asked_again: int = 0
    fallbacks: int = 0
    uninformative: int = 0

    def __add__(self, other: Dropped) -> Dropped:
        return Dropped(
            self.invented + other.invented,
            self.repeated + other.repeated,
            self.left_out + other.left_out,
            self.asked_again + other.asked_again,
            self.fallbacks + other.fallbacks,
            self.uninformative + other.uninformative,
        )

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name; results show *uninformative* in a field of its own."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "uninformative"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's answer: pairs of a choice's number and its score (0 to 100), best first.

    Choices the judge left out are missing from *scores*. *shares* are the probabilities of the
    choices, from judges that give them; their sum is at most one, and the rest is the probability
    of anything else. *fallback* names the judge that answered instead, or is empty.
    """

    scores: tuple[tuple[int, float], ...]
    dropped: Dropped = field(default_factory=Dropped)
    usage: Usage = field(default_factory=Usage)
    exchanges: tuple[Exchange, ...] = ()
    fallback: str = ""
    shares: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Interests:
    """The interests a judge found in a history; *fallback* is the same as in `Verdict`."""

    interests: tuple[Interest, ...]
    dropped: Dropped = field(default_factory=Dropped)
    usage: Usage = field(default_factory=Usage)
    exchanges: tuple[Exchange, ...] = ()
    fallback: str = ""


class Judge(Protocol):
    """Answers closed questions. This is all that stages know about who answers.

    A new judge implements this protocol and gets a name in `unillmrec.judge.registry`.
    """

    @property
    def name(self) -> str:
        """The name that every result shows."""

    @property
    def at_once(self) -> int:
        """How many questions can usefully be asked in parallel."""

    @property
    def works_without_vector(self) -> bool:
        """Whether the text of a profile is enough, without its vector."""

    @property
    def asks_by_letters(self) -> bool:
        """Whether the next short question about branches is answered by one letter.

        The scores of such an answer follow from the probabilities of the letters.
        """

    def interests(self, question: HistoryQuestion) -> Interests:
        """Return the interests of a person."""

    def choose(self, question: Question) -> Verdict:
        """Return a score for each choice that fits."""

    def windows(self, question: Question) -> Sequence[Question]:
        """Split a question into parts that each fit into one prompt, in the same order."""
