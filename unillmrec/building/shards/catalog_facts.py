"""What the shard functions need to know about the whole catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unillmrec.building.numeric_attributes import value_matrix
from unillmrec.building.popularity import PopularityScale, count_of
from unillmrec.building.shards.work_folder import WorkFolder
from unillmrec.items import Item
from unillmrec.tree.growing import Bounds


@dataclass(frozen=True, slots=True)
class CatalogFacts:
    """Totals and options of a catalog that was cut into slices.

    *slices* are the digests of the slices, *digest* is that of all input and options. *cell* is
    the number of items that a cell should have. *ranged* names the attributes whose value ranges
    describe nodes. *top_log* is the `PopularityScale.top`.
    """

    items: int
    slices: list[str]
    digest: str
    seed: int
    bounds: Bounds
    cell: int
    popularity: str | None
    top_log: float
    ranged: list[str]

    @classmethod
    def read(cls, folder: WorkFolder) -> CatalogFacts:
        """Read the facts that slicing left in the work folder."""
        stored = folder.marker("catalog")
        return cls(**{**stored, "bounds": Bounds(**stored["bounds"])})

    def values(self, items: Sequence[Item]) -> NDArray[np.float64]:
        """Return a row for each item: its ranged attributes, and last its popularity count."""
        counts = np.full((len(items), 1), np.nan)
        if self.popularity is not None:
            counts[:, 0] = [count_of(item, self.popularity) for item in items]
        return np.hstack([value_matrix(items, self.ranged), counts])

    def priors(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the popularity, between 0 and 1, for each row of `values`."""
        return PopularityScale(self.popularity, self.top_log).priors(values[:, -1])
