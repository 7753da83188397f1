"""The question that asks for descriptions of sibling nodes, and the protocol of who answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from unillmrec.judge.questions import Choice, Dropped
from unillmrec.usage import Exchange, Stage, Usage


@dataclass(frozen=True, slots=True)
class SiblingsQuestion:
    """Sibling nodes that each need a one-line description.

    *parent* describes the branch they belong to. *others* are the lines of further siblings: they
    get no description, and the new descriptions must differ from them.
    """

    parent: str
    choices: tuple[Choice, ...]
    others: tuple[str, ...] = ()
    stage: Stage = Stage.DESCRIBE
    person: str = ""

    @property
    def about(self) -> str:
        """The parent branch, for the usage log."""
        return self.parent


@dataclass(frozen=True, slots=True)
class Summaries:
    """The descriptions that were written: pairs of a choice's key and its text.

    Siblings without a usable line are missing. *shortened* counts lines that were too long.
    """

    texts: tuple[tuple[int, str], ...]
    shortened: int = 0
    dropped: Dropped = field(default_factory=Dropped)
    usage: Usage = field(default_factory=Usage)
    exchanges: tuple[Exchange, ...] = ()


class Describer(Protocol):
    """Writes descriptions of sibling nodes."""

    @property
    def name(self) -> str:
        """The name that reports show."""

    @property
    def at_once(self) -> int:
        """How many questions can usefully be asked in parallel."""

    def windows(self, question: SiblingsQuestion) -> Sequence[SiblingsQuestion]:
        """Split a question into parts that each fit into one prompt."""

    def summaries(self, question: SiblingsQuestion) -> Summaries:
        """Write a line for each choice.

        Raises:
            EndpointError: the endpoint refused, failed, or could not be reached.
        """
