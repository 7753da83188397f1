"""`unillmrec batch`: items for many people, one line each, begun once and finished."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from unillmrec.cli.recommend import command as one
from unillmrec.cli.shared import answer_sources as kept
from unillmrec.cli.shared import options as shared
from unillmrec.cli.shared import walk_options as walks

KINDS = (walks.OPTIONS, walks.LIMITS, one.SETTINGS)
EXAMPLES = """\
unillmrec batch films.tree people.jsonl -o lists.jsonl
unillmrec batch films.tree people.jsonl -o lists.jsonl --plan
unillmrec batch films.tree people.csv -o lists.jsonl -k 5 --max-tokens 2000000 --concurrency 32
unillmrec batch shop.tree people.parquet -o lists.jsonl --where in_stock --unordered
unillmrec batch shop.tree people.jsonl -o lists.jsonl --engine ray --workers 8
"""

FIELDS = (
    ("tree, people, out, problems", "the files; problems is null if there are none"),
    ("judge, run, seconds", "who answered, the name in the usage log, the time of this run"),
    (
        "total, done, resumed, skipped, failed, left",
        "rows; those done, of them by earlier runs; not usable; asked for in vain; not done yet",
    ),
    ("usage", "over all runs, by stage, and total; null is unknown"),
    ("cost", "over all runs, money by currency; null is unknown"),
    ("known_cost", "what the calls with a known count of tokens cost; null without a price"),
    ("with --cache", "cache: hits, asked, saved, as for recommend"),
    ("finished, stopped", "whether everybody is done; what ended the run, or null"),
    (
        "a line of -o",
        "id, then items, profile, judge, usage, dropped, walk, note as for recommend; "
        "unknown_history counts items that the tree does not have",
    ),
    (
        "with --plan",
        "plan by stage, and total, as for recommend; total, sample, usable (people, those walked "
        "for, those of them that can be used); tree, people, model, currency, counted, notes",
    ),
)
People: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="PEOPLE",
        help="JSONL, CSV, TSV or Parquet; a row has an id, and a history, a like or a profile.",
    ),
]
Out: TypeAlias = Annotated[
    Path, typer.Option("-o", "--out", help="Where the lists go, as JSONL.", metavar="FILE")
]
Unordered: TypeAlias = Annotated[
    bool,
    typer.Option("--unordered", help="Write lines as they come, not in the order of the people."),
]
Engine: TypeAlias = Annotated[
    Literal["threads", "ray"],
    typer.Option(
        "--engine",
        help="Who asks: threads of this process, or Ray, at RAY_ADDRESS or on this machine.",
        metavar="threads|ray",
    ),
]
Workers: TypeAlias = Annotated[
    int, typer.Option("--workers", help="How many workers Ray gets.", metavar="N", min=1)
]
Restart: TypeAlias = Annotated[
    bool, typer.Option("--restart", help="Begin anew, whatever is there.")
]


def batch(
    tree: shared.TreeFile,
    people: People,
    out: Out,
    where: one.Where = None,
    exclude: one.Exclude = None,
    limit: one.Limit = 10,
    unordered: Unordered = False,
    restart: Restart = False,
    engine: Engine = "threads",
    workers: Workers = 2,
    max_tokens: walks.MaxTokens = None,
    max_calls: walks.MaxCalls = None,
    deadline: walks.Deadline = None,
    max_cost: walks.MaxCost = None,
    walk: walks.Walk = "best-first",
    branches: walks.Branches = None,
    leaves: walks.Leaves = None,
    shown: walks.Shown = 72,
    candidates: walks.Candidates = 30,
    whole_leaves: walks.WholeLeaves = False,
    path_score: walks.PathScore = "absolute",
    interests: walks.Interests = "together",
    variety: walks.Variety = 0.2,
    most_per_branch: walks.MostPerBranch = None,
    rerank: walks.Rerank = "tree",
    seed: walks.Seed = 0,
    votes: walks.Votes = "1",
    judge: shared.Judge = None,
    model: shared.Model = None,
    base_url: shared.BaseUrl = None,
    ask: shared.Ask = None,
    prompts: shared.Prompts = None,
    usage_log: shared.UsageLogFile = None,
    timeout_seconds: shared.TimeoutSeconds = None,
    concurrency: shared.Concurrency = None,
    record: kept.Record = None,
    replay: kept.Replay = None,
    cache: kept.Cache = None,
    plan: one.Plan = False,
    json: shared.Json = False,
) -> None:
    """Recommend items of a tree to many people, one line of JSON each.

    Killed at any time, the same command goes on: no answer is paid for twice, and no line is
    missing. A budget is for the whole batch, over all its runs; a deadline is for one run.
    """
    from unillmrec.cli.batch import run as batching
    from unillmrec.cli.batch import show as render_batch
    from unillmrec.cli.shared import plan_output as render_plan

    given = locals()
    walk_options, limits, settings = ({name: given[name] for name in kind} for kind in KINDS)
    manner = (unordered, restart, workers if engine == "ray" else None)
    files, only, how = (tree, people, out), (where, exclude), kept.Answers(record, replay, cache)
    wishes = batching.Wishes.of(files, walk_options, limits, settings, only, manner, how)
    if plan:
        render_plan.show_plan(batching.plan_for(wishes), as_json=json)
    else:
        batched = batching.run_batch(wishes)
        render_batch.show_batch(batched, as_json=json)
        batched.raise_failure()
