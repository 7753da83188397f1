from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.judges import ScriptedJudge, by_key, in_order, moody, nothing, score_of
from unillmrec.judge import Interest, Profile
from unillmrec.stages import Options, Run, recall
from unillmrec.store import ROOT
from unillmrec.tree.vectors import similarities

# The tree is only read.
SHARED = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def best_first(tree, score, leaves, wanted):
    """Open nodes as recall should, the plain way: return their ids in order."""
    waiting = [(100.0, tree.node(ROOT))]
    opened, gathered, items = [], 0, 0
    while waiting and (gathered < leaves or items < wanted):
        best = max(waiting, key=lambda pair: pair[0])
        waiting.remove(best)
        opened.append(best[1].id)
        if best[1].is_leaf:
            gathered, items = gathered + 1, items + best[1].size
        children = tree.children(best[1].id)
        scored = [(score(child.id), child) for child in children]
        waiting += sorted(scored, key=lambda pair: -pair[0])
    return opened


def leaves_below(tree, node_id):
    children = tree.children(node_id)
    return [leaf for child in children for leaf in leaves_below(tree, child.id)] or [node_id]


def items_below(tree, node_id):
    return tree.items_in(leaves_below(tree, node_id))


@SHARED
@given(seed=st.integers(0, 999), leaves=st.integers(1, 20), candidates=st.integers(1, 120))
def test_opens_the_best_node_first(tree, somebody, seed, leaves, candidates):
    """Asked one question at a time, recall opens the nodes that a plain search would."""
    run = Run(tree, ScriptedJudge(by_key(seed)), Options(1, leaves, candidates=candidates))

    recall(run, somebody)

    expected = best_first(tree, lambda key: score_of(key, seed), leaves, run.options.wanted)
    assert expected == [event.opened.id for event in run.opened]


def test_nodes_as_good_are_opened_in_the_order_they_came(tree, somebody):
    """A judge without a preference makes for a walk level by level."""
    judge = ScriptedJudge(lambda question: [(each.number, 50.0) for each in question.choices])
    run = Run(tree, judge, Options(leaves=9))

    recall(run, somebody)

    expected = best_first(tree, lambda key: 50.0, 9, run.options.wanted)
    assert expected == [event.opened.id for event in run.opened]


@SHARED
@given(seed=st.integers(0, 999), leaves=st.integers(1, 20), at_once=st.integers(1, 6))
def test_gathers_no_leaf_while_a_better_node_waits(tree, somebody, seed, leaves, at_once):
    """However many questions are asked at once, no leaf is taken ahead of something better."""
    judge = ScriptedJudge(by_key(seed), at_once=at_once)
    run = Run(tree, judge, Options(leaves=leaves))

    recall(run, somebody)

    waiting = {ROOT: 100.0}
    for event in run.opened:
        score = waiting.pop(event.opened.id)
        assert not event.opened.is_leaf or score >= max(waiting.values(), default=0)
        waiting |= dict(event.scores)


def test_asks_nothing_more_once_it_has_enough(tree, somebody):
    """The last thing a walk does is to gather a leaf; what is opened beside it was for nothing."""
    for seed in range(30):
        run = Run(tree, ScriptedJudge(by_key(seed), at_once=4), Options(leaves=3))

        recall(run, somebody)

        assert run.opened[-1].opened.is_leaf


def test_offers_no_branch_without_an_eligible_item(tree, somebody, run_with):
    """A branch of which everything is excluded is in no question, at any level."""
    branch = tree.children(ROOT)[1]
    inner = next(each for each in tree.children(tree.children(ROOT)[0].id) if each.is_leaf)
    excluded = items_below(tree, branch.id) + items_below(tree, inner.id)
    judge = ScriptedJudge(by_key())
    run = run_with(judge, excluded, leaves=100, candidates=300, limit=1)

    found = recall(run, somebody)

    offered = {choice.key for question in judge.of_kind("choose") for choice in question.choices}
    opened = {event.opened.id for event in run.opened}
    assert not {branch.id, inner.id} & (offered | opened)
    assert len(tree) - len(excluded) == len(found)


def test_tells_how_many_items_are_eligible(tree, somebody, run_with):
    """The count in a branch's line leaves the excluded items out."""
    branch = tree.children(ROOT)[0]
    judge = ScriptedJudge(by_key())
    run = run_with(judge, items_below(tree, branch.id)[:7], leaves=1)

    recall(run, somebody)

    line = next(each.line for each in judge.asked[0].choices if each.key == branch.id)
    assert f"({branch.size - 7})" in line


def test_an_only_child_costs_no_question(tree, somebody, run_with):
    """Where one branch alone has something left, it is opened without asking."""
    branch = tree.children(ROOT)[0]
    excluded = [each for other in tree.children(ROOT)[1:] for each in items_below(tree, other.id)]
    judge = ScriptedJudge(by_key())
    run = run_with(judge, excluded, leaves=100)

    recall(run, somebody)

    first, second = run.opened[:2]
    assert (ROOT, branch.id) == (first.opened.id, second.opened.id)
    assert not first.asked
    assert ((branch.id, 100.0),) == first.scores
    assert {child.id for child in tree.children(branch.id)} == {
        choice.key for choice in judge.asked[0].choices
    }


def test_asks_about_two_choices_at_least(tree, somebody):
    """No question of a walk has one choice or none."""
    judge = ScriptedJudge(by_key(3))

    recall(Run(tree, judge, Options(leaves=100)), somebody)

    assert all(len(question.choices) > 1 for question in judge.asked)


