"""Intervals by the bootstrap, differences between systems, and tests corrected for their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 2_000
COVERED = 0.95
# Counts of people in resamples are held in blocks, so that memory does not grow with people.
_BLOCK = 8_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval; *value* is None where there is nothing to measure."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """Return the three, rounded to what they are worth."""
        return {name: _rounded(getattr(self, name)) for name in self.__slots__}


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


class Bootstrap:
    """Resamples people, the same ones for everything that is asked: so differences are paired."""

    def __init__(self, people: int, seed: int = 0, resamples: int = RESAMPLES) -> None:
        self._people = people
        self._seed = seed
        self._resamples = resamples

    def means(self, values: Floats) -> Floats:
        """Return the mean of each column of *values* (people by columns) in each resample."""
        return np.concatenate([weights @ values for weights in self._weights()]) / self._people

    def _weights(self) -> Iterable[Floats]:
        """Return how often each person is in each resample, in blocks."""
        if self._resamples * self._people <= _BLOCK:
            return [self._whole]
        each = max(_BLOCK // self._people, 1)
        counts = [min(each, self._resamples - at) for at in range(0, self._resamples, each)]
        return self._drawn(counts)

    @cached_property
    def _whole(self) -> Floats:
        """All resamples, where they are few enough to be drawn once for all figures."""
        (weights,) = self._drawn([self._resamples])
        return weights

    def _drawn(self, counts: Iterable[int]) -> Iterator[Floats]:
        people = self._people
        chance = np.random.default_rng((self._seed, people))
        for count in counts:
            drawn = chance.multinomial(people, np.full(people, 1 / people), size=count)
            yield drawn.astype(np.float64)

    def estimates(self, values: Floats) -> list[Estimate]:
        """Return each column's mean with its percentile interval."""
        resampled = self.means(values)
        tail = 100 * (1 - COVERED) / 2
        low, high = np.percentile(resampled, (tail, 100 - tail), axis=0)
        triples = zip(values.mean(axis=0), low, high, strict=True)
        return [Estimate(float(m), float(a), float(b)) for m, a, b in triples]

    def ratio(self, above: Floats, below: Floats, less: float = 0.0) -> Estimate:
        """Return the ratio of two means, less a constant, with its interval."""
        if not below.sum():
            return Estimate(None)
        resampled = self.means(np.column_stack([above, below]))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = resampled[:, 0] / resampled[:, 1] - less
        tail = 100 * (1 - COVERED) / 2
        low, high = np.nanpercentile(ratios[np.isfinite(ratios)], (tail, 100 - tail))
        return Estimate(float(above.mean() / below.mean() - less), float(low), float(high))


def jackknife(value: float, without_one: Floats) -> Estimate:
    """Return a figure with its interval from what it is without each person in turn.

    For figures that are no means, such as a count of distinct items, of which a resample with
    repeated people always finds too few.
    """
    from scipy.stats import norm

    people = len(without_one)
    spread = np.sqrt((people - 1) / people * ((without_one - without_one.mean()) ** 2).sum())
    reach = float(norm.ppf((1 + COVERED) / 2) * spread)
    return Estimate(value, max(value - reach, 0.0), min(value + reach, 1.0))


def same_for_all(value: float, people: int) -> Estimate:
    """Return a share that is 0, or 1, for everybody, with the interval of Wilson.

    Resamples of people who are all alike are alike too, and would say that nothing is unsure.
    """
    from scipy.stats import norm

    square = float(norm.ppf((1 + COVERED) / 2)) ** 2
    reach = square / (people + square)
    return Estimate(value, 0.0, reach) if value == 0 else Estimate(value, 1 - reach, 1.0)


def paired_p(one: Floats, other: Floats) -> float:
    """Return the p-value of a paired t-test; 1 where nobody differs, or there are too few.

    The same difference for everybody has no spread to be measured against: there the sign test
    says how likely so many equal signs are.
    """
    from scipy.stats import ttest_rel

    people = len(one)
    if people < 2 or not np.any(one != other):
        return 1.0
    if np.ptp(one - other) == 0:
        return float(min(2 * 0.5**people, 1.0))
    return float(ttest_rel(one, other).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number, by the step-down rule of Holm."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected = [0.0] * len(p_values)
    worst = 0.0
    for rank, place in enumerate(order):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = worst
    return corrected
