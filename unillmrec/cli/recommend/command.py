"""`unillmrec recommend`: items for one person, with reasons and cost."""

from __future__ import annotations

import typer

from unillmrec.cli.recommend.request import RecommendRequest

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
    ("dropped", "repaired replies: invented, repeated, left_out, asked_again, fallbacks"),
    (
        "uninformative",
        "questions that got a reply without information about the person: a copy of the prompt's "
        "example, the order of the list, one score for all",
    ),
    (
        "partial",
        "what kept the judge from answering everything: tokens, calls, deadline, cost, interrupted "
        "or endpoint; empty if nothing did",
    ),
    (
        "walk",
        "order, why (with auto), ended (target, exhausted or certified), rounds (times that "
        "replies were waited for), overrun (tokens beyond what a call may take), branches, leaves, "
        "stale (of these with old summaries), candidates, excluded, unknown (ids to exclude), "
        "eligible, where",
    ),
    ("note", "why there are no items, or what failed; usually empty"),
    ("tree, seconds, run", "the file, the duration, the name in the usage log"),
    ("cost", "money by currency; null is unknown"),
    ("prompts", "digests of the prompts that the model was asked with"),
    ("with --cache", "cache: hits, asked, saved (calls, prompt, completion, cached, reasoning)"),
    ("prefix", "prompt tokens, and how many of them a prefix cache can serve (shared)"),
    (
        "with --plan",
        "plan by stage, and total: calls, prompt, completion, tokens, seconds, cost, each of the "
        "last three also _between, counted; tree, model, currency, counted, notes, prompts, "
        "first_prompt, prefix",
    ),
)


def recommend(request: RecommendRequest) -> None:
    """Recommend items of a tree to one person.

    Items in the history are never recommended. Without an endpoint, the embedded judge answers;
    when a budget is spent, it finishes the list.
    """
    from unillmrec.cli.recommend.run import plan, recommend
    from unillmrec.cli.shared.output import show_json
    from unillmrec.cli.shared.plan_output import show_plan

    if request.plan:
        show_plan(plan(request), as_json=request.json)
        return
    report = recommend(request)
    if request.json:
        show_json(report.as_dict())
    else:
        from unillmrec.cli.recommend.show import show_recommendation

        show_recommendation(report)
    raise typer.Exit(report.exit_code)
