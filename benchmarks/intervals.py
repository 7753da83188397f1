"""Figures with bootstrap intervals, formatted for tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from unillmrec.evaluation.statistics import Bootstrap, Estimate, same_for_all


def format_estimate(estimate: Estimate | None, digits: int = 3) -> str:
    """Return a figure with its interval."""
    if estimate is None or estimate.value is None:
        return ""
    low, high = estimate.low or 0.0, estimate.high or 0.0
    return f"{estimate.value:,.{digits}f} [{low:,.{digits}f}, {high:,.{digits}f}]"


def first_number(cell: object) -> float:
    """Return the first number of a cell such as `0.041 [0.029, 0.054]`."""
    found = re.match(r"-?[\d,.]+", str(cell))
    return float(found[0].replace(",", "")) if found else float("nan")


def mean(values: Sequence[float] | Any, digits: int = 3) -> str:
    """Return the mean over people, with its interval.

    If it is a yes or no that all share, the interval is Wilson's.
    """
    column = np.asarray(values)
    if column.dtype == bool and (column == column[0]).all():
        return format_estimate(same_for_all(float(column[0]), len(column)), digits)
    (found,) = Bootstrap(len(column)).estimates(column[:, None].astype(float))
    return format_estimate(found, digits)
