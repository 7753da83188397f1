"""What the flags of `unillmrec describe` ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unillmrec.cli.flags.declare import option
from unillmrec.cli.flags.groups import (
    ModelFlags,
    ReplyFlags,
    json_flag,
    plan_flag,
    trace_flag,
    tree_file,
    yes_flag,
)

FILES = "By files"


@dataclass(frozen=True, kw_only=True)
class DescribeRequest(ModelFlags, ReplyFlags):
    """The flags of `unillmrec describe`."""

    tree: Path = tree_file()
    stale: bool = option(
        "--stale", help="Renew outdated descriptions instead of adding missing ones.", default=False
    )
    all: bool = option(
        "--all", help="Write all descriptions again, whatever is there.", default=False
    )
    share: float = option(
        "--share",
        help="A description is outdated if more than this share of the node's items changed.",
        default=0.2,
        metavar="0…1",
        min=0,
        max=1,
    )
    depth: int | None = option(
        "--depth",
        help="Describe this many levels, from the top. Default: all.",
        default=None,
        metavar="N",
        min=1,
    )
    max_nodes: int | None = option(
        "--max-nodes",
        help="Describe at most this many nodes. Default: no limit.",
        default=None,
        metavar="N",
        min=1,
    )
    batch_api: bool = option(
        "--batch-api",
        help="Use OpenAI's Batch API: cheaper, one level after the other, each within a day.",
        default=False,
        group=FILES,
    )
    export_requests: Path | None = option(
        "--export-requests",
        help="Write the requests of the next level to this file, for a Batch API; send nothing.",
        default=None,
        group=FILES,
        metavar="FILE",
    )
    import_results: list[Path] | None = option(
        "--import-results",
        help="Import this file of results; may be repeated.",
        default=None,
        group=FILES,
        metavar="FILE",
    )
    plan: bool = plan_flag()
    yes: bool = yes_flag()
    trace: Path | None = trace_flag()
    json: bool = json_flag()

    @property
    def by_files(self) -> bool:
        """Whether requests or results go through files."""
        return bool(self.batch_api or self.export_requests or self.import_results)
