"""`unillmrec mock`: a server on this machine that answers like a model's, and fails on request."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

EXAMPLES = """\
unillmrec mock
unillmrec mock --port 8080 --dialect schema-ignored
unillmrec mock --fault 429-wait:0.05 --fault drop:0.01 --latency 0.2-1.5 --seed 7
"""

FIELDS = (
    ("address, requests, connections", "where it was, how many requests and connections came"),
    ("statuses", "how many answers had each status"),
    ("most_at_once", "the largest number of requests in work at the same time"),
    ("billed", "calls, prompt, completion, cached, reasoning: what it would have on its bill"),
)

Port: TypeAlias = Annotated[
    int,
    typer.Option("--port", help="Where to listen; 0 is a free one.", metavar="N", min=0, max=65535),
]
DialectName: TypeAlias = Annotated[
    str,
    typer.Option(
        "--dialect", help="What kind of server to be; an unknown name lists them.", metavar="NAME"
    ),
]
Faults: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        help="Let a share of the requests fail so; may be repeated. A status such as 503, or a "
        "name; an unknown name lists them.",
        metavar="NAME:RATE",
    ),
]
Latency: TypeAlias = Annotated[
    str,
    typer.Option(
        "--latency", help="How long an answer takes, or between what.", metavar="SECONDS[-SECONDS]"
    ),
]
Seed: TypeAlias = Annotated[
    int, typer.Option("--seed", help="Decides which requests fail, and how long each takes.")
]
Allows: TypeAlias = Annotated[
    int | None,
    typer.Option("--allows", help="Answer 429 to more at the same time.", metavar="N", min=1),
]
PrefixCache: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--prefix-cache",
        help="Report what a prompt begins with as cached, from so many tokens on.",
        metavar="TOKENS",
        min=1,
    ),
]
Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print the summary as one JSON object.")
]


def mock(
    port: Port = 0,
    dialect: DialectName = "strict-schema",
    fault: Faults = None,
    latency: Latency = "0",
    seed: Seed = 0,
    allows: Allows = None,
    prefix_cache: PrefixCache = None,
    json: Json = False,
) -> None:
    """Start a server for tests that speaks Chat Completions. It is no language model.

    Its answers follow from the words of the prompt, and are the same every time. It listens
    on this machine alone until Ctrl-C, and then says what was asked and billed.
    """
    from unillmrec.cli.mock.run import MockWishes, serve
    from unillmrec.cli.mock.show import show_mocked

    wishes = MockWishes.of(port, dialect, fault or [], latency, seed, (allows, prefix_cache))
    show_mocked(serve(wishes), as_json=json)
