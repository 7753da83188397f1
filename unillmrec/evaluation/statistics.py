"""Bootstrap confidence intervals, paired tests, and correction for multiple comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 2_000
COVERED = 0.95
# Weights are computed in blocks of this many numbers, so that memory does not grow with people.
_BLOCK = 8_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric with its interval; *value* is None if there is nothing to measure."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """Return value, low and high with five significant digits."""
        return {name: _round(getattr(self, name)) for name in self.__slots__}


def _round(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


class Bootstrap:
    """Resamples people, the same ones for every metric, so that differences are paired."""

    def __init__(self, people: int, seed: int = 0, resamples: int = RESAMPLES) -> None:
        self._people = people
        self._seed = seed
        self._resamples = resamples

    def means(self, values: Floats) -> Floats:
        """Return the mean of each column of *values* (people by columns) in each resample."""
        return np.concatenate([weights @ values for weights in self._weights()]) / self._people

    def _weights(self) -> Iterable[Floats]:
        """Return how often each person is in each resample, in blocks of resamples."""
        if self._resamples * self._people <= _BLOCK:
            return [self._all_weights]
        size = max(_BLOCK // self._people, 1)
        counts = [min(size, self._resamples - at) for at in range(0, self._resamples, size)]
        return self._sample(counts)

    @cached_property
    def _all_weights(self) -> Floats:
        """The weights of all resamples, if they fit into one block."""
        (weights,) = self._sample([self._resamples])
        return weights

    def _sample(self, counts: Iterable[int]) -> Iterator[Floats]:
        people = self._people
        chance = np.random.default_rng((self._seed, people))
        for count in counts:
            weights = chance.multinomial(people, np.full(people, 1 / people), size=count)
            yield weights.astype(np.float64)

    def estimates(self, values: Floats) -> list[Estimate]:
        """Return the mean of each column with its percentile interval."""
        resampled = self.means(values)
        tail = 100 * (1 - COVERED) / 2
        low, high = np.percentile(resampled, (tail, 100 - tail), axis=0)
        triples = zip(values.mean(axis=0), low, high, strict=True)
        return [Estimate(float(m), float(a), float(b)) for m, a, b in triples]

    def ratio(self, above: Floats, below: Floats, less: float = 0.0) -> Estimate:
        """Return the ratio of two means minus the constant *less*, with its interval."""
        if not below.sum():
            return Estimate(None)
        resampled = self.means(np.column_stack([above, below]))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = resampled[:, 0] / resampled[:, 1] - less
        tail = 100 * (1 - COVERED) / 2
        low, high = np.nanpercentile(ratios[np.isfinite(ratios)], (tail, 100 - tail))
        return Estimate(float(above.mean() / below.mean() - less), float(low), float(high))


def jackknife(value: float, without_one: Floats) -> Estimate:
    """Return *value* with an interval from its values without each person in turn.

    It is for metrics that are not means. The bootstrap would underestimate a count of distinct
    items, for example, because resamples repeat people.
    """
    from scipy.stats import norm

    people = len(without_one)
    spread = np.sqrt((people - 1) / people * ((without_one - without_one.mean()) ** 2).sum())
    reach = float(norm.ppf((1 + COVERED) / 2) * spread)
    return Estimate(value, max(value - reach, 0.0), min(value + reach, 1.0))


def same_for_all(value: float, people: int) -> Estimate:
    """Return a share of 0 or 1 with its Wilson interval.

    If all people have the same value, so do all resamples: the bootstrap interval would be empty.
    """
    from scipy.stats import norm

    square = float(norm.ppf((1 + COVERED) / 2)) ** 2
    reach = square / (people + square)
    return Estimate(value, 0.0, reach) if value == 0 else Estimate(value, 1 - reach, 1.0)


def paired_p(one: Floats, other: Floats) -> float:
    """Return the p-value of a paired t-test; 1 if there is no difference or only one person.

    If the difference is the same for everybody, it has no variance, and the sign test is used.
    """
    from scipy.stats import ttest_rel

    people = len(one)
    if people < 2 or not np.any(one != other):
        return 1.0
    if np.ptp(one - other) == 0:
        return float(min(2 * 0.5**people, 1.0))
    return float(ttest_rel(one, other).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for multiple comparisons by Holm's step-down method."""
    order = sorted(range(len(p_values)), key=lambda position: p_values[position])
    corrected = [0.0] * len(p_values)
    worst = 0.0
    for rank, position in enumerate(order):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[position]))
        corrected[position] = worst
    return corrected