@pytest.mark.parametrize("window", [1, 2, 3])
def test_parts_a_question_about_branches_that_does_not_fit(tree, somebody, window):
    """Windows change how branches are asked about, not which are opened."""
    whole = Run(tree, ScriptedJudge(by_key(5)), Options())
    parted = Run(tree, ScriptedJudge(by_key(5), window=window), Options())

    recall(whole, somebody)
    recall(parted, somebody)

    assert max(len(each.choices) for each in parted.judge.asked) <= window
    assert [each.opened.id for each in whole.opened] == [each.opened.id for each in parted.opened]
    assert [each.scores for each in whole.opened] == [each.scores for each in parted.opened]


def test_a_branch_the_judge_left_out_is_opened_last(tree, somebody):
    """Nothing named does not mean nothing found: the walk goes on in the tree's order."""
    run = Run(tree, ScriptedJudge(nothing), Options(leaves=2, limit=5, candidates=5))

    found = recall(run, somebody)

    scores = [score for event in run.opened for _, score in event.scores]
    assert {0.0} == set(scores)
    assert 7 == len(found)
    assert {"nearest"} == {each.found for each in found}


def test_fills_up_with_the_nearest(tree, somebody):
    """What the judge picked comes first; the nearest of the rest follow, and say so."""

    def three_last(question):
        if question.kind == "choose":
            return in_order(question)
        return [(choice.number, 60 + choice.number) for choice in question.choices[-3:]]

    run = Run(tree, ScriptedJudge(three_last), Options(candidates=20, limit=1))

    found = recall(run, somebody)

    (question,) = run.judge.of_kind("pick")
    numbers = [choice.key for choice in question.choices]
    assert numbers[:-4:-1] + numbers[:17] == [each.placed.number for each in found]
    assert ["judge"] * 3 + ["nearest"] * 17 == [each.found for each in found]


def test_shows_the_items_nearest_to_the_person(tree, somebody):
    """Of the gathered leaves' items, the judge sees those closest to the taste, closest first."""
    run = Run(tree, ScriptedJudge(by_key(1)), Options(leaves=30, shown=20, candidates=10, limit=1))

    recall(run, somebody)

    (question,) = run.judge.of_kind("pick")
    shown = [choice.key for choice in question.choices]
    leaves = [event.opened.id for event in run.opened if event.opened.is_leaf]
    hidden = [each.number for each in tree.items_in(leaves) if each.number not in shown]
    near = similarities(somebody.taste, tree.item_vectors(shown)).tolist()
    assert 20 == len(shown)
    assert sorted(near, reverse=True) == near
    assert near[-1] >= max(similarities(somebody.taste, tree.item_vectors(hidden)))


def test_does_not_ask_when_there_is_nothing_to_choose_between(tree, somebody, run_with, placed):
    """All eligible items come back unasked if there are no more of them than wanted."""
    judge = ScriptedJudge(by_key())
    run = run_with(judge, placed[:-8], leaves=100)

    found = recall(run, somebody)

    assert {each.number for each in placed[-8:]} == {each.placed.number for each in found}
    assert [] == judge.of_kind("pick")


def test_picks_from_every_window(tree, somebody):
    """Where the items do not fit one question, the best of all windows are candidates."""
    judge = ScriptedJudge(by_key(7), window=9)
    run = Run(tree, judge, Options(candidates=12, limit=1))

    found = recall(run, somebody)

    shown = [choice.key for question in judge.of_kind("pick") for choice in question.choices]
    expected = sorted(shown, key=lambda number: -score_of(number, 7))[:12]
    assert len(judge.of_kind("pick")) == 8
    assert expected == [each.placed.number for each in found]


def test_keeps_the_order_without_a_taste(tree):
    """Of a person without a place, items are shown as the leaves hold them."""
    run = Run(tree, ScriptedJudge(by_key(2)), Options(candidates=10, limit=1))

    recall(run, Profile((Interest("something", 1.0),)))

    (question,) = run.judge.of_kind("pick")
    leaves = [event.opened.id for event in run.opened if event.opened.is_leaf]
    shown = [choice.key for choice in question.choices]
    assert [each.number for each in tree.items_in(leaves)][: len(shown)] == shown


@SHARED
@given(
    seed=st.integers(0, 999),
    limit=st.integers(1, 60),
    leaves=st.integers(1, 5),
    window=st.sampled_from([1, 4, 1000]),
    at_once=st.sampled_from([1, 4]),
    kept=st.integers(0, 300),
    data=st.data(),
)
def test_finds_enough_whatever_the_judge_says(
    tree, placed, somebody, seed, limit, leaves, window, at_once, kept, data
):
    """Every wanted candidate comes back if it exists, each once, none of them excluded."""
    chance = data.draw(st.randoms(use_true_random=False))
    excluded = chance.sample(placed, len(placed) - kept)
    judge = ScriptedJudge(moody(seed), at_once=at_once, window=window)
    run = Run(tree, judge, Options(limit, leaves, candidates=1))
    run.exclude(excluded)

    with ThreadPoolExecutor(at_once) as run.executor:
        found = [each.placed.number for each in recall(run, somebody)]

    assert min(run.options.wanted, kept) == len(found) == len(set(found))
    assert not {each.number for each in excluded} & set(found)


def test_reports_the_walk_as_it_happens(tree, somebody):
    """Whoever watches is told of each opened node, with its children and what waits."""
    seen = []
    run = Run(tree, ScriptedJudge(by_key(4)), Options(leaves=4))
    run.watch = seen.append

    recall(run, somebody)

    assert run.opened == seen
    root = seen[0]
    assert (ROOT, len(tree.children(ROOT))) == (root.opened.id, root.waiting)
    assert {child.id for child in root.children} == {node_id for node_id, _ in root.scores}
    assert all(() == event.children and not event.asked for event in seen if event.opened.is_leaf)
