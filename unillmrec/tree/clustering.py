"""Split points into balanced groups of like ones: a local LSA, then spherical k-means."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from unillmrec.tree.vectors import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Labels = NDArray[np.int64]

# Twice or four times the dimensions found no more on five catalogs, and took as much longer.
LSA_DIMENSIONS = 32
LSA_SAMPLE = 4_000
OVERSAMPLED = 8
POWER_ROUNDS = 3
ROUNDING = 1e-6
CENTRE_SAMPLE = 256
PRICE_SAMPLE = 16_384
COUNTED_AT_ONCE = 2_000_000
ROUNDS = 12
SETTLED = 1e-4
SETTLING_ROUNDS = 4
# A group smaller than this share of an even one is dissolved: its branch would cost a line
# in every prompt and lead to next to nothing.
TINY_SHARE = 0.2


def one_thread() -> threadpool_limits:
    """Return a context in which the numeric libraries use one thread each.

    Clustering is many small problems: a second thread makes each of them slower, and
    rounds differently, so that the same seed would not give the same tree.
    """
    return threadpool_limits(1)


def cluster_rows(rows: csr_matrix, count: int, cap: int, seed: tuple[int, ...]) -> Labels:
    """Part sparse unit *rows* into at most *count* groups of at most *cap*, none of them tiny.

    A projection of the whole catalog is blind to fine topics; inside one node a few
    dimensions are enough to find the groups. Which group a row belongs to is then settled
    by all of its terms, as it will be when a judge compares them or an item is inserted.
    """
    generator = np.random.default_rng(seed)
    rows = _without_unused_columns(rows)
    labels = cluster_points(_local_coordinates(rows, generator), count, cap, seed)
    for _ in range(SETTLING_ROUNDS):
        settled = _settled(rows, labels, cap)
        if np.array_equal(settled, labels):
            break
        labels = settled
    return labels


def _without_unused_columns(rows: csr_matrix) -> csr_matrix:
    if len(rows.indices) < rows.shape[1]:
        used, columns = np.unique(rows.indices, return_inverse=True)
        shape = (rows.shape[0], max(len(used), 1))
        return _sparse(rows.data, columns.astype(np.int32), rows.indptr, shape)
    # Sorting millions of columns takes seconds, marking those in use next to nothing.
    marked = np.zeros(rows.shape[1], bool)
    marked[rows.indices] = True
    if marked.all():
        return rows
    places = np.cumsum(marked, dtype=np.int32)
    shape = (rows.shape[0], int(places[-1]))
    return _sparse(rows.data, places[rows.indices] - 1, rows.indptr, shape)


def _settled(rows: csr_matrix, labels: Labels, cap: int) -> Labels:
    """Move each row to the group whose centre is nearest by all terms, within *cap*."""
    closeness: Floats = np.asarray(rows @ _centres_by_terms(rows, labels), np.float32)
    price = _fair_price(closeness, np.zeros(closeness.shape[1], np.float32), cap)
    return _without_tiny(closeness, _within_cap(closeness - price, cap), cap)


def _centres_by_terms(rows: csr_matrix, labels: Labels) -> Floats:
    """Return the centre of each group as a column of length one.

    Counting takes half the time of a product of sparse matrices; it is done in parts, for each
    of them is copied in double precision.
    """
    count = int(labels.max()) + 1
    owners = np.repeat(labels.astype(np.int32), np.diff(rows.indptr))
    sums = np.zeros(rows.shape[1] * count)
    for first in range(0, len(owners), COUNTED_AT_ONCE):
        part = slice(first, first + COUNTED_AT_ONCE)
        # A column's groups stand together, so that the product runs through memory in order.
        places = rows.indices[part] * np.int64(count) + owners[part]
        sums += np.bincount(places, rows.data[part], len(sums))
    centres = sums.reshape(-1, count)
    lengths = np.sqrt(np.einsum("ij,ij->j", centres, centres))
    return (centres / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _local_coordinates(rows: csr_matrix, generator: np.random.Generator) -> Floats:
    """Return unit coordinates in the few directions that part these rows best.

    Rows without weight share a direction of their own.
    """
    sample = rows
    if rows.shape[0] > LSA_SAMPLE:
        sample = rows[np.sort(generator.choice(rows.shape[0], LSA_SAMPLE, replace=False))]
    directions = _main_directions(sample, min(LSA_DIMENSIONS, *sample.shape), generator)
    points: Floats = np.ascontiguousarray(rows @ directions)
    empty = np.diff(rows.indptr) == 0
    if empty.any():
        points = np.hstack([points, empty[:, None].astype(np.float32)])
    return unit_rows(points)


def _sparse(
    data: Floats, columns: NDArray[np.int32], ends: NDArray[np.integer], shape: tuple[int, int]
) -> csr_matrix:
    from scipy.sparse import csr_matrix

    return csr_matrix((data, columns, ends), shape=shape)


def _main_directions(sample: csr_matrix, count: int, generator: np.random.Generator) -> Floats:
    """Return the *count* strongest right singular vectors, as columns, by random projection."""
    width = min(count + OVERSAMPLED, *sample.shape)
    # Drawn for the rows, which are fewer than the columns.
    basis = generator.standard_normal((sample.shape[0], width), np.float32)
    for _ in range(POWER_ROUNDS):
        basis = _kept_apart(sample @ (sample.T @ basis))
    narrow = sample.T @ basis
    # The singular vectors of something narrow come from a square as small as it is narrow.
    squares, turned = np.linalg.eigh(narrow.T @ narrow)
    strongest = slice(None, -count - 1, -1)
    # Where the rows have fewer directions than were asked for, the rest is rounding.
    there = squares[strongest] > ROUNDING * squares.max(initial=0)
    scale = np.where(there, 1 / np.sqrt(np.where(there, squares[strongest], 1)), 0)
    return np.ascontiguousarray(narrow @ (turned[:, strongest] * scale), dtype=np.float32)


def _kept_apart(columns: Floats) -> Floats:
    """Return columns that span the same and stand square to each other, but for rounding.

    By a decomposition of their small square, which takes a fraction of the time of theirs.
    """
    # In single precision the square of like columns would not be positive.
    doubled = columns.astype(np.float64)
    square = doubled.T @ doubled
    # Columns without weight of their own would have none to divide by.
    least = np.eye(len(square)) * (ROUNDING * float(np.trace(square)) or 1.0)
    upright = np.linalg.inv(np.linalg.cholesky(square + least))
    return columns @ upright.T.astype(np.float32)


def unit_rows(points: Floats) -> Floats:
    """Return the rows with length one; rows without weight stay zero."""
    # Unlike a norm this needs no copies of the points, of which there may be gigabytes.
    lengths = np.sqrt(np.einsum("ij,ij->i", points, points))[:, None]
    return (points / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)


def cluster_points(points: Floats, count: int, cap: int, seed: tuple[int, ...]) -> Labels:
    """Part unit *points* into at most *count* groups of at most *cap*, and none of them tiny.

    The groups are numbered from zero without a gap.
    """
    generator = np.random.default_rng(seed)
    total = len(points)
    assert count * cap >= total, f"{count} groups of {cap} cannot hold {total} points"
    sample = points
    if total > CENTRE_SAMPLE * count:
        sample = points[generator.choice(total, CENTRE_SAMPLE * count, replace=False)]
    centres, price = _settled_centres(sample, count, cap / total, generator)
    closeness = points @ centres.T
    price = _fair_price(closeness, price, cap)
    labels = _within_cap(closeness - price, cap)
    return _without_tiny(closeness, labels, cap)


def _settled_centres(
    sample: Floats, count: int, share: float, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return centres, and what each charges so that none draws much more than its *share*."""
    centres = _spread_points(sample, count, generator)
    price = np.zeros(count, np.float32)
    for _ in range(ROUNDS):
        closeness = sample @ centres.T
        price = _priced(closeness, price, math.ceil(share * len(sample)), rounds=4)
        labels = np.argmax(closeness - price, axis=1)
        # A product sums the groups many times faster than adding point by point.
        members = (labels == np.arange(count)[:, None]).astype(np.float32)
        moved = unit_rows(members @ sample)
        # A centre nobody chose stays where it was: its price falls until somebody does.
        empty = np.bincount(labels, minlength=count) == 0
        moved[empty] = centres[empty]
        if np.abs(moved - centres).max() < SETTLED:
            break
        centres = moved
    return centres, price


