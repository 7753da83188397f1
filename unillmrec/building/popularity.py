"""Turn the counts in a numeric attribute into popularities between 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unillmrec.building.numeric_attributes import as_float
from unillmrec.errors import TreeError
from unillmrec.items import Item
from unillmrec.tree.growing import Shape


@dataclass(frozen=True, slots=True)
class PopularityScale:
    """A logarithmic scale from 0 to 1.

    *attribute* holds the counts; without one, every popularity is 0. *top* is the logarithm that
    maps to 1.
    """

    attribute: str | None
    top: float

    @classmethod
    def up_to(cls, attribute: str | None, highest: float) -> PopularityScale:
        """Return the scale on which the count *highest* maps to 1.

        Raises:
            TreeError: there is an attribute, but no positive count in it.
        """
        if attribute is not None and not highest > 0:
            raise TreeError(
                f"no item has a positive number in the attribute {attribute!r}.",
                detail="Nothing was written.",
                remedy="name an attribute that counts something, or leave --popularity out.",
            )
        return cls(attribute, float(np.log1p(highest)))

    def priors(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the popularity for each count; 0 for negative and unknown counts."""
        if self.attribute is None:
            return np.zeros(len(counts))
        logs = np.log1p(np.maximum(counts, 0))
        priors: NDArray[np.float64] = np.nan_to_num(logs / self.top)
        return priors


def highest_count(counts: Iterable[float]) -> float:
    """Return the highest count, or 0 if none is positive."""
    return max((count for count in counts if count > 0), default=0.0)


def count_of(item: Item, attribute: str) -> float:
    """Return the count in an attribute of an item; NaN if the item has none.

    Raises:
        TreeError: the attribute holds something other than a finite number.
    """
    value = item.attributes.get(attribute)
    count = math.nan if value is None or isinstance(value, str | tuple) else as_float(value)
    if isinstance(value, str | tuple) or math.isinf(count):
        raise TreeError(
            f"item {item.id!r}: the attribute {attribute!r} is {value!r:.80}, "
            "which is not a count.",
            detail="Nothing was written.",
            remedy="name an attribute that holds counts.",
        )
    return count


def mean_priors(shape: Shape, priors: NDArray[np.float64]) -> list[float]:
    """Return the mean popularity of the items of each node."""
    ordered = priors[shape.order]
    return [float(ordered[a:b].mean()) for a, b in zip(shape.starts, shape.ends, strict=True)]
