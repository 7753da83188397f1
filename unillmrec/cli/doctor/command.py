"""`unillmrec doctor`: what an endpoint can do, and how it will be asked."""

from __future__ import annotations

from unillmrec.cli.doctor.request import DoctorRequest

EXAMPLES = """\
unillmrec doctor --model qwen3:8b --base-url http://localhost:11434/v1
unillmrec doctor --json
unillmrec doctor --forget
"""

FIELDS = (
    ("base_url, model", "the endpoint and the model that were probed"),
    ("usable", "whether the model can be used at all"),
    ("findings", "a list of name, outcome, detail"),
    ("way", "branches, others (labels, schema, object or text), limit_parameter, temperature"),
    ("advice", "a list of name, advice: what you could change for a better way of asking"),
    ("label_bias", "the share of each letter in lists without a best line; empty if not measured"),
    ("usage, seconds", "what probing cost"),
    ("memory", "the file that stores the results for later runs; null if there is none"),
    ("with --forget", "only base_url, model, forgotten, memory"),
)


def doctor(request: DoctorRequest) -> None:
    """Find out what an endpoint supports, and how it will be asked.

    Sends a handful of small requests, after printing their cost. The results are stored, so that
    later runs ask in the best way at once; they also work without them. Exit code 4 if the
    endpoint cannot be used.
    """
    from unillmrec.cli.doctor.run import forget_endpoint, probe_endpoint
    from unillmrec.cli.doctor.show import show_forgotten, show_probe_report

    if request.forget:
        show_forgotten(forget_endpoint(request), as_json=request.json)
    else:
        show_probe_report(probe_endpoint(request), as_json=request.json)
