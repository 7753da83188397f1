"""`unillmrec doctor`: what an endpoint can do, and how it will be asked."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from unillmrec.cli.shared import options as shared

EXAMPLES = """\
unillmrec doctor --model qwen3:8b --base-url http://localhost:11434/v1
unillmrec doctor --json
unillmrec doctor --forget
"""

FIELDS = (
    ("base_url, model", "what was looked at"),
    ("usable", "whether it can be asked at all"),
    ("findings", "a list of name, outcome, detail"),
    ("way", "branches, others (labels, schema, object or text), limit_parameter, temperature"),
    ("advice", "a list of name, advice: what a person could do to get a better way"),
    ("label_bias", "the share of each letter in lists without a best line; empty if not measured"),
    ("usage, seconds", "what looking cost"),
    ("memory", "the file that keeps it for later runs; null if none does"),
    ("with --forget", "base_url, model, forgotten, memory alone"),
)

Forget: TypeAlias = Annotated[
    bool, typer.Option("--forget", help="Forget what is known of this endpoint; send nothing.")
]


def doctor(
    model: shared.Model = None,
    base_url: shared.BaseUrl = None,
    prompts: shared.Prompts = None,
    timeout_seconds: shared.TimeoutSeconds = None,
    forget: Forget = False,
    json: shared.Json = False,
) -> None:
    """Find out what an endpoint can do, and which way of asking follows.

    A handful of small requests, whose cost is said first. What is found is kept, so that later
    runs ask in the best way at once; they work without it as well. Exit code 4 if the endpoint
    cannot be used.
    """
    from unillmrec.cli.doctor.run import examine, forget_endpoint
    from unillmrec.cli.doctor.show import show_examination, show_forgotten

    where = {"model": model, "base_url": base_url}
    flags = {**where, "prompts": prompts, "timeout_seconds": timeout_seconds}
    if forget:
        show_forgotten(forget_endpoint(flags), as_json=json)
    else:
        show_examination(examine(flags), as_json=json)
