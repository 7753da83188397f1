"""The options of a build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from unillmrec.building.backends import Backend, BackendName
from unillmrec.building.given_vectors import GivenVectors
from unillmrec.errors import TreeError
from unillmrec.tree.growing import Bounds

SAMPLE_ITEMS = 65_536
SHARD_ITEMS = 50_000
CELL_ITEMS = 25_000

TreeKind: TypeAlias = Literal["clusters", "paths", "paths+clusters"]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What to build.

    *tree* says where branches come from: from clusters of similar items, from the category paths
    of the catalog, or from paths, with clusters where categories are too large or too small.
    *popularity* names a numeric attribute that counts interactions with an item. *given* are
    vectors to cluster by instead of words. *workers* is the number of processes; 0 means one for
    each core. *column_flags* records how the columns were chosen, for later changes of the tree.
    """

    seed: int = 0
    bounds: Bounds = field(default_factory=Bounds)
    popularity: str | None = None
    given: GivenVectors | None = None
    workers: int = 0
    overwrite: bool = False
    tree: TreeKind = "clusters"
    column_flags: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        if self.tree not in get_args(TreeKind):
            raise TreeError(
                f"there is no kind of tree {self.tree!r}.",
                remedy=f"one of {', '.join(get_args(TreeKind))}.",
            )
        if self.seed < 0:
            raise TreeError(f"the seed is {self.seed}; it must be zero or more.")


@dataclass(frozen=True, slots=True)
class Sharding:
    """How a build is divided into shards, and which backend processes them.

    Memory is then bounded by the size of a shard and of a cell, not by the size of the catalog.
    *work* is a folder that keeps finished pieces, so that a killed build can resume; without it,
    a temporary folder beside the tree is used. The vocabulary and the top of the tree come from
    *sample* items. The tree depends on *sample*, *shard* and *cell*, but not on the *backend*.
    """

    work: Path | None = None
    backend: BackendName | Backend = "processes"
    sample: int = SAMPLE_ITEMS
    shard: int = SHARD_ITEMS
    cell: int = CELL_ITEMS

    @staticmethod
    def check(options: BuildOptions) -> None:
        """Raise a TreeError if *options* need the whole catalog in memory."""
        unsupported = {
            "given vectors": options.given is not None,
            f"a tree of {options.tree}": options.tree != "clusters",
        }
        for feature, is_wanted in unsupported.items():
            if is_wanted:
                raise TreeError(
                    f"{feature} cannot be built in shards.",
                    detail="Nothing was written.",
                    remedy="leave --engine and --work out.",
                )
