"""What a usage log teaches about one model: how far estimates are off, how long calls take."""

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

# So many answers, and the ratio of sums is as good as it gets (measured with six vocabularies).
ENOUGH = 3
# The last ones count: models are changed behind their names.
MOST = 1_000
LEAST_MARGIN = 0.10


@dataclass(frozen=True, slots=True)
class _Answer:
    """One row: an answer to one question that says what it cost."""

    stage: str
    estimated: int
    prompt: int
    allowed: int
    completion: int
    spoken: int
    cached: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Lesson:
    """What *answers* answers of one stage teach.

    *prompt* is what the server counted over what we estimated, *margin* how far a single
    prompt may be from that; *completion* is what was written over the most that was allowed,
    *spoken* the length of a text, *cached* the cached share of the prompts. *seconds* are the
    times that a tenth of the calls stayed under, the mean, and that a tenth went over. *more*
    is what repeated questions, retries and failed calls add: tokens in all over tokens of the
    first answers.
    """

    answers: int
    prompt: float
    margin: float
    completion: float
    spoken: float
    cached: float
    seconds: tuple[float, float, float]
    more: float = 1.0


@dataclass(frozen=True, slots=True)
class Experience:
    """Lessons by stage, and that of all of them for stages with too few answers.

    *distrusted* says why the counts of a server are not used.
    """

    lessons: Mapping[str, Lesson] = field(default_factory=lambda: MappingProxyType({}))
    overall: Lesson | None = None
    distrusted: str = ""

    def of(self, stage: str) -> Lesson | None:
        """Return what is known for a stage."""
        return self.lessons.get(stage, self.overall)

    @classmethod
    def read(cls, path: Path | None, model: str | None, endpoint: str) -> Experience:
        """Learn from the calls to *model* at *endpoint* in a log.

        What cannot be read teaches nothing: a plan without it is wider, and no less true.
        """
        if path is None or not model or not path.exists():
            return cls()
        try:
            db, table = open_to_read(path)
        except StoreError:
            return cls()
        try:
            return cls._of(_answers(db, table, model, endpoint), _more(db, table, model, endpoint))
        except sqlite3.Error:
            return cls()
        finally:
            db.close()

    @classmethod
    def _of(cls, answers: Iterable[_Answer], more: Mapping[str, float]) -> Experience:
        by_stage: dict[str, list[_Answer]] = defaultdict(list)
        for row in answers:
            by_stage[row.stage].append(row)
        every = [row for rows in by_stage.values() for row in rows]
        if told := _always_the_same(every):
            return cls(distrusted=told)
        lessons = {
            stage: _lesson(rows, more.get(stage, 1.0))
            for stage, rows in by_stage.items()
            if len(rows) >= ENOUGH
        }
        # How much is written is a matter of what is asked, and tells nothing of other stages.
        overall = replace(_lesson(every, 1.0), completion=0.0) if len(every) >= ENOUGH else None
        return cls(lessons, overall)


def _answers(db: sqlite3.Connection, table: str, model: str, endpoint: str) -> list[_Answer]:
    asked = (
        "SELECT stage, estimated_prompt, prompt, max_output, completion, estimated_completion,"
        f" coalesce(cached, 0), seconds FROM {table}"
        f" WHERE {COMPARABLE} AND NOT again AND model = ? AND endpoint = ?"
        " ORDER BY number DESC LIMIT ?"
    )
    return [_Answer(*row) for row in db.execute(asked, (model, endpoint, MOST))]


def _more(db: sqlite3.Connection, table: str, model: str, endpoint: str) -> dict[str, float]:
    """Return by stage what all calls took over what first answers took."""
    first = f"{COMPARABLE} AND NOT again"
    asked = (
        "SELECT stage, sum(known_prompt + known_completion),"
        f" sum(CASE WHEN {first} THEN prompt + completion END)"
        f" FROM (SELECT * FROM {table} WHERE model = ? AND endpoint = ?"
        " ORDER BY number DESC LIMIT ?) GROUP BY stage"
    )
    rows = db.execute(asked, (model, endpoint, MOST))
    return {stage: whole / part for stage, whole, part in rows if part}


def _always_the_same(answers: list[_Answer]) -> str:
    """Say so if a server reports one number for prompts of all sizes; what it says is not used."""
    sizes = [each.estimated for each in answers]
    reported = {each.prompt for each in answers}
    if len(answers) < ENOUGH or len(reported) > 1 or max(sizes) < 1.5 * min(sizes):
        return ""
    return (
        f"the server reports {reported.pop():,} prompt tokens whatever it is sent, "
        f"{min(sizes):,} or {max(sizes):,}; its counts are not used"
    )


def _lesson(answers: list[_Answer], more: float) -> Lesson:
    count, reported = len(answers), sum(each.prompt for each in answers)
    ratio = reported / sum(each.estimated for each in answers)
    worst = max(abs(each.prompt / (ratio * each.estimated) - 1) for each in answers)
    # Rows of an older layout do not say how much was allowed.
    bounded = [each for each in answers if each.allowed]
    allowed = sum(each.allowed for each in bounded)
    times = sorted(each.seconds for each in answers)
    return Lesson(
        answers=count,
        prompt=ratio,
        margin=max(LEAST_MARGIN, 2 * worst),
        completion=sum(each.completion for each in bounded) / allowed if allowed else 0.0,
        spoken=sum(each.spoken for each in answers) / count,
        cached=sum(each.cached for each in answers) / reported,
        seconds=(times[count // 10], sum(times) / count, times[-1 - count // 10]),
        more=max(1.0, more),
    )
