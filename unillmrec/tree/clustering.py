"""Cluster points into balanced groups: a local LSA, then spherical k-means."""

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

# Two or four times as many dimensions gave no better trees for five catalogs, and took that much
# longer.
LSA_DIMENSIONS = 32
LSA_SAMPLE = 4_000
OVERSAMPLED = 8
POWER_ROUNDS = 3
ROUNDING = 1e-6
CENTRE_SAMPLE = 256
PRICE_SAMPLE = 16_384
COUNTED_AT_ONCE = 2_000_000
ROUNDS = 12
CONVERGED = 1e-4
REFINING_ROUNDS = 4
# A group smaller than this share of an even one is dissolved: its branch would cost a line in
# every prompt but lead to hardly any items.
TINY_SHARE = 0.2


def one_thread() -> threadpool_limits:
    """Return a context in which the numeric libraries use one thread each.

    Clustering solves many small problems. A second thread makes each of them slower and rounds
    differently, so that the same seed would not give the same tree.
    """
    return threadpool_limits(1)


def cluster_rows(rows: csr_matrix, count: int, cap: int, seed: tuple[int, ...]) -> Labels:
    """Return a group for each of the sparse unit *rows*: at most *count* groups of at most *cap*.

    A projection of the whole catalog does not see fine topics, but inside one node a few
    dimensions are enough to find the groups. All terms of a row then decide which group it
    belongs to, as they do when a judge compares nodes or an item is inserted. No group is tiny.
    """
    generator = np.random.default_rng(seed)
    rows = _drop_unused_columns(rows)
    labels = cluster_points(_local_coordinates(rows, generator), count, cap, seed)
    for _ in range(REFINING_ROUNDS):
        refined = _refine(rows, labels, cap)
        if np.array_equal(refined, labels):
            break
        labels = refined
    return labels


def _drop_unused_columns(rows: csr_matrix) -> csr_matrix:
    if len(rows.indices) < rows.shape[1]:
        used, columns = np.unique(rows.indices, return_inverse=True)
        shape = (rows.shape[0], max(len(used), 1))
        return _sparse(rows.data, columns.astype(np.int32), rows.indptr, shape)
    # Sorting millions of column numbers takes seconds; marking the used columns is fast.
    is_used = np.zeros(rows.shape[1], bool)
    is_used[rows.indices] = True
    if is_used.all():
        return rows
    places = np.cumsum(is_used, dtype=np.int32)
    shape = (rows.shape[0], int(places[-1]))
    return _sparse(rows.data, places[rows.indices] - 1, rows.indptr, shape)


def _refine(rows: csr_matrix, labels: Labels, cap: int) -> Labels:
    """Move each row to the group with the nearest centre by all terms, within *cap*."""
    closeness: Floats = np.asarray(rows @ _centres_by_terms(rows, labels), np.float32)
    price = _sampled_prices(closeness, np.zeros(closeness.shape[1], np.float32), cap)
    return _dissolve_tiny(closeness, _assign_within_cap(closeness - price, cap), cap)


