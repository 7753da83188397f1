"""The question about siblings in the tree: what is in each that is not in the others?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from unillmrec.judge.questions import Choice, Dropped, Exchange
from unillmrec.usage import Stage, Usage


@dataclass(frozen=True, slots=True)
class FamilyQuestion:
    """Siblings to be described in one line each.

    *parent* says what they are all parts of; *others* are lines of further siblings, which
    need no description and are there to be set apart from.
    """

    parent: str
    choices: tuple[Choice, ...]
    others: tuple[str, ...] = ()
    stage: Stage = Stage.DESCRIBE
    person: str = ""

    @property
    def about(self) -> str:
        """The branch they are parts of, for the usage log."""
        return self.parent


@dataclass(frozen=True, slots=True)
class Summaries:
    """What was written about siblings, by the keys of the choices.

    A sibling without a usable line is not in it; *shortened* counts lines that were too long.
    """

    texts: tuple[tuple[int, str], ...]
    shortened: int = 0
    dropped: Dropped = field(default_factory=Dropped)
    usage: Usage = field(default_factory=Usage)
    exchanges: tuple[Exchange, ...] = ()


class Describer(Protocol):
    """Writes descriptions; *at_once* is how many families are worth asking about at a time."""

    @property
    def name(self) -> str:
        """Who writes, for people."""

    @property
    def at_once(self) -> int:
        """How many questions are worth asking at the same time."""

    def windows(self, question: FamilyQuestion) -> Sequence[FamilyQuestion]:
        """Part a question into ones that fit."""

    def summaries(self, question: FamilyQuestion) -> Summaries:
        """Write a line for each choice.

        Raises:
            EndpointError: the endpoint refused, failed, or could not be reached.
        """
