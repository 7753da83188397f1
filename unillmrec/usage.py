"""Token usage as a value, and the bill that sums it up by stage."""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """The stages that tokens are billed to."""

    PROFILE = "profile"
    RECALL = "recall"
    RANK = "rank"
    RERANK = "rerank"
    DESCRIBE = "describe"
    EMBED = "embed"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens spent by one or more calls.

    *cached* is part of *prompt*, and *reasoning* part of *completion*, not additions. A count is
    `None` if the endpoint did not report it: unknown is not zero, and a sum with an unknown is
    unknown. The two estimates are our own counts and never replace reported ones.

    *known_prompt* and *known_completion* sum up what was reported even where something is missing:
    of two attempts of a call, one may have a count and the other none.
    """

    calls: int = 0
    prompt: int | None = 0
    completion: int | None = 0
    cached: int | None = 0
    reasoning: int | None = 0
    estimated_prompt: int = 0
    estimated_completion: int = 0
    known_prompt: int = 0
    known_completion: int = 0

    def __post_init__(self) -> None:
        if self.prompt is not None:
            object.__setattr__(self, "known_prompt", self.prompt)
        if self.completion is not None:
            object.__setattr__(self, "known_completion", self.completion)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            calls=self.calls + other.calls,
            prompt=_sum(self.prompt, other.prompt),
            completion=_sum(self.completion, other.completion),
            cached=_sum(self.cached, other.cached),
            reasoning=_sum(self.reasoning, other.reasoning),
            estimated_prompt=self.estimated_prompt + other.estimated_prompt,
            estimated_completion=self.estimated_completion + other.estimated_completion,
            known_prompt=self.known_prompt + other.known_prompt,
            known_completion=self.known_completion + other.known_completion,
        )

    def as_dict(self) -> dict[str, int | None]:
        """Return the counts by name, in the documented order."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        # Where nothing is missing, they say the same once more.
        return {name: value for name, value in named.items() if not name.startswith("known_")}


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call to a model, as traces and logs keep it: the messages sent and the reply.

    *error* is the reason why there is no reply. *off_labels* is the probability the model gave
    to everything that is not a label, where label probabilities were requested. *uninformative*
    is the pattern by which the reply was recognized as saying nothing about the person.
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
    uninformative: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the call as a line of a trace has it."""
        optional: dict[str, Any] = {"error": self.error} if self.error else {}
        if self.off_labels is not None:
            optional["off_labels"] = self.off_labels
        if self.uninformative:
            optional["uninformative"] = self.uninformative
        return {
            **optional,
            "messages": [{"role": role, "content": content} for role, content in self.messages],
            "reply": self.reply,
            "asked_with": self.asked_with,
            "finish": self.finish,
            "model": self.model,
            "seconds": round(self.seconds, 3),
            "usage": self.usage.as_dict(),
        }


class Bill:
    """Usage by stage; safe to add to from several threads."""

    def __init__(self) -> None:
        self._lines: dict[Stage, Usage] = {}
        # Recall asks about several branches at once; the lock keeps their additions whole.
        self._lock = threading.Lock()

    def add(self, stage: Stage, usage: Usage) -> None:
        """Add *usage* to *stage*."""
        with self._lock:
            self._lines[stage] = self._lines.get(stage, Usage()) + usage

    def by_stage(self) -> dict[Stage, Usage]:
        """Return usage by stage, in the order of the stages, without unused ones."""
        with self._lock:
            return {stage: self._lines[stage] for stage in Stage if stage in self._lines}

    def total(self) -> Usage:
        """Return the sum over all stages."""
        return sum(self.by_stage().values(), Usage())
