"""`unillmrec evaluate`: recommend against held-out histories, beside baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from unillmrec.cli.recommend import command as one
from unillmrec.cli.shared import options as shared

EXAMPLES = """\
unillmrec evaluate films.tree --histories ratings.csv --least-rating 4
unillmrec evaluate shop.tree --histories orders.parquet --split time --cutoff 2026-01-31
unillmrec evaluate shop.tree --histories orders.csv --systems popular,tfidf --people 200
unillmrec evaluate --dataset movielens-1m:ml-1m --report films.html
unillmrec evaluate shop.tree --histories orders.csv --pseudonymise
unillmrec evaluate shop.tree --histories orders.csv --judge endpoint --people 200 --plan
unillmrec evaluate shop.tree --histories orders.csv --judge endpoint --people 200 --yes
"""

FIELDS = (
    (
        "protocol",
        "split, people, eligible, seed, least_rating, cutoff, least_history, items, "
        "interactions, learnt_from, not_on_shelf, ties, twins, at",
    ),
    (
        "systems",
        "a list of name, zero_shot, note, metrics (each value, low, high), usage of as many "
        "people as priced says (null where that is nobody), cost and estimated_cost (of one "
        "person, by currency; null is unknown, nothing is of no currency), partial (people whose "
        "lists the embedded judge finished), fallbacks (people for whom it answered where a reply "
        "could not be used), "
        "unusable (people with a reply of no use and nothing in its place), failed (people without "
        "a list), void (places that count as misses), seconds",
    ),
    (
        "comparisons",
        "a list of reference, system, metric, difference (value, low, high), p, p_corrected",
    ),
    ("price", "what a million tokens of the model cost; null is unknown"),
    ("tree, judge, seconds", "the file, who answered, the time"),
    (
        "with --plan",
        "plan by stage, and total, as for recommend; people, tree, model, currency, counted, notes",
    ),
)
HISTORIES_PANEL = "The histories"

Tree: TypeAlias = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]", help="A tree; with --dataset one is built where none is given."
    ),
]
Dataset: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        help="A public data set that you have, in the form it is published in: "
        "movielens-100k, -1m, -latest, mind, amazon-2014, -2018, -2023, goodreads, plain.",
        metavar="NAME:DIR",
        rich_help_panel=HISTORIES_PANEL,
    ),
]
Histories: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--histories",
        help="Who met what: CSV, TSV, JSON Lines or Parquet with user_id, item_id and, if there "
        "are any, timestamp and rating; or JSON Lines with id and history.",
        metavar="FILE",
        rich_help_panel=HISTORIES_PANEL,
    ),
]
Split: TypeAlias = Annotated[
    Literal["last", "time"],
    typer.Option(
        "--split",
        help="Hold out the last item of each person, or all that happens after a cut in time.",
        metavar="last|time",
        rich_help_panel=HISTORIES_PANEL,
    ),
]
Cutoff: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--cutoff",
        help="Where to cut in time; by default after nine tenths of the interactions.",
        metavar="DATE",
        rich_help_panel=HISTORIES_PANEL,
    ),
]
People: TypeAlias = Annotated[
    int,
    typer.Option(
        "--people",
        help="How many people are drawn; 0 takes all.",
        metavar="N",
        min=0,
        rich_help_panel=HISTORIES_PANEL,
    ),
]
LeastRating: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--least-rating",
        help="What is rated below this was seen, and is no taste.",
        metavar="X",
        rich_help_panel=HISTORIES_PANEL,
    ),
]
Seed: TypeAlias = Annotated[
    int, typer.Option("--seed", help="What draws people and resamples.", metavar="N", min=0)
]
At: TypeAlias = Annotated[
    int, typer.Option("--at", help="How long the lists are.", metavar="K", min=1)
]
Systems: TypeAlias = Annotated[
    str | None,
    typer.Option("--systems", help="Which baselines; by default all.", metavar="NAME,NAME…"),
]
Lists: TypeAlias = Annotated[
    Path | None,
    typer.Option("--lists", help="A new file for every list, as JSON Lines.", metavar="FILE"),
]
Report: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--report",
        help="A new page with the tables, a plot, and people for whom systems differ.",
        metavar="FILE.html",
    ),
]
Pseudonymise: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--pseudonymise",
        help="Walk a second tree as well, in which titles and names are made-up words: what a "
        "model finds there it does not merely remember.",
    ),
]
Workers: TypeAlias = Annotated[
    int,
    typer.Option(
        "--workers",
        help="Processes; 0 is one for each core. A model is asked by one.",
        metavar="N",
        min=0,
    ),
]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it is paid.")]


def evaluate(
    context: typer.Context,
    tree: Tree = None,
    histories: Histories = None,
    dataset: Dataset = None,
    split: Split = "last",
    cutoff: Cutoff = None,
    people: People = 1_000,
    least_rating: LeastRating = None,
    seed: Seed = 42,
    at: At = 10,
    systems: Systems = None,
    lists: Lists = None,
    report: Report = None,
    pseudonymise: Pseudonymise = False,
    workers: Workers = 0,
    yes: Yes = False,
    judge: shared.Judge = None,
    model: shared.Model = None,
    base_url: shared.BaseUrl = None,
    prompts: shared.Prompts = None,
    usage_log: shared.UsageLogFile = None,
    timeout_seconds: shared.TimeoutSeconds = None,
    concurrency: shared.Concurrency = None,
    plan: one.Plan = False,
    json: shared.Json = False,
) -> None:
    """Recommend to people whose last items are held out, and compare with baselines.

    No system is told what was held out; every unseen item of the catalog competes. Figures come
    with 95 % intervals and costs; about how much a model will take is said before it is asked.
    """
    from unillmrec.cli.evaluate.run import Wishes, evaluate_tree, plan_for, write_files
    from unillmrec.cli.evaluate.show import show_evaluation
    from unillmrec.cli.shared.command_line import format_command
    from unillmrec.cli.shared.plan_output import show_plan

    asked = {"judge": judge, "model": model, "base_url": base_url, "usage_log": usage_log}
    how = {"prompts": prompts, "timeout_seconds": timeout_seconds, "concurrency": concurrency}
    protocol = (split, cutoff, people, seed, least_rating)
    what = (at, systems, pseudonymise, workers)
    wishes = Wishes.of(tree, (histories, dataset), protocol, what, {**asked, **how})
    wishes = wishes.writing(lists, report, agreed=yes, command=format_command(context))
    if plan:
        show_plan(plan_for(wishes), as_json=json)
        return
    made = evaluate_tree(wishes)
    try:
        write_files(made, wishes)
    finally:
        # What was paid for is shown, whatever becomes of the files.
        show_evaluation(made, as_json=json)