def _spread_points(points: Floats, count: int, generator: np.random.Generator) -> Floats:
    """Draw *count* of *points*, far from one another: the greedy k-means++.

    scikit-learn's takes several times as long for a few hundred points, mostly over checks.
    """
    chosen = [int(generator.integers(len(points)))]
    apart = np.maximum(1 - points @ points[chosen[0]], 0)
    for drawn in generator.random((count - 1, 2 + int(math.log(count)))):
        up_to = np.cumsum(apart, dtype=np.float64)
        candidates = np.minimum(np.searchsorted(up_to, drawn * up_to[-1]), len(points) - 1)
        left = np.minimum(apart, np.maximum(1 - points[candidates] @ points.T, 0))
        # Of the candidates, the one that leaves the others nearest to something chosen.
        best = int(np.argmin(left.sum(axis=1)))
        chosen.append(int(candidates[best]))
        apart = left[best]
    return points[chosen]


def _fair_price(closeness: Floats, price: Floats, cap: int) -> Floats:
    """Return prices under which few points crowd into groups over *cap*, found on a sample.

    What is still over afterwards is moved point by point.
    """
    step = max(1, len(closeness) // PRICE_SAMPLE)
    sample = closeness[::step]
    return _priced(sample, price, math.ceil(cap / len(closeness) * len(sample)))


def _priced(closeness: Floats, price: Floats, cap: int, rounds: int = 24) -> Floats:
    """Return prices under which fewer points crowd into groups over *cap*."""
    step = _spread(closeness) * 0.5 + 1e-6
    even = len(closeness) / closeness.shape[1]
    for _ in range(rounds):
        sizes = np.bincount(np.argmax(closeness - price, axis=1), minlength=len(price))
        if sizes.max() <= cap:
            break
        excess = np.clip((sizes - even) / even, -1, 1)
        price = (price + step * excess).astype(np.float32)
        step *= 0.85
    return price


def _spread(values: Floats) -> float:
    """Return the standard deviation of *values*, without a copy of them."""
    flat = values.ravel()
    mean = float(flat.mean(dtype=np.float64))
    return math.sqrt(max(float(np.dot(flat, flat)) / len(flat) - mean * mean, 0))


def _within_cap(preference: Floats, cap: int) -> Labels:
    """Give each point its preferred group, moving the least attached on where one overflows."""
    count = preference.shape[1]
    preference = preference.copy()
    labels: Labels = np.argmax(preference, axis=1)
    for _ in range(count):
        sizes = np.bincount(labels, minlength=count)
        over = np.flatnonzero(sizes > cap)
        if not len(over):
            break
        # Full groups take nobody further, so each round leaves at least one more group settled.
        closed = sizes >= cap
        for group in over:
            members = np.flatnonzero(labels == group)
            others = np.where(closed, -np.inf, preference[members])
            attached = preference[members, group] - others.max(axis=1)
            leaving = np.argsort(attached, kind="stable")[: len(members) - cap]
            labels[members[leaving]] = np.argmax(others[leaving], axis=1)
    return labels


def _without_tiny(closeness: Floats, labels: Labels, cap: int) -> Labels:
    """Dissolve groups far below an even share, the smallest first, and close the numbering.

    One that the others have no room for is filled up out of them instead.
    """
    count = closeness.shape[1]
    least = max(2, math.ceil(TINY_SHARE * len(labels) / count))
    for _ in range(count):
        sizes = np.bincount(labels, minlength=count)
        tiny = np.flatnonzero((sizes > 0) & (sizes < least))
        if not len(tiny):
            break
        group = int(tiny[np.argmin(sizes[tiny])])
        others = (sizes > 0) & (np.arange(count) != group)
        if int((cap - sizes)[others].sum()) >= sizes[group]:
            _dissolve(closeness, labels, group, np.where(others, cap - sizes, 0))
        else:
            _fill_up(closeness, labels, group, least)
    _, closed = np.unique(labels, return_inverse=True)
    numbered: Labels = closed.astype(np.int64)
    return numbered


def _dissolve(closeness: Floats, labels: Labels, group: int, room: Labels) -> None:
    """Move the members of *group* to the nearest groups that have *room*."""
    for member in np.flatnonzero(labels == group):
        chosen = int(np.argmax(np.where(room > 0, closeness[member], -np.inf)))
        labels[member] = chosen
        room[chosen] -= 1


def _fill_up(closeness: Floats, labels: Labels, group: int, least: int) -> None:
    """Move to *group* the points of larger groups that lose least by it, until it has *least*."""
    loss = closeness[np.arange(len(labels)), labels] - closeness[:, group]
    sizes = np.bincount(labels, minlength=closeness.shape[1])
    for point in np.argsort(loss, kind="stable"):
        if sizes[group] >= least:
            break
        if sizes[labels[point]] > least:
            sizes[labels[point]] -= 1
            sizes[group] += 1
            labels[point] = group
