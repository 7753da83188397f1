"""Calibrate estimates for a model from its logged calls: token counts, reply lengths, times."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from unillmrec.errors import StoreError
from unillmrec.usage_log.file import open_to_read
from unillmrec.usage_log.reader import COMPARABLE

# With so many replies the ratio of sums is as good as it gets (measured with six vocabularies).
ENOUGH = 3
# Only the last calls count, because providers change models without renaming them.
MOST = 1_000
LEAST_MARGIN = 0.10


@dataclass(frozen=True, slots=True)
class _LoggedReply:
    """One row: a reply to a question asked for the first time, with reported counts."""

    stage: str
    estimated: int
    prompt: int
    allowed: int
    completion: int
    text_tokens: int
    cached: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StageCalibration:
    """How the estimates for one stage compare with *replies* replies.

    *prompt_ratio* is the server's count over our estimate, and *margin* how far a single prompt
    may be from that ratio. *completion_ratio* is the written over the allowed tokens,
    *text_tokens* the mean length of a reply without reasoning, *cached_share* the share of prompt
    tokens that were cached. *seconds* are the 10th percentile, the mean and the 90th percentile
    of the call times. *overhead* is the factor for repeated questions, retries and failures: all
    tokens over those of the first replies.
    """

    replies: int
    prompt_ratio: float
    margin: float
    completion_ratio: float
    text_tokens: float
    cached_share: float
    seconds: tuple[float, float, float]
    overhead: float = 1.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibrations of one model by stage; *overall* is for stages with too few replies.

    *distrusted* is the reason why the counts of a server are not used, if they are not.
    """

    by_stage: Mapping[str, StageCalibration] = field(default_factory=lambda: MappingProxyType({}))
    overall: StageCalibration | None = None
    distrusted: str = ""

    def of(self, stage: str) -> StageCalibration | None:
        """Return the calibration of a stage."""
        return self.by_stage.get(stage, self.overall)

    @classmethod
    def read(cls, path: Path | None, model: str | None, endpoint: str) -> Calibration:
        """Calibrate from the calls to *model* at *endpoint* in the log *path*.

        An unreadable log gives an empty calibration: a plan without one has wider ranges.
        """
        if path is None or not model or not path.exists():
            return cls()
        try:
            db, table = open_to_read(path)
        except StoreError:
            return cls()
        try:
            replies = _read_replies(db, table, model, endpoint)
            return cls._of(replies, _read_overheads(db, table, model, endpoint))
        except sqlite3.Error:
            return cls()
        finally:
            db.close()

    @classmethod
    def _of(cls, replies: Iterable[_LoggedReply], overheads: Mapping[str, float]) -> Calibration:
        by_stage: dict[str, list[_LoggedReply]] = defaultdict(list)
        for reply in replies:
            by_stage[reply.stage].append(reply)
        every = [reply for group in by_stage.values() for reply in group]
        if problem := _constant_count_problem(every):
            return cls(distrusted=problem)
        calibrations = {
            stage: _calibrate(group, overheads.get(stage, 1.0))
            for stage, group in by_stage.items()
            if len(group) >= ENOUGH
        }
        if len(every) < ENOUGH:
            return cls(calibrations)
        # The length of replies depends on the question, so it does not carry over between stages.
        return cls(calibrations, replace(_calibrate(every, 1.0), completion_ratio=0.0))


def _read_replies(
    db: sqlite3.Connection, table: str, model: str, endpoint: str
) -> list[_LoggedReply]:
    query = (
        "SELECT stage, estimated_prompt, prompt, max_output, completion, estimated_completion,"
        f" coalesce(cached, 0), seconds FROM {table}"
        f" WHERE {COMPARABLE} AND NOT again AND model = ? AND endpoint = ?"
        " ORDER BY number DESC LIMIT ?"
    )
    return [_LoggedReply(*row) for row in db.execute(query, (model, endpoint, MOST))]


def _read_overheads(
    db: sqlite3.Connection, table: str, model: str, endpoint: str
) -> dict[str, float]:
    """Return for each stage the tokens of all calls over the tokens of first replies."""
    first = f"{COMPARABLE} AND NOT again"
    query = (
        "SELECT stage, sum(known_prompt + known_completion),"
        f" sum(CASE WHEN {first} THEN prompt + completion END)"
        f" FROM (SELECT * FROM {table} WHERE model = ? AND endpoint = ?"
        " ORDER BY number DESC LIMIT ?) GROUP BY stage"
    )
    rows = db.execute(query, (model, endpoint, MOST))
    return {stage: every / first_ones for stage, every, first_ones in rows if first_ones}


def _constant_count_problem(replies: list[_LoggedReply]) -> str:
    """Describe the problem if a server reports one count for prompts of all sizes; else ""."""
    sizes = [each.estimated for each in replies]
    reported = {each.prompt for each in replies}
    if len(replies) < ENOUGH or len(reported) > 1 or max(sizes) < 1.5 * min(sizes):
        return ""
    return (
        f"the server reports {reported.pop():,} prompt tokens whatever it is sent, "
        f"{min(sizes):,} or {max(sizes):,}; its counts are not used"
    )


def _calibrate(replies: list[_LoggedReply], overhead: float) -> StageCalibration:
    count, reported = len(replies), sum(each.prompt for each in replies)
    ratio = reported / sum(each.estimated for each in replies)
    worst = max(abs(each.prompt / (ratio * each.estimated) - 1) for each in replies)
    # Rows of an older layout lack the output limit.
    limited = [each for each in replies if each.allowed]
    allowed = sum(each.allowed for each in limited)
    times = sorted(each.seconds for each in replies)
    return StageCalibration(
        replies=count,
        prompt_ratio=ratio,
        margin=max(LEAST_MARGIN, 2 * worst),
        completion_ratio=sum(each.completion for each in limited) / allowed if allowed else 0.0,
        text_tokens=sum(each.text_tokens for each in replies) / count,
        cached_share=sum(each.cached for each in replies) / reported,
        seconds=(times[count // 10], sum(times) / count, times[-1 - count // 10]),
        overhead=max(1.0, overhead),
    )
