"""Cut a catalog into slices for the shard functions, and collect the facts about all of it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from unillmrec.building.numeric_attributes import RANGED_ATTRIBUTES, read_numbers
from unillmrec.building.options import BuildOptions, Sharding
from unillmrec.building.popularity import PopularityScale, count_of, highest_count
from unillmrec.building.progress import Phases, read_batches
from unillmrec.building.shards.catalog_facts import CatalogFacts
from unillmrec.building.shards.work_folder import WorkFolder, digest_of, item_to_line, numbered
from unillmrec.errors import TreeError
from unillmrec.items import Item

# Programs that write other files, or write them differently, have another number.
FORMAT = 1


class Slicer:
    """Cuts a catalog into slices once; slices that exist already are compared with the input."""

    def __init__(
        self, folder: WorkFolder, options: BuildOptions, sharding: Sharding, phases: Phases
    ) -> None:
        self._folder = folder
        self._options = options
        self._sharding = sharding
        self._phases = phases
        self._items = 0
        self._digests: list[str] = []
        self._ranged: dict[str, None] = {}
        self._highest = 0.0
        self._lines: list[bytes] = []
        self._sample: list[tuple[int, bytes]] = []
        self._chance = random.Random(options.seed)

    def run(self, items: Iterable[Item]) -> CatalogFacts:
        """Read all items, and return the facts about the catalog.

        Raises:
            TreeError: there are no items, or the folder belongs to another build.
        """
        settings = self._settings()
        self._compare_settings(settings)
        for batch in read_batches(items, self._phases):
            self._read_numbers(batch)
            for item in batch:
                self._add(item_to_line(item))
        if self._lines:
            self._finish_slice()
        scale = PopularityScale.up_to(self._options.popularity, self._highest)
        self._finish(digest_of(settings, self._digests), scale)
        return CatalogFacts.read(self._folder)

    def _settings(self) -> dict[str, Any]:
        """Return all that must be equal for a build to resume in the same folder."""
        options, sharding = self._options, self._sharding
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

    def _compare_settings(self, settings: dict[str, Any]) -> None:
        stored = self._folder.find_marker("options")
        if stored is None:
            self._folder.finish("options", settings)
            return
        for name, value in settings.items():
            if stored.get(name) != value:
                raise self._mismatch(f"there {name} is {stored.get(name)!r}, here {value!r}")

    def _mismatch(self, difference: str) -> TreeError:
        return TreeError(
            f"the work folder {self._folder.path} belongs to another build: {difference}.",
            detail="Nothing was changed.",
            remedy="the same catalog and options again, or another --work folder.",
        )

    def _read_numbers(self, items: list[Item]) -> None:
        popularity = self._options.popularity
        if popularity is not None:
            counts = (count_of(item, popularity) for item in items)
            self._highest = max(self._highest, highest_count(counts))
        if len(self._ranged) < RANGED_ATTRIBUTES:
            self._ranged.update(dict.fromkeys(read_numbers(items, self._ranged)))

    def _add(self, line: bytes) -> None:
        self._lines.append(line)
        if len(self._sample) < self._sharding.sample:
            self._sample.append((self._items, line))
        else:
            # In the end, every item has the same chance of being in the sample.
            place = self._chance.randrange(self._items + 1)
            if place < self._sharding.sample:
                self._sample[place] = (self._items, line)
        self._items += 1
        if len(self._lines) >= self._sharding.shard:
            self._finish_slice()

    def _finish_slice(self) -> None:
        name = numbered("slice", len(self._digests))
        content = b"".join(self._lines)
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        first = self._items - len(self._lines)
        stored = self._folder.find_marker(name)
        if stored is None:
            with self._folder.open_to_write(f"{name}.jsonl") as file:
                file.write(content)
            self._folder.finish(name, {"first": first, "digest": digest})
        elif stored["digest"] != digest:
            raise self._mismatch(f"its items {first:,} to {self._items:,} differ")
        self._digests.append(digest)
        self._lines.clear()

    def _finish(self, digest: str, scale: PopularityScale) -> None:
        stored = self._folder.find_marker("catalog")
        if stored is not None:
            if stored["digest"] != digest:
                raise self._mismatch(f"there are {stored['items']:,} items, here {self._items:,}")
            return
        with self._folder.open_to_write("sample.jsonl") as file:
            file.writelines(line for _, line in sorted(self._sample))
        facts = CatalogFacts(
            items=self._items,
            slices=self._digests,
            digest=digest,
            seed=self._options.seed,
            bounds=self._options.bounds,
            cell=self._sharding.cell,
            popularity=scale.attribute,
            top_log=scale.top,
            ranged=list(self._ranged),
        )
        self._folder.finish("catalog", asdict(facts))
