"""`unillmrec batch`: items for many people, one line each, resumable."""

from __future__ import annotations

from unillmrec.cli.batch.request import BatchRequest

EXAMPLES = """\
unillmrec batch films.tree people.jsonl -o lists.jsonl
unillmrec batch films.tree people.jsonl -o lists.jsonl --plan
unillmrec batch films.tree people.csv -o lists.jsonl -k 5 --max-tokens 2000000 --concurrency 32
unillmrec batch shop.tree people.parquet -o lists.jsonl --where in_stock --unordered
unillmrec batch shop.tree people.jsonl -o lists.jsonl --engine ray --workers 8
"""

FIELDS = (
    ("tree, people, out, problems", "the files; problems is null if there are none"),
    ("judge, run, seconds", "who answered, the name in the usage log, the duration of this run"),
    (
        "total, done, resumed, skipped, failed, left",
        "rows; finished, of these by earlier runs; unusable; failed; not finished yet",
    ),
    ("usage", "over all runs, by stage, and total; null is unknown"),
    ("cost", "over all runs, money by currency; null is unknown"),
    ("known_cost", "cost of the calls with a known token count; null without a price"),
    ("with --cache", "cache: hits, asked, saved, as for recommend"),
    ("finished, stopped", "whether everybody is done; what ended the run, or null"),
    (
        "a line of -o",
        "id, then items, profile, judge, usage, dropped, uninformative, walk, note as for "
        "recommend; unknown_history counts history items that are not in the tree",
    ),
    (
        "with --plan",
        "plan by stage, and total, as for recommend; total, sample (people whose walks were "
        "counted), usable (of these, with a usable row); tree, people, model, currency, counted, "
        "notes",
    ),
)


def batch(request: BatchRequest) -> None:
    """Recommend items of a tree to many people, one line of JSON each.

    Can be killed at any time: the same command resumes, pays for no reply twice, and misses no
    line. Budgets apply to the whole batch over all its runs, the deadline to one run.
    """
    from unillmrec.cli.batch.run import plan_lists, run_batch
    from unillmrec.cli.batch.show import show_batch
    from unillmrec.cli.shared.plan_output import show_plan

    if request.plan:
        show_plan(plan_lists(request), as_json=request.json)
    else:
        run = run_batch(request)
        show_batch(run, as_json=request.json)
        run.raise_failure()
