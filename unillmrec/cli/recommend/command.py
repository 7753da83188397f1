"""`unillmrec recommend`: items for one person, why, and at what cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from unillmrec.cli.shared import answer_sources as kept
from unillmrec.cli.shared import options as shared
from unillmrec.cli.shared import walk_options as walks

SETTINGS = (
    *("judge", "model", "base_url", "ask", "usage_log"),
    *("prompts", "timeout_seconds", "concurrency"),
)
EXAMPLES = """\
unillmrec recommend films.tree --history tt0083658,tt0062622
unillmrec recommend films.tree --like "quiet science fiction" -k 5
unillmrec recommend films.tree --history person.json --plan
unillmrec recommend shop.tree --like "a warm coat" --where "price < 80 and in_stock"
unillmrec recommend films.tree --history person.json --model qwen3:8b \\
    --base-url http://localhost:11434/v1 --trace run.jsonl
unillmrec recommend films.tree --history person.json --max-tokens 5000 --walk auto
"""

FIELDS = (
    ("items", "a list of place, id, title, score, reason, branch, found"),
    ("profile", "a list of interest, weight"),
    ("judge", "who answered"),
    ("usage", "by stage, and total; null is unknown"),
    ("dropped", "answers mended: invented, repeated, left_out, asked_again, fallbacks"),
    (
        "partial",
        "what kept the judge from answering everything: tokens, calls, deadline, cost, interrupted "
        "or endpoint; empty if nothing did",
    ),
    (
        "walk",
        "order, why (with auto), ended (target, exhausted or certified), rounds (waits for "
        "answers), overrun (tokens beyond what a call may take), branches, leaves, stale (of these "
        "with old summaries), candidates, excluded, unknown (ids to exclude), eligible, where",
    ),
    ("note", "why there are no items, or what failed; mostly empty"),
    ("tree, seconds, run", "the file, the time, the name in the usage log"),
    ("cost", "money by currency; null is unknown"),
    ("prompts", "digests of the prompts a model was asked with"),
    ("with --cache", "cache: hits, asked, saved (calls, prompt, completion, cached, reasoning)"),
    ("prefix", "of prompt tokens, how many were shared: what a prefix cache can serve"),
    (
        "with --plan",
        "plan by stage, and total: calls, prompt, completion, tokens, seconds, cost, each of the "
        "last three also _between, counted; tree, model, currency, counted, notes, prompts, "
        "first_prompt, prefix",
    ),
)

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
    path_score: walks.PathScore = None,
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
    trace: Trace = None,
    plan: Plan = False,
    json: shared.Json = False,
) -> None:
    """Recommend items of a tree to one person.

    Nothing of the history comes back. Where no endpoint is set, the embedded judge answers.
    """
    from unillmrec.cli.recommend import run as recommending
    from unillmrec.cli.recommend import show as render_recommendation
    from unillmrec.cli.shared import plan_output as render_plan

    given = locals()
    walk_options, limits, settings = (
        {name: given[name] for name in names} for names in (walks.OPTIONS, walks.LIMITS, SETTINGS)
    )
    person, answers = (history, like, profile), kept.Answers(record, replay, cache)
    wishes = recommending.Wishes.of(
        tree, person, walk_options, limits, settings, (where, exclude), answers
    )
    if plan:
        render_plan.show_plan(recommending.plan_for(wishes), as_json=json)
    else:
        made = recommending.recommend_to(wishes, trace)
        render_recommendation.show_recommendation(made, as_json=json)
        raise typer.Exit(made.exit_code)
