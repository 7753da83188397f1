"""`unillmrec recommend`: items for one person, why, and at what cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from unillmrec.cli import parameters as shared

EXAMPLES = """\
unillmrec recommend films.tree --history tt0083658,tt0062622
unillmrec recommend films.tree --like "quiet science fiction" -k 5
unillmrec recommend films.tree --history person.json --plan
unillmrec recommend shop.tree --like "a warm coat" --where "price < 80 and in_stock"
unillmrec recommend films.tree --history person.json --model qwen3:8b \\
    --base-url http://localhost:11434/v1 --trace run.jsonl
"""

FIELDS = (
    ("items", "a list of place, id, title, score, reason, branch, found"),
    ("profile", "a list of interest, weight"),
    ("judge", "who answered"),
    ("usage", "by stage, and total; null is unknown"),
    ("dropped", "answers mended: invented, repeated, left_out, asked_again, fallbacks"),
    (
        "walk",
        "branches, leaves, stale (of these with old summaries), candidates, excluded, unknown (ids "
        "to exclude), eligible, where",
    ),
    ("note", "why there are no items; empty if there are any"),
    ("tree, seconds, run", "the file, the time, the name in the usage log"),
    ("prompts", "digests of the prompts a model was asked with"),
    (
        "with --plan",
        "plan: calls, prompt, completion by stage; tree, model, counted, prompts, first_prompt",
    ),
)
WALK = "The walk"

Profile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--profile",
        help="A finished profile; with a history beside it, the profile call is saved.",
        metavar="TEXT",
        rich_help_panel=shared.PERSON_PANEL,
    ),
]
Where: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--where",
        help="Only items for which this holds, such as 'price < 20 and in_stock'.",
        metavar="PREDICATE",
    ),
]
Exclude: TypeAlias = Annotated[
    str | None,
    typer.Option("--exclude", help="None of these items.", metavar="ID,ID…|FILE"),
]
Limit: TypeAlias = Annotated[
    int, typer.Option("-k", "--limit", help="How many items come back.", metavar="N", min=1)
]
Leaves: TypeAlias = Annotated[
    int,
    typer.Option(
        "--leaves", help="How many leaves are opened.", metavar="N", min=1, rich_help_panel=WALK
    ),
]
Shown: TypeAlias = Annotated[
    int,
    typer.Option(
        "--show",
        help="How many of their items the judge sees.",
        metavar="N",
        min=1,
        rich_help_panel=WALK,
    ),
]
Candidates: TypeAlias = Annotated[
    int,
    typer.Option(
        "--candidates",
        help="How many of these are ranked.",
        metavar="N",
        min=1,
        rich_help_panel=WALK,
    ),
]
Variety: TypeAlias = Annotated[
    float,
    typer.Option(
        "--variety",
        help="0 takes the best fits, 1 the most different items.",
        metavar="0…1",
        min=0,
        max=1,
        rich_help_panel=WALK,
    ),
]
MostPerBranch: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--most-per-branch",
        help="The most items from one branch below the root.",
        metavar="N",
        min=1,
        rich_help_panel=WALK,
    ),
]
Rerank: TypeAlias = Annotated[
    Literal["tree", "model", "none"],
    typer.Option(
        "--rerank",
        help="Who sees to variety: distances in the tree, the judge, or nobody.",
        metavar="tree|model|none",
        rich_help_panel=WALK,
    ),
]
Trace: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--trace", help="A new file for every question and answer, as JSONL.", metavar="FILE"
    ),
]
Plan: TypeAlias = Annotated[
    bool, typer.Option("--plan", help="Say what it would cost; send nothing.")
]


def recommend(
    tree: shared.TreeFile,
    history: shared.History = None,
    like: shared.Like = None,
    profile: Profile = None,
    where: Where = None,
    exclude: Exclude = None,
    limit: Limit = 10,
    leaves: Leaves = 12,
    shown: Shown = 72,
    candidates: Candidates = 30,
    variety: Variety = 0.2,
    most_per_branch: MostPerBranch = None,
    rerank: Rerank = "tree",
    judge: shared.Judge = None,
    model: shared.Model = None,
    base_url: shared.BaseUrl = None,
    prompts: shared.Prompts = None,
    usage_log: shared.UsageLogFile = None,
    timeout_seconds: shared.TimeoutSeconds = None,
    concurrency: shared.Concurrency = None,
    trace: Trace = None,
    plan: Plan = False,
    json: shared.Json = False,
) -> None:
    """Recommend items of a tree to one person.

    Nothing of the history comes back. Where no endpoint is set, the embedded judge answers.
    """
    from unillmrec.cli.recommending import Wishes, plan_for, recommend_to
    from unillmrec.cli.render_recommendation import show_plan, show_recommendation

    walk = (limit, leaves, shown, candidates, variety, most_per_branch, rerank)
    asked = {"judge": judge, "model": model, "base_url": base_url, "usage_log": usage_log}
    how = {"prompts": prompts, "timeout_seconds": timeout_seconds, "concurrency": concurrency}
    wishes = Wishes.of(tree, (history, like, profile), walk, {**asked, **how}, (where, exclude))
    if plan:
        show_plan(plan_for(wishes), as_json=json)
    else:
        show_recommendation(recommend_to(wishes, trace), as_json=json)
