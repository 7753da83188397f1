"""What the flags of `unillmrec mock` ask for."""

from __future__ import annotations

from dataclasses import dataclass

from unillmrec.cli.flags.declare import option
from unillmrec.cli.flags.groups import json_flag


@dataclass(frozen=True, kw_only=True)
class MockRequest:
    """The flags of `unillmrec mock`."""

    port: int = option(
        "--port",
        help="Listen on this port; 0 chooses a free one.",
        default=0,
        metavar="N",
        min=0,
        max=65535,
    )
    dialect: str = option(
        "--dialect",
        help="Behave like this kind of server; an unknown name lists all kinds.",
        default="strict-schema",
        metavar="NAME",
    )
    fault: list[str] | None = option(
        "--fault",
        help="Make a share of the requests fail in this way: a status such as 503, or a name; "
        "an unknown name lists all faults. May be repeated.",
        default=None,
        metavar="NAME:RATE",
    )
    latency: str = option(
        "--latency",
        help="Seconds until an answer, fixed or random within a range.",
        default="0",
        metavar="SECONDS[-SECONDS]",
    )
    seed: int = option(
        "--seed", help="Random seed for faults and latencies.", default=0, metavar="N"
    )
    allows: int | None = option(
        "--allows",
        help="Answer 429 to more than this many requests at a time.",
        default=None,
        metavar="N",
        min=1,
    )
    prefix_cache: int | None = option(
        "--prefix-cache",
        help="Report repeated prompt prefixes of at least this many tokens as cached.",
        default=None,
        metavar="TOKENS",
        min=1,
    )
    json: bool = json_flag()
