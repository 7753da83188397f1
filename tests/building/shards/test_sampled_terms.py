import pytest

from tests import trees
from unillmrec.building.shards.sampled_terms import TermWeigher, learn_vocabulary
from unillmrec.items import Item
from unillmrec.tree.terms import TermCounter


def test_terms_are_weighed_as_in_memory():
    """With all items in the sample, rows and vocabulary equal those of a build in memory."""
    for catalog in (trees.items(), [Item(str(n), f"Title {n % 40}") for n in range(90)]):
        counter = TermCounter()
        for item in catalog:
            counter.add(item)
        expected, expected_rows = counter.finish()
        vocabulary = learn_vocabulary(catalog, len(catalog))
        rows = TermWeigher(vocabulary, len(catalog)).rows(catalog)

        assert dict(expected.counts()) == dict(vocabulary.counts())
        assert expected.with_ngrams == vocabulary.with_ngrams
        order = [vocabulary.terms.index(term) for term in expected.terms]
        assert expected_rows.toarray() == pytest.approx(rows.toarray()[:, order], abs=1e-5)


def test_terms_that_a_sample_uses_once_are_kept():
    """The rest of the catalog is likely to use them again."""
    catalog = [Item(str(n), f"shared word{n}", "shared") for n in range(20)]

    assert 21 == len(learn_vocabulary(catalog, 10_000).terms)
    assert {500, 10_000} == set(learn_vocabulary(catalog, 10_000).used_by.tolist())
