"""What the flags of `unillmrec recommend` ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unillmrec.cli.flags.groups import (
    JudgeFlag,
    ModelFlags,
    PersonFlags,
    ReplyFlags,
    exclude_flag,
    json_flag,
    plan_flag,
    trace_flag,
    tree_file,
    where_flag,
)
from unillmrec.cli.flags.walk import BudgetFlags, WalkFlags


@dataclass(frozen=True, kw_only=True)
class RecommendRequest(PersonFlags, WalkFlags, BudgetFlags, JudgeFlag, ModelFlags, ReplyFlags):
    """The flags of `unillmrec recommend`."""

    tree: Path = tree_file()
    where: str | None = where_flag()
    exclude: str | None = exclude_flag()
    trace: Path | None = trace_flag()
    plan: bool = plan_flag()
    json: bool = json_flag()
