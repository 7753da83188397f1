import random

import pytest

from benchmarks import fuzz
from tests import trees
from unillmrec.testing.garbage import KINDS, disguised, garbage_reply, huge_reply, valid_reply


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return trees.tree(tmp_path_factory.mktemp("trees"))


def test_no_reply_is_read_as_what_it_does_not_say():
    """A sample of the benchmark: any text in, numbers of the list out, each of them once."""
    counts = fuzz.read_some(500, seed=1)

    assert counts["disguised, read exactly"] > 20


def test_no_reply_makes_a_recommendation_fail(tree, monkeypatch):
    """A sample of the benchmark: garbage in every stage, and k valid items in the end."""
    monkeypatch.setattr(fuzz, "WHERE", ("year > 1850", "not 'sea' in subjects", None))

    counts = fuzz.walk_some(tree, 200, seed=1)

    assert counts["replies"] >= 200
    assert counts["fallbacks"] > counts["recommendations"]


def test_megabytes_are_read_in_a_moment():
    """Five of them, looked at in three ways."""
    assert 5 > fuzz.read_huge(1, seed=2)


def test_the_check_refuses_what_it_should():
    """A reply that says something else is not taken for the same."""
    with pytest.raises(fuzz.UnreadableError):
        fuzz.check_same('{"order": [1, 2]}', '{"order": [2, 1]}', 2)


@pytest.mark.parametrize("kind", KINDS)
def test_garbage_is_always_the_same(kind):
    """What failed once can be looked at again."""
    first, second = (KINDS[kind](random.Random(5), 9) for _ in range(2))

    assert first == second


def test_garbage_is_of_all_kinds():
    """Some of it can be used, some not; a disguise keeps what it disguises."""
    chance = random.Random(1)
    texts = [garbage_reply(chance, 9) for _ in range(200)]

    assert len(set(texts)) > 150
    assert {True, False} == {fuzz.check_reading(text, 9) for text in texts}
    assert 1000 == len(huge_reply(chance, 1000))
    text = valid_reply(chance, 9)
    assert text != disguised(chance, text)