def _centres_by_terms(rows: csr_matrix, labels: Labels) -> Floats:
    """Return the centre of each group as a column of length one.

    Counting takes half the time of a product of sparse matrices. It is done in parts, because
    each part is copied in double precision.
    """
    count = int(labels.max()) + 1
    owners = np.repeat(labels.astype(np.int32), np.diff(rows.indptr))
    sums = np.zeros(rows.shape[1] * count)
    for first in range(0, len(owners), COUNTED_AT_ONCE):
        part = slice(first, first + COUNTED_AT_ONCE)
        # The groups of a column are adjacent, so that the product reads memory in order.
        places = rows.indices[part] * np.int64(count) + owners[part]
        sums += np.bincount(places, rows.data[part], len(sums))
    centres = sums.reshape(-1, count)
    lengths = np.sqrt(np.einsum("ij,ij->j", centres, centres))
    return (centres / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _local_coordinates(rows: csr_matrix, generator: np.random.Generator) -> Floats:
    """Return unit coordinates in the few directions that separate these rows best.

    Rows without weight share an additional direction.
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
    # There are fewer rows than columns, so random numbers are drawn for rows.
    basis = generator.standard_normal((sample.shape[0], width), np.float32)
    for _ in range(POWER_ROUNDS):
        basis = _orthogonalize(sample @ (sample.T @ basis))
    narrow = sample.T @ basis
    # The singular vectors of a narrow matrix follow from its small Gram matrix.
    squares, rotation = np.linalg.eigh(narrow.T @ narrow)
    strongest = slice(None, -count - 1, -1)
    # If the rows have fewer directions than *count*, the rest are rounding errors.
    is_direction = squares[strongest] > ROUNDING * squares.max(initial=0)
    scale = np.where(is_direction, 1 / np.sqrt(np.where(is_direction, squares[strongest], 1)), 0)
    return np.ascontiguousarray(narrow @ (rotation[:, strongest] * scale), dtype=np.float32)


def _orthogonalize(columns: Floats) -> Floats:
    """Return orthogonal columns that span the same space, up to rounding errors.

    Decomposing their small Gram matrix is much faster than decomposing the columns.
    """
    # In single precision, the Gram matrix of similar columns would not be positive.
    doubles = columns.astype(np.float64)
    gram = doubles.T @ doubles
    # Without this, columns that depend on others would cause a division by zero.
    least = np.eye(len(gram)) * (ROUNDING * float(np.trace(gram)) or 1.0)
    inverse = np.linalg.inv(np.linalg.cholesky(gram + least))
    return columns @ inverse.T.astype(np.float32)


def unit_rows(points: Floats) -> Floats:
    """Return the rows scaled to length one; rows without weight stay zero."""
    # Unlike numpy.linalg.norm, this does not copy the points, which may take gigabytes.
    lengths = np.sqrt(np.einsum("ij,ij->i", points, points))[:, None]
    return (points / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)


def cluster_points(points: Floats, count: int, cap: int, seed: tuple[int, ...]) -> Labels:
    """Return a group for each of the unit *points*: at most *count* groups of at most *cap*.

    The groups are numbered from zero without gaps, and none is tiny.
    """
    generator = np.random.default_rng(seed)
    total = len(points)
    assert count * cap >= total, f"{count} groups of {cap} cannot hold {total} points"
    sample = points
    if total > CENTRE_SAMPLE * count:
        sample = points[generator.choice(total, CENTRE_SAMPLE * count, replace=False)]
    centres, price = _find_centres(sample, count, cap / total, generator)
    closeness = points @ centres.T
    price = _sampled_prices(closeness, price, cap)
    labels = _assign_within_cap(closeness - price, cap)
    return _dissolve_tiny(closeness, labels, cap)


def _find_centres(
    sample: Floats, count: int, share: float, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return centres, and prices that keep a centre from attracting much more than its *share*."""
    centres = _draw_distant_points(sample, count, generator)
    price = np.zeros(count, np.float32)
    for _ in range(ROUNDS):
        closeness = sample @ centres.T
        price = _adjust_prices(closeness, price, math.ceil(share * len(sample)), rounds=4)
        labels = np.argmax(closeness - price, axis=1)
        # A matrix product sums the groups much faster than adding point by point.
        members = (labels == np.arange(count)[:, None]).astype(np.float32)
        moved = unit_rows(members @ sample)
        # A centre without points stays where it is: its price falls until a point chooses it.
        empty = np.bincount(labels, minlength=count) == 0
        moved[empty] = centres[empty]
        if np.abs(moved - centres).max() < CONVERGED:
            break
        centres = moved
    return centres, price


def _draw_distant_points(points: Floats, count: int, generator: np.random.Generator) -> Floats:
    """Draw *count* points far from each other, with greedy k-means++.

    The version of scikit-learn takes several times as long for a few hundred points, mostly for
    checks.
    """
    indices = [int(generator.integers(len(points)))]
    distances = np.maximum(1 - points @ points[indices[0]], 0)
    for drawn in generator.random((count - 1, 2 + int(math.log(count)))):
        up_to = np.cumsum(distances, dtype=np.float64)
        candidates = np.minimum(np.searchsorted(up_to, drawn * up_to[-1]), len(points) - 1)
        nearer = np.minimum(distances, np.maximum(1 - points[candidates] @ points.T, 0))
        # The best candidate leaves all points nearest to one that was chosen.
        best = int(np.argmin(nearer.sum(axis=1)))
        indices.append(int(candidates[best]))
        distances = nearer[best]
    return points[indices]


def _sampled_prices(closeness: Floats, price: Floats, cap: int) -> Floats:
    """Return prices, found on a sample, with which few groups exceed *cap*.

    Remaining excess points are moved one by one later.
    """
    step = max(1, len(closeness) // PRICE_SAMPLE)
    sample = closeness[::step]
    return _adjust_prices(sample, price, math.ceil(cap / len(closeness) * len(sample)))


def _adjust_prices(closeness: Floats, price: Floats, cap: int, rounds: int = 24) -> Floats:
    """Raise the prices of large groups until few points exceed *cap*."""
    step = _standard_deviation(closeness) * 0.5 + 1e-6
    even = len(closeness) / closeness.shape[1]
    for _ in range(rounds):
        sizes = np.bincount(np.argmax(closeness - price, axis=1), minlength=len(price))
        if sizes.max() <= cap:
            break
        excess = np.clip((sizes - even) / even, -1, 1)
        price = (price + step * excess).astype(np.float32)
        step *= 0.85
    return price


def _standard_deviation(values: Floats) -> float:
    """Return the standard deviation of *values* without copying them."""
    flat = values.ravel()
    mean = float(flat.mean(dtype=np.float64))
    return math.sqrt(max(float(np.dot(flat, flat)) / len(flat) - mean * mean, 0))


def _assign_within_cap(preference: Floats, cap: int) -> Labels:
    """Assign each point to its preferred group, but move the least attached out of full groups."""
    count = preference.shape[1]
    preference = preference.copy()
    labels: Labels = np.argmax(preference, axis=1)
    for _ in range(count):
        sizes = np.bincount(labels, minlength=count)
        over = np.flatnonzero(sizes > cap)
        if not len(over):
            break
        # Full groups accept no more points, so each round completes at least one group.
        closed = sizes >= cap
        for group in over:
            members = np.flatnonzero(labels == group)
            others = np.where(closed, -np.inf, preference[members])
            attached = preference[members, group] - others.max(axis=1)
            leaving = np.argsort(attached, kind="stable")[: len(members) - cap]
            labels[members[leaving]] = np.argmax(others[leaving], axis=1)
    return labels


def _dissolve_tiny(closeness: Floats, labels: Labels, cap: int) -> Labels:
    """Dissolve groups far below an even share, smallest first, and number the rest without gaps.

    A tiny group that fits nowhere else gets more points from the others instead.
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
    _, numbers = np.unique(labels, return_inverse=True)
    renumbered: Labels = numbers.astype(np.int64)
    return renumbered


def _dissolve(closeness: Floats, labels: Labels, group: int, room: Labels) -> None:
    """Move the members of *group* to the nearest groups that have *room*."""
    for member in np.flatnonzero(labels == group):
        nearest = int(np.argmax(np.where(room > 0, closeness[member], -np.inf)))
        labels[member] = nearest
        room[nearest] -= 1


def _fill_up(closeness: Floats, labels: Labels, group: int, least: int) -> None:
    """Move points of larger groups to *group* until it has *least*, the closest ones first."""
    loss = closeness[np.arange(len(labels)), labels] - closeness[:, group]
    sizes = np.bincount(labels, minlength=closeness.shape[1])
    for point in np.argsort(loss, kind="stable"):
        if sizes[group] >= least:
            break
        if sizes[labels[point]] > least:
            sizes[labels[point]] -= 1
            sizes[group] += 1
            labels[point] = group
