"""What comes out of it: items in order, why each is there, and what the list has cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from unillmrec.items import Item
from unillmrec.judge import Dropped, Profile
from unillmrec.stages import WalkChoice, WalkStep
from unillmrec.stages.run import CandidateSource, StopReason
from unillmrec.usage import Stage, Usage

BEST_FIRST = WalkChoice("best-first")


@dataclass(frozen=True, slots=True)
class RecommendedItem:
    """An item of the list, why it is there, and how recall found it."""

    item: Item
    place: int
    score: float
    reason: str
    branch: str
    found: CandidateSource

    def as_dict(self) -> dict[str, Any]:
        """Return the item as the JSON output gives it."""
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
    """Items in order, why, and at what cost.

    *eligible* is how many items might have been recommended, *where* the predicate that said
    so; *unknown* are ids to exclude that the tree does not have. *walk* is the way recall
    took, *ended* why it opened no more, *waits* by stage how often answers were waited for.
    *partial* names what kept the judge from answering everything: a part of the budget, an
    interruption, or the endpoint; *overrun* counts tokens that a server took beyond what a call
    may take.
    *note* says why there are no items, if there are none, and what failed.
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
        """How often answers were waited for, in all stages."""
        return sum(self.waits.values())

    @property
    def stale(self) -> int:
        """How many of the opened nodes stood there with a summary that is out of date."""
        return sum(event.opened.is_stale() for event in self.opened)

    def total_usage(self) -> Usage:
        """Return the sum over all stages."""
        return sum(self.usage.values(), Usage())

    def as_dict(self) -> dict[str, Any]:
        """Return everything as the JSON output gives it."""
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
            "partial": self.partial,
            "walk": {
                "order": self.walk.order,
                "why": self.walk.why,
                "ended": self.ended,
                "rounds": self.rounds,
                "overrun": self.overrun,
                "branches": sum(not event.opened.is_leaf for event in self.opened),
                "leaves": sum(event.opened.is_leaf for event in self.opened),
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
