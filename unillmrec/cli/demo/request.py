"""What the flags of `unillmrec demo` ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unillmrec.cli.flags.declare import option
from unillmrec.cli.flags.groups import history_flag, json_flag, like_flag
from unillmrec.cli.flags.headings import PERSON


@dataclass(frozen=True, kw_only=True)
class DemoRequest:
    """The flags of `unillmrec demo`."""

    person: str = option(
        "--person",
        help="Recommend to this reader: rosa, anders, mireille, tomasz or noor.",
        default="rosa",
        group=PERSON,
        metavar="NAME",
    )
    history: str | None = history_flag()
    like: str | None = like_flag()
    keep: Path | None = option(
        "--keep",
        help="Write the catalog and the tree to this folder, to try other commands on.",
        default=None,
        metavar="DIR",
    )
    no_pause: bool = option(
        "--no-pause", help="Print everything at once, without slowing down the walk.", default=False
    )
    json: bool = json_flag()
