"""Cut a catalog into slices for shard functions, and learn what holds for the whole of it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from unillmrec.building.backends import Engine, EngineName
from unillmrec.building.pipeline import (
    RANGED_ATTRIBUTES,
    REPORT_EVERY,
    BuildOptions,
    Progress,
    count_of,
)
from unillmrec.building.shards.steps import Catalog
from unillmrec.building.shards.work_folder import WorkFolder, digest_of, item_line, numbered
from unillmrec.errors import TreeError
from unillmrec.items import Item

SAMPLE = 65_536
SHARD_ITEMS = 50_000
CELL_ITEMS = 25_000
# What is in a work folder is only for programs that make the same of it.
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Sharding:
    """How a build is cut up, and who does the pieces.

    *work* is the folder that keeps what is finished; without it, a folder beside the tree
    that goes when the build ends. *sample* items give the words and the top of the tree.
    The tree depends on *sample*, *shard* and *cell*, and not on the *engine*.
    """

    work: Path | None = None
    engine: EngineName | Engine = "processes"
    sample: int = SAMPLE
    shard: int = SHARD_ITEMS
    cell: int = CELL_ITEMS


class Slicer:
    """Cuts the catalog into slices, once; what is there already is compared with what comes."""

    def __init__(
        self, folder: WorkFolder, options: BuildOptions, sharding: Sharding, progress: Progress
    ) -> None:
        self.folder = folder
        self.options = options
        self.sharding = sharding
        self.progress = progress
        self.items = 0
        self.slices: list[str] = []
        self.ranged: dict[str, None] = {}
        self.most = 0.0
        self._lines: list[bytes] = []
        self._sample: list[tuple[int, bytes]] = []
        self._chance = random.Random(options.seed)

    def run(self, items: Iterable[Item]) -> None:
        """Read all items.

        Raises:
            TreeError: there are none, or the folder belongs to another build.
        """
        asked = self._asked()
        self._compare_options(asked)
        for item in items:
            self._add(item)
        if not self.items:
            raise TreeError("the catalog has no items.", detail="Nothing was written.")
        if self._lines:
            self._finish_slice()
        self._check_popularity()
        self.progress("reading", self.items, self.items)
        self._finish(digest_of(asked, self.slices))

    def _asked(self) -> dict[str, Any]:
        options, sharding = self.options, self.sharding
        return {
            "format": FORMAT,
            "program": version("unillmrec"),
            "seed": options.seed,
            "bounds": asdict(options.bounds),
            "popularity": options.popularity,
            "sample": sharding.sample,
            "shard": sharding.shard,
            "cell": sharding.cell,
        }

    def _compare_options(self, asked: dict[str, Any]) -> None:
        kept = self.folder.marker("options")
        if kept is None:
            self.folder.finish("options", asked)
            return
        for name, value in asked.items():
            if kept.get(name) != value:
                raise self._foreign(f"there {name} is {kept.get(name)!r}, here {value!r}")

    def _foreign(self, how: str) -> TreeError:
        return TreeError(
            f"the work folder {self.folder.path} belongs to another build: {how}.",
            detail="Nothing was changed.",
            remedy="the same catalog and options again, or another --work folder.",
        )

    def _add(self, item: Item) -> None:
        line = item_line(item)
        self._lines.append(line)
        if len(self._sample) < self.sharding.sample:
            self._sample.append((self.items, line))
        else:
            # Every item has the same chance to be in the sample in the end.
            place = self._chance.randrange(self.items + 1)
            if place < self.sharding.sample:
                self._sample[place] = (self.items, line)
        self.items += 1
        self._note_numbers(item)
        if len(self._lines) >= self.sharding.shard:
            self._finish_slice()
        if self.items % REPORT_EVERY == 0:
            self.progress("reading", self.items, None)

    def _note_numbers(self, item: Item) -> None:
        if self.options.popularity is not None:
            count = count_of(item, self.options.popularity)
            self.most = count if count > self.most else self.most
        for name, value in item.attributes.items():
            if len(self.ranged) >= RANGED_ATTRIBUTES:
                return
            if isinstance(value, int | float) and not isinstance(value, bool):
                self.ranged.setdefault(name)

    def _check_popularity(self) -> None:
        name = self.options.popularity
        if name is not None and not self.most > 0:
            raise TreeError(
                f"no item has a positive number in the attribute {name!r}.",
                detail="Nothing was written.",
                remedy="name an attribute that counts something, or leave --popularity out.",
            )

    def _finish_slice(self) -> None:
        name = numbered("slice", len(self.slices))
        content = b"".join(self._lines)
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        kept = self.folder.marker(name)
        if kept is None:
            with self.folder.writing(f"{name}.jsonl") as file:
                file.write(content)
            first = self.items - len(self._lines)
            self.folder.finish(name, {"first": first, "digest": digest})
        elif kept["digest"] != digest:
            first = self.items - len(self._lines)
            raise self._foreign(f"its items {first:,} to {self.items:,} differ")
        self.slices.append(digest)
        self._lines.clear()

    def _finish(self, digest: str) -> None:
        kept = self.folder.marker("catalog")
        if kept is not None:
            if kept["digest"] != digest:
                raise self._foreign(f"there are {kept['items']:,} items, here {self.items:,}")
            return
        with self.folder.writing("sample.jsonl") as file:
            file.writelines(line for _, line in sorted(self._sample))
        catalog = Catalog(
            items=self.items,
            slices=self.slices,
            digest=digest,
            seed=self.options.seed,
            bounds=self.options.bounds,
            cell=self.sharding.cell,
            popularity=self.options.popularity,
            top_log=float(np.log1p(self.most)),
            ranged=list(self.ranged),
        )
        self.folder.finish("catalog", asdict(catalog))
