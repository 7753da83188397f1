import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.tree.vectors import Vector, combine, looked_up, packed_similarities, similarities

SIZE = 12
WEIGHTS = st.floats(-4, 4, width=16).map(lambda weight: 0.0 if abs(weight) < 1e-3 else weight)
DENSE = st.lists(WEIGHTS, min_size=SIZE, max_size=SIZE).map(lambda made: np.array(made, np.float32))


def sparse_vector(weights):
    ids = np.flatnonzero(weights).astype(np.int32)
    return Vector(weights[ids], ids)


def dense_of(vector):
    if vector.ids is None:
        return vector.weights
    spread = np.zeros(SIZE, np.float32)
    spread[vector.ids] = vector.weights
    return spread


def cosine(one, other):
    lengths = np.linalg.norm(one.astype(float)) * np.linalg.norm(other.astype(float))
    return float(one.astype(float) @ other.astype(float) / lengths) if lengths else 0.0


@pytest.mark.parametrize("make", [Vector, sparse_vector])
@given(query=DENSE, others=st.lists(DENSE, max_size=6))
def test_similarities_are_cosines(make, query, others):
    """They agree with numpy; 0 where a vector has no weight."""
    near = similarities(make(query), [make(other) for other in others])

    assert [pytest.approx(cosine(query, other), abs=1e-5) for other in others] == near.tolist()
    assert np.float32 == near.dtype


@pytest.mark.parametrize("make", [Vector, sparse_vector])
@pytest.mark.parametrize("precise", [False, True])
@given(weights=DENSE)
def test_packing_keeps_weights_and_ids(make, precise, weights):
    """Half precision keeps three digits, single precision all; ids are exact."""
    vector = make(weights)

    packed = vector.to_bytes(precise=precise)
    back = Vector.from_bytes(packed, sparse=vector.ids is not None, precise=precise)

    assert dense_of(vector) == pytest.approx(dense_of(back), rel=0 if precise else 1e-3, abs=0)
    assert np.float32 == back.weights.dtype
    width = 4 if precise else 2
    assert len(vector.weights) * (width + (4 if vector.ids is not None else 0)) == len(packed)


@pytest.mark.parametrize("make", [Vector, sparse_vector])
@given(parts=st.lists(st.tuples(DENSE, st.floats(0, 3, width=16)), min_size=1, max_size=5))
def test_combine_returns_the_weighted_sum(make, parts):
    """Its ids are ascending and unique."""
    total = combine([make(vector) for vector, _ in parts], [weight for _, weight in parts])

    expected = sum(vector.astype(float) * weight for vector, weight in parts)
    assert expected == pytest.approx(dense_of(total), abs=1e-4)
    if total.ids is not None:
        assert sorted(set(total.ids.tolist())) == total.ids.tolist()


def test_combine_without_vectors_returns_none():
    """The kind of vector is unknown."""
    assert combine([], []) is None


@given(DENSE)
def test_unit_has_length_one(weights):
    """The direction stays the same; a vector without weight does not change."""
    unit = Vector(weights).unit().weights

    assert (1 if weights.any() else 0) == pytest.approx(float(np.linalg.norm(unit)), abs=1e-5)
    assert cosine(weights, weights) == pytest.approx(cosine(weights, unit), abs=1e-5)


@given(DENSE, st.integers(1, SIZE))
def test_the_strongest_weights_are_kept(weights, count):
    """A sparse vector keeps its heaviest weights, with ascending ids; a dense one keeps all."""
    vector = sparse_vector(weights)

    strongest = vector.strongest(count)

    heaviest = sorted(np.abs(vector.weights).tolist(), reverse=True)[:count]
    assert heaviest == sorted(np.abs(strongest.weights).tolist(), reverse=True)
    assert sorted(strongest.ids.tolist()) == strongest.ids.tolist()
    assert weights.tolist() == Vector(weights).strongest(count).weights.tolist()


def test_terms_that_the_query_lacks_have_no_weight():
    """Ids before its first and beyond its last one included."""
    query = Vector(np.array([1, 1], np.float32), np.array([3, 5], np.int32))
    other = Vector(np.array([1, 2, 2], np.float32), np.array([0, 5, 9], np.int32))

    assert [pytest.approx(2 / (2**0.5 * 3))] == similarities(query, [other]).tolist()


@pytest.mark.parametrize("sparse", [True, False])
def test_similarities_of_packed_and_unpacked_vectors_are_equal(sparse):
    """To the last bit, also for empty vectors."""
    dice = np.random.default_rng(3)
    vectors = []
    for count in (3, 0, 7, 1, 12):
        count = count if sparse else 9
        ids = np.sort(dice.choice(40, count, replace=False)).astype(np.int32)
        weights = dice.random(count).astype(np.float16).astype(np.float32)
        vectors.append(Vector(weights, ids if sparse else None))
    packed = [each.to_bytes() for each in vectors]

    for query in (vectors[2], vectors[1]):
        expected = similarities(query, vectors)
        assert expected.tolist() == packed_similarities(query, packed, sparse=sparse).tolist()
    assert 0 == len(packed_similarities(vectors[2], [], sparse=sparse))


def test_weights_are_looked_up_by_id():
    """Ids that a vector does not have have no weight."""
    ids = np.array([0, 5, 7, 1_000], np.int32)
    own = Vector(np.array([2, 3], np.float32), np.array([1, 5], np.int32))
    empty = Vector(np.zeros(0, np.float32), np.zeros(0, np.int32))

    assert [0.0, 3.0, 0.0, 0.0] == looked_up(own, ids).tolist()
    assert [0.0, 0.0, 0.0, 0.0] == looked_up(empty, ids).tolist()
