import pytest

from tests.judges import ScriptedJudge, by_key, score_of
from unillmrec.budget import Budget, BudgetTracker
from unillmrec.errors import PersonError
from unillmrec.judge import Interest, Profile
from unillmrec.stages import Options, recall, start_run
from unillmrec.stages.recall.vector_walks import CHOSEN, SHORTLIST
from unillmrec.tree.vectors import similarities


def nearest(tree, profile, allowed):
    numbers = [number for number in range(len(tree)) if allowed(number)]
    near = similarities(profile.vector, tree.item_vectors(numbers)).tolist()
    return [number for _, number in sorted(zip(near, numbers, strict=True), key=lambda p: -p[0])]


def test_retrieve_takes_the_nearest_items_without_a_question(tree, somebody, run_with, placed):
    """Vectors alone find the candidates, anywhere in the tree."""
    judge = ScriptedJudge(by_key())
    run = run_with(judge, placed[::3], walk="retrieve")

    candidates = recall(run, somebody)

    expected = nearest(tree, somebody, lambda number: number % 3)[:30]
    similarities = [
        tree.item_similarities(somebody.vector, numbers).tolist()
        for numbers in (expected, [each.placed.number for each in candidates])
    ]
    assert [] == judge.asked
    # Which of two equally near items comes first is drawn at random.
    assert pytest.approx(similarities[0], abs=2e-3) == similarities[1]
    assert 30 == len({each.placed.number for each in candidates})
    assert all(each.placed.number % 3 for each in candidates)


def test_hybrid_asks_once_about_the_nearest_leaves(tree, somebody):
    """Vectors make a shortlist of leaves, the judge chooses among them and picks their items."""
    judge = ScriptedJudge(by_key(4))
    run = start_run(tree, judge, Options(walk="hybrid"))

    candidates = recall(run, somebody)

    (question,) = judge.of_kind("choose")
    keys = [choice.key for choice in question.choices]
    best = sorted(keys, key=lambda key: -score_of(key, 4))[:CHOSEN]
    read = [step.opened.id for step in run.steps if step.opened.is_leaf]
    near = nearest(tree, somebody, lambda number: True)[:5]
    assert len(keys) <= SHORTLIST
    assert {each.leaf for each in tree.items_by_number(near).values()} <= set(keys)
    assert best == read[:CHOSEN]
    assert {each.placed.leaf for each in candidates} <= set(read)
    assert 2 == run.asker.counts.waits.total()


@pytest.mark.parametrize("walk", ["hybrid", "retrieve"])
def test_vector_walks_need_a_vector(tree, walk):
    """A person without a vector cannot be looked up by vectors."""
    run = start_run(tree, ScriptedJudge(by_key()), Options(walk=walk))

    with pytest.raises(PersonError, match=f"--walk {walk} begins with vectors"):
        recall(run, Profile((Interest("something", 1.0),)))


@pytest.mark.parametrize(
    ("budget", "order", "why"),
    [
        (None, "best-first", "300 items"),
        (Budget(tokens=50_000, calls=50, seconds=60), "best-first", "300 items"),
        (Budget(tokens=7_000), "hybrid", "tokens"),
        (Budget(calls=5), "hybrid", "calls"),
        (Budget(seconds=9), "hybrid", "seconds"),
        (Budget(tokens=2_000), "retrieve", "tokens"),
        (Budget(calls=1), "retrieve", "calls"),
    ],
)
def test_auto_chooses_by_the_budget(tree, somebody, budget, order, why):
    """The walk is the one that the budget allows, and the result gives the reason."""
    tracker = budget and BudgetTracker(budget)
    run = start_run(tree, ScriptedJudge(by_key()), Options(walk="auto"), tracker=tracker)

    recall(run, somebody)

    assert order == run.walk.order
    assert why in run.walk.why


def test_auto_walks_the_tree_without_a_vector(tree):
    """Words without a vector need a judge that reads."""
    run = start_run(tree, ScriptedJudge(by_key()), Options(walk="auto"))

    recall(run, Profile((Interest("something", 1.0),)))

    assert "best-first" == run.walk.order
    assert "nothing places" in run.walk.why
