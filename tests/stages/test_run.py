import pytest

from tests.judges import ScriptedJudge, by_key
from unillmrec.errors import SettingsError
from unillmrec.judge import Choice, Profile, Question
from unillmrec.stages import Options, start_run
from unillmrec.store import ROOT
from unillmrec.usage import Stage


@pytest.mark.parametrize("name", ["limit", "leaves", "shown", "candidates", "history"])
def test_counts_are_positive(name):
    """A count of zero is refused with its name and value."""
    with pytest.raises(SettingsError, match=f"{name} is 0; it must be at least 1"):
        Options(**{name: 0})


@pytest.mark.parametrize("variety", [-0.1, 1.1, float("nan")])
def test_variety_is_a_share(variety):
    """Variety must be between 0 and 1."""
    with pytest.raises(SettingsError, match="it lies between 0 and 1"):
        Options(variety=variety)


@pytest.mark.parametrize(("limit", "expected"), [(1, 30), (10, 30), (20, 30), (21, 31), (60, 90)])
def test_wants_more_than_the_list_holds(limit, expected):
    """The ranking has a choice, whatever the length of the list."""
    assert expected == Options(limit=limit).wanted


def test_excluded_items_are_not_eligible_at_any_level(tree, placed, run_with):
    """An excluded item is missing from its leaf, from each branch above and from the root."""
    item = placed[0]
    run = run_with(None, [item, item])

    above = [tree.node(ROOT), *tree.ancestors(item.leaf)]
    assert [node.size - 1 for node in above] == [run.eligible(node) for node in above]
    other = next(child for child in tree.children(ROOT) if child not in above)
    assert other.size == run.eligible(other)


def test_no_window_asks_for_more_than_its_choices(tree):
    """The limit of each window is at most its number of choices."""
    run = start_run(tree, ScriptedJudge(by_key(), window=70))
    choices = tuple(Choice(n, "a", n) for n in range(1, 151))
    question = Question("pick", Stage.RECALL, Profile(()), choices, 100)

    limits = [part.limit for part in run.windows(question)]

    assert [70, 70, 10] == limits
