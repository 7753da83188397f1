import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.tree.vector_rows import UnpackedVectors, row_vector, stack_rows
from unillmrec.tree.vectors import Vector, sum_vectors

SPARSE = st.dictionaries(st.integers(0, 30), st.floats(0.125, 4, width=16), max_size=8)


def vector(weights):
    """Return a sparse vector, given weights by id."""
    ids = sorted(weights)
    return Vector(np.array([weights[i] for i in ids], np.float32), np.array(ids, np.int32))


def dense(each):
    """Return a sparse vector as an array."""
    row = np.zeros(31, np.float32)
    row[each.ids] = each.weights
    return row


@given(st.lists(SPARSE, min_size=1, max_size=5), SPARSE)
def test_unpacked_vectors_compute_what_a_matrix_does(rows, query):
    """Products, norms and sums are those of the arrays."""
    vectors = [vector(each) for each in rows]
    stack = UnpackedVectors.unpack(
        [each.to_bytes() for each in vectors], sparse=True, precise=False
    )
    matrix = np.stack([dense(each) for each in vectors])
    asked = vector(query)

    np.testing.assert_allclose(matrix @ dense(asked), stack.products(asked), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), stack.norms(), rtol=1e-5)
    both = dense(stack.with_sum([asked]))
    np.testing.assert_allclose(matrix.sum(axis=0) + dense(asked), both, rtol=1e-5)


def test_dense_vectors_can_be_unpacked_too():
    """They have the same methods."""
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    packed = [Vector(row).to_bytes(precise=True) for row in rows]
    stack = UnpackedVectors.unpack(packed, sparse=False, precise=True)
    query = Vector(np.array([1, 0, 2], np.float32))

    assert (rows @ query.weights).tolist() == stack.products(query).tolist()
    assert rows.sum(axis=0).tolist() == stack.with_sum([]).weights.tolist()
    assert (
        query.weights.tolist()
        == UnpackedVectors.unpack([], sparse=False, precise=True).with_sum([query]).weights.tolist()
    )


@given(st.lists(SPARSE, min_size=1, max_size=5))
def test_vectors_survive_as_rows(rows):
    """A row of the matrix is the vector it was made of, and sums agree."""
    vectors = [vector(each) for each in rows]
    matrix = stack_rows(vectors, 31)

    for number, each in enumerate(vectors):
        assert dense(each).tolist() == dense(row_vector(matrix, number)).tolist()
    total = np.sum([dense(each) for each in vectors], axis=0)
    np.testing.assert_allclose(total, dense(sum_vectors(vectors)), rtol=1e-5)
