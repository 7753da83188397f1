from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.judges import ScriptedJudge, by_key
from unillmrec.errors import SettingsError
from unillmrec.judge import Choice, Dropped, Exchange, Profile, Question, Verdict
from unillmrec.stages import Options, Run
from unillmrec.store import ROOT
from unillmrec.usage import Stage, Usage


@pytest.mark.parametrize("name", ["limit", "leaves", "shown", "candidates", "history"])
def test_counts_are_positive(name):
    """A count of nothing is refused with its name and value."""
    with pytest.raises(SettingsError, match=f"{name} is 0; it must be at least 1"):
        Options(**{name: 0})


@pytest.mark.parametrize("variety", [-0.1, 1.1, float("nan")])
def test_variety_is_a_share(variety):
    """Variety lies between 0 and 1."""
    with pytest.raises(SettingsError, match="it lies between 0 and 1"):
        Options(variety=variety)


@pytest.mark.parametrize(("limit", "expected"), [(1, 30), (10, 30), (20, 30), (21, 31), (60, 90)])
def test_wants_more_than_the_list_holds(limit, expected):
    """The ranking has a choice, however long the list."""
    assert expected == Options(limit=limit).wanted


def test_counts_what_is_excluded_at_every_level(tree, placed, run_with):
    """An excluded item is missing from its leaf, from each branch above and from the root."""
    item = placed[0]
    run = run_with(None, [item, item])

    above = [tree.node(ROOT), *tree.ancestors(item.leaf)]
    assert [node.size - 1 for node in above] == [run.eligible(node) for node in above]
    other = next(child for child in tree.children(ROOT) if child not in above)
    assert other.size == run.eligible(other)


def questions(count):
    profile = Profile(())
    return [
        Question("choose", Stage.RECALL, profile, (Choice(1, "a", n), Choice(2, "b", n + 100)), 2)
        for n in range(count)
    ]


def test_answers_come_in_the_order_of_the_questions(tree):
    """Whichever answer is ready first, each is returned, billed and traced in its turn."""
    asked = questions(12)
    expected = [ScriptedJudge(by_key()).choose(question) for question in asked]
    told = []

    with ThreadPoolExecutor(4) as executor:
        run = Run(tree, ScriptedJudge(by_key(), at_once=4, pauses=3), Options(), executor=executor)
        run.trace = lambda stage, answer, question: told.append((stage, answer, question))
        actual = run.ask(asked)

    assert expected == actual
    assert [(Stage.RECALL, *pair) for pair in zip(expected, asked, strict=True)] == told
    assert 12 == run.bill.total().calls


def test_keeps_what_was_dropped_and_tells_of_each_call(tree):
    """An answer's counts add up, and whoever watches the calls sees each one."""
    calls = []
    run = Run(tree, None, Options())
    run.on_call = lambda stage, exchange: calls.append((stage, exchange))
    exchange = Exchange((("user", "which?"),), "1", Usage(calls=1))

    run.note(Stage.RANK, Verdict((), Dropped(invented=2), exchange.usage, (exchange,)))
    run.note(Stage.RANK, Verdict((), Dropped(repeated=1), exchange.usage, (exchange,)))

    assert Dropped(invented=2, repeated=1) == run.dropped
    assert [(Stage.RANK, exchange)] * 2 == calls
    assert {Stage.RANK: Usage(calls=2)} == run.bill.by_stage()
