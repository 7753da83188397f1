"""`unillmrec describe`: let a model write what branches say about themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from unillmrec.cli.shared import answer_sources as kept
from unillmrec.cli.shared import options as shared

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
    ("tree, describer, seconds, run", "the file, who wrote, the time, the name in the usage log"),
    ("described, shortened, gone", "nodes with a new summary, cut ones, nodes no longer there"),
    ("undescribed", "a list of node, label, reason"),
    ("questions", "how many answers came"),
    ("usage", "by stage, and total; null is unknown"),
    ("dropped", "answers mended: invented, repeated, left_out, asked_again, fallbacks"),
    ("finished, stopped", "whether all was asked; the error that ended it, or null"),
    ("prompts", "the digest of the prompt"),
    ("with --cache", "cache: hits, asked, saved (calls, prompt, completion, cached, reasoning)"),
    (
        "with --batch-api, --export-requests, --import-results",
        "tree, run, usage, described, shortened, gone; requests, files, waiting, vain, foreign, "
        "problems",
    ),
    (
        "with --plan",
        "plan by stage, and total, as that of recommend; nodes, families, tree, model, currency, "
        "counted, notes, prompts, first_prompt",
    ),
)

FILES = "By files"

Stale: TypeAlias = Annotated[
    bool,
    typer.Option("--stale", help="Renew those that are out of date, in place of adding missing."),
]
All: TypeAlias = Annotated[
    bool, typer.Option("--all", help="Write all of them anew, whatever is there.")
]
Share: TypeAlias = Annotated[
    float,
    typer.Option(
        "--share",
        help="What share of a node's items must have changed for it to be out of date.",
        metavar="0…1",
        min=0,
        max=1,
    ),
]
Depth: TypeAlias = Annotated[
    int | None,
    typer.Option("--depth", help="Describe this many levels, from the top.", metavar="N", min=1),
]
MaxNodes: TypeAlias = Annotated[
    int | None,
    typer.Option("--max-nodes", help="Describe at most so many nodes.", metavar="N", min=1),
]
Plan: TypeAlias = Annotated[
    bool, typer.Option("--plan", help="Say what it would cost; send nothing.")
]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it is paid.")]
BatchApi: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--batch-api",
        help="Through OpenAI's Batch API: cheaper, a level at a time, each within a day.",
        rich_help_panel=FILES,
    ),
]
Export: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--export-requests",
        help="Write the requests of the next level to a file for a Batch API; send nothing.",
        metavar="FILE",
        rich_help_panel=FILES,
    ),
]
Import: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--import-results",
        help="Take in a file of results; may be repeated.",
        metavar="FILE",
        rich_help_panel=FILES,
    ),
]
Trace: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--trace", help="A new file for every question and answer, as JSONL.", metavar="FILE"
    ),
]


def describe(
    tree: shared.TreeFile,
    stale: Stale = False,
    all: All = False,
    share: Share = 0.2,
    depth: Depth = None,
    max_nodes: MaxNodes = None,
    batch_api: BatchApi = False,
    export_requests: Export = None,
    import_results: Import = None,
    plan: Plan = False,
    yes: Yes = False,
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
    json: shared.Json = False,
) -> None:
    """Describe the branches of a tree with a language model.

    Siblings are described together, in one line each, the top of the tree first. What it will
    cost is said before anything is sent. A run that was broken off goes on where it stopped.
    """
    from unillmrec.cli.describe import (
        files as describing_files,
    )
    from unillmrec.cli.describe import (
        run as describing,
    )
    from unillmrec.cli.describe import (
        show as render_describing,
    )
    from unillmrec.cli.shared import plan_output as render_plan

    asked = {"model": model, "base_url": base_url, "prompts": prompts, "usage_log": usage_log}
    how = {"ask": ask, "timeout_seconds": timeout_seconds, "concurrency": concurrency}
    answers = kept.Answers(record, replay, cache)
    bounds = (share, depth, max_nodes)
    flags = {**asked, **how}
    wishes = describing.Wishes.of(tree, (stale, all), bounds, flags, answers)
    files = describing_files.Files.of(batch_api, export_requests, import_results)
    if plan:
        render_plan.show_plan(describing.told_plan(wishes), as_json=json)
    elif files:
        done = describing_files.describe_by_files(wishes, files, yes=yes)
        render_describing.show_by_files(done, as_json=json)
    else:
        described = describing.describe_tree(wishes, trace, yes=yes)
        render_describing.show_described(described, as_json=json)
        described.raise_failure()
