"""The result of a recommendation: items in order, a reason for each, and the cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from unillmrec.stages import WalkChoice, WalkStep
from unillmrec.usage import Stage, Usage

if TYPE_CHECKING:
    from unillmrec.items import Item
    from unillmrec.judge import Dropped, Profile
    from unillmrec.stages.asker import StopReason
    from unillmrec.stages.choice_scores import CandidateSource

BEST_FIRST = WalkChoice("best-first")


@dataclass(frozen=True, slots=True)
class RecommendedItem:
    """An item of the list, the reason for it, and how recall found it."""

    item: Item
    place: int
    score: float
    reason: str
    branch: str
    found: CandidateSource

    def as_dict(self) -> dict[str, Any]:
        """Return the item as in the JSON output."""
        return {
            "place": self.place,
            "id": self.item.id,
            "title": self.item.title,
            "score": round(self.score, 2),
            "reason": self.reason,
            "branch": self.branch,
            "found": self.found,
        }


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Items in order, with reasons, and what the recommendation cost.

    *opened* are the steps of the walk, *candidates* the ids that recall found. *excluded* counts
    items that were ruled out, *eligible* those that could be recommended; *where* is the
    predicate that selected them, and *unknown* are ids to exclude that are not in the tree.
    *walk* is the order of the walk, *ended* why it ended, *waits* how often each stage waited
    for answers.
    *partial* says what stopped the judge before it had answered everything: a part of the budget,
    an interruption, or the endpoint. *overrun* counts tokens that a server used beyond the limit
    of a call. *note* explains an empty list or a failure.
    """

    items: tuple[RecommendedItem, ...]
    profile: Profile
    judge: str
    usage: dict[Stage, Usage]
    dropped: Dropped
    opened: tuple[WalkStep, ...] = field(repr=False)
    candidates: tuple[str, ...] = field(repr=False)
    excluded: int = 0
    eligible: int = 0
    unknown: tuple[str, ...] = ()
    where: str | None = None
    walk: WalkChoice = BEST_FIRST
    ended: str = ""
    waits: dict[Stage, int] = field(default_factory=dict, repr=False)
    partial: StopReason | Literal[""] = ""
    overrun: int = 0
    note: str = ""
    seconds: float = 0.0

    @property
    def rounds(self) -> int:
        """How often the recommendation waited for answers, in all stages."""
        return sum(self.waits.values())

    @property
    def uninformative(self) -> int:
        """How many questions got a reply that says nothing about the person."""
        return self.dropped.uninformative

    @property
    def stale(self) -> int:
        """How many opened nodes have an outdated description."""
        return sum(step.opened.is_stale() for step in self.opened)

    def total_usage(self) -> Usage:
        """Return the usage of all stages together."""
        return sum(self.usage.values(), Usage())

    def as_dict(self) -> dict[str, Any]:
        """Return everything as in the JSON output."""
        return {
            "items": [each.as_dict() for each in self.items],
            "profile": [
                {"interest": each.text, "weight": round(each.weight, 4)}
                for each in self.profile.interests
            ],
            "judge": self.judge,
            "usage": {
                **{str(stage): usage.as_dict() for stage, usage in self.usage.items()},
                "total": self.total_usage().as_dict(),
            },
            "dropped": self.dropped.as_dict(),
            "uninformative": self.uninformative,
            "partial": self.partial,
            "walk": {
                "order": self.walk.order,
                "why": self.walk.why,
                "ended": self.ended,
                "rounds": self.rounds,
                "overrun": self.overrun,
                "branches": sum(not step.opened.is_leaf for step in self.opened),
                "leaves": sum(step.opened.is_leaf for step in self.opened),
                "stale": self.stale,
                "candidates": len(self.candidates),
                "excluded": self.excluded,
                "unknown": len(self.unknown),
                "eligible": self.eligible,
                "where": self.where,
            },
            "note": self.note,
            "seconds": round(self.seconds, 3),
        }
