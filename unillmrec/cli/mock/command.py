"""`unillmrec mock`: run a fake Chat Completions server with faults."""

from __future__ import annotations

from unillmrec.cli.mock.request import MockRequest

EXAMPLES = """\
unillmrec mock
unillmrec mock --port 8080 --dialect schema-ignored
unillmrec mock --fault 429-wait:0.05 --fault drop:0.01 --latency 0.2-1.5 --seed 7
"""

FIELDS = (
    ("address, requests, connections", "the address, and the number of requests and connections"),
    ("statuses", "number of answers by status"),
    ("most_at_once", "the largest number of requests in progress at a time"),
    ("billed", "calls, prompt, completion, cached, reasoning: what the server would bill"),
)


def mock(request: MockRequest) -> None:
    """Start a fake Chat Completions server for tests. It is not a language model.

    Its answers are computed from the words of the prompt, and are always the same. It listens on
    this machine only, until Ctrl-C, and then prints what was asked and billed.
    """
    from unillmrec.cli.mock.run import serve
    from unillmrec.cli.mock.show import show_summary

    show_summary(serve(request), as_json=request.json)
