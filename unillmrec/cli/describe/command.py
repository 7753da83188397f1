"""`unillmrec describe`: let a model write the descriptions of branches."""

from __future__ import annotations

from unillmrec.cli.describe.request import DescribeRequest

EXAMPLES = """\
unillmrec describe films.tree --plan
unillmrec describe films.tree --depth 2
unillmrec describe films.tree --stale --yes
unillmrec describe films.tree --batch-api
unillmrec describe films.tree --export-requests requests.jsonl
unillmrec describe films.tree --import-results results.jsonl
unillmrec describe films.tree --model qwen3:8b --base-url http://localhost:11434/v1
"""

FIELDS = (
    (
        "tree, describer, seconds, run",
        "the file, the model, the duration, the name in the usage log",
    ),
    (
        "described, shortened, gone",
        "nodes with a new summary, shortened summaries, nodes that left the tree meanwhile",
    ),
    ("undescribed", "a list of node, label, reason"),
    ("questions", "number of replies"),
    ("usage", "by stage, and total; null is unknown"),
    ("dropped", "repaired replies: invented, repeated, left_out, asked_again, fallbacks"),
    ("finished, stopped", "whether every question was asked; the error that ended it, or null"),
    ("prompts", "the digest of the prompt"),
    ("with --cache", "cache: hits, asked, saved (calls, prompt, completion, cached, reasoning)"),
    (
        "with --batch-api, --export-requests, --import-results",
        "tree, run, usage, described, shortened, gone; requests, files, waiting, vain, foreign, "
        "problems",
    ),
    (
        "with --plan",
        "plan by stage, and total, as for recommend; nodes, families, tree, model, currency, "
        "counted, notes, prompts, first_prompt",
    ),
)


def describe(request: DescribeRequest) -> None:
    """Describe the branches of a tree with a language model.

    Siblings are described together, in one line each, from the top of the tree. The expected cost
    is printed before anything is sent. An interrupted run resumes where it stopped.
    """
    from unillmrec.cli.describe.files import describe_by_files
    from unillmrec.cli.describe.run import describe, plan
    from unillmrec.cli.describe.show import show_described, show_files
    from unillmrec.cli.shared.plan_output import show_plan

    if request.plan:
        show_plan(plan(request), as_json=request.json)
    elif request.by_files:
        show_files(describe_by_files(request), as_json=request.json)
    else:
        outcome = describe(request)
        show_described(outcome, as_json=request.json)
        outcome.raise_failure()
