from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from unillmrec.judge import Choice, Interest, Profile, Question
from unillmrec.stages.rotation import rotate_choices, rotate_question
from unillmrec.usage import Stage

CHOICES = [Choice(n, f"line {n}", key) for n, key in enumerate((7, 1, 12, 5, 30, 2), start=1)]


def keys(choices):
    return [choice.key for choice in choices]


def question(kind, likes="quiet things"):
    profile = Profile((Interest(likes, 1.0),))
    return Question(kind, Stage.RECALL, profile, tuple(CHOICES), 3)


@given(st.integers(0, 9999), st.text(max_size=5))
def test_a_list_is_rotated_not_shuffled(seed, about):
    """Neighbours stay neighbours, and nothing is lost."""
    turned = keys(rotate_choices(CHOICES, seed, about))

    start = keys(CHOICES).index(turned[0])
    assert keys(CHOICES)[start:] + keys(CHOICES)[:start] == turned


def test_every_choice_is_equally_likely_to_come_first():
    """Over many seeds, each choice is first about as often as any other."""
    first = Counter(rotate_choices(CHOICES, seed)[0].key for seed in range(3000))

    assert set(keys(CHOICES)) == set(first)
    assert all(400 < count < 600 for count in first.values())


@given(st.integers(0, 999), st.integers(0, 5))
def test_a_missing_choice_does_not_change_the_rotation(seed, missing):
    """A person for whom one item is excluded reads the others in the same order."""
    whole = rotate_choices(CHOICES, seed)
    part = [choice for choice in CHOICES if choice is not whole[missing]]

    if missing:
        assert [each for each in whole if each is not whole[missing]] == rotate_choices(part, seed)
    assert sorted(keys(part)) == sorted(keys(rotate_choices(part, seed)))


def test_an_empty_list_stays_empty():
    """An empty list can be rotated, too."""
    assert [] == rotate_choices([], 3)


def test_branches_are_rotated_alike_for_everybody_and_items_are_not():
    """Prompts about the same branches share their list; items differ anyway."""
    people = [f"likes {n}" for n in range(20)]

    branches = {rotate_question(question("choose", each), 0) for each in people}
    items = {rotate_question(question("pick", each), 0) for each in people}

    assert 1 == len(branches)
    assert len(items) > 3


def test_rotated_choices_are_renumbered():
    """A rotated list counts from one like any other."""
    choices = rotate_question(question("rank"), 4)

    assert [1, 2, 3, 4, 5, 6] == [choice.number for choice in choices]
    assert sorted(keys(CHOICES)) == sorted(keys(choices))


def test_another_seed_gives_another_rotation():
    """The rotation depends on the seed."""
    assert len({rotate_question(question("choose"), seed) for seed in range(40)}) > 3


def test_a_rerank_list_is_not_rotated():
    """The rerank prompt says that the best fit comes first."""
    assert question("rerank").choices == rotate_question(question("rerank"), 4)
