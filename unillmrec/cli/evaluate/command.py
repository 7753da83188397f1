"""`unillmrec evaluate`: recommend to people with held-out items, and compare with baselines."""

from __future__ import annotations

from unillmrec.cli.evaluate.request import EvaluateRequest

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
        "a list of name, zero_shot, note, metrics (each value, low, high), usage (of the first "
        "people, as many as priced says; null if nobody), cost and estimated_cost (per person, "
        "by currency; null is unknown, zero has no currency), partial (people whose lists the "
        "embedded judge finished), fallbacks (people for whom it answered where a reply could not "
        "be used), unusable (people with an unusable reply and no replacement), failed (people "
        "without a list), void (places that count as misses), seconds",
    ),
    (
        "comparisons",
        "a list of reference, system, metric, difference (value, low, high), p, p_corrected",
    ),
    ("price", "price of a million tokens of the model; null is unknown"),
    ("tree, judge, seconds", "the file, who answered, the duration"),
    (
        "with --plan",
        "plan by stage, and total, as for recommend; people, tree, model, currency, counted, notes",
    ),
)


def evaluate(request: EvaluateRequest) -> None:
    """Recommend to people whose last items are held out, and compare with baselines.

    No system sees the held-out items, and every unseen item of the catalog competes. Figures have
    95 % confidence intervals and costs. The expected cost is printed before a model is asked.
    """
    from unillmrec.cli.evaluate.files import check_places, write_files
    from unillmrec.cli.evaluate.run import evaluate_systems, plan
    from unillmrec.cli.evaluate.show import show_evaluation
    from unillmrec.cli.shared.plan_output import show_plan

    check_places(request)
    if request.plan:
        show_plan(plan(request), as_json=request.json)
        return
    report = evaluate_systems(request)
    try:
        write_files(report, request)
    finally:
        # The results were paid for, so they are shown even if the files cannot be written.
        show_evaluation(report, as_json=request.json)
