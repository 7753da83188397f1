from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.judges import ScriptedJudge, by_key, in_order, moody, nothing, score_of
from unillmrec.judge import Choice, Interest, Profile, Question, SimilarityJudge, Verdict
from unillmrec.stages import Options, recall, start_run
from unillmrec.stages.recall.path_scores import LEAST_SHARE
from unillmrec.store import ROOT
from unillmrec.tree.vectors import similarities
from unillmrec.usage import Stage

# The tree is only read.
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def branches_best_first(tree, score, branches, wanted, at_once=1):
    """Open branches in a straightforward way; return their ids, and the leaves seen."""
    waiting, leaves, opened, deepest, items = [(100.0, tree.node(ROOT))], {}, [], 1, 0
    while waiting:
        left = (branches or 1 + 4 * deepest) - len(opened)
        if left <= 0 and items >= wanted:
            break
        places = at_once if items < wanted else min(at_once, left)
        # Sorting is stable: equals are taken in the order they came.
        taken = sorted(waiting, key=lambda pair: -pair[0])[:places]
        waiting = [pair for pair in waiting if pair not in taken]
        for _, node in taken:
            opened.append(node.id)
            scored = [(score(child.id), child) for child in tree.children(node.id)]
            for value, child in sorted(scored, key=lambda pair: -pair[0]):
                if child.is_leaf:
                    leaves[child.id] = value
                    items += child.size
                else:
                    waiting.append((value, child))
                    deepest = max(deepest, child.depth)
    return opened, sorted(leaves, key=lambda leaf: -leaves[leaf])


def opened_branches(run):
    return [step.opened.id for step in run.steps if not step.opened.is_leaf]


def opened_leaves(run):
    return [step.opened.id for step in run.steps if step.opened.is_leaf]


def leaves_below(tree, node_id):
    children = tree.children(node_id)
    return [leaf for child in children for leaf in leaves_below(tree, child.id)] or [node_id]


def items_below(tree, node_id):
    return tree.items_in(leaves_below(tree, node_id))


@SHARED
@given(
    seed=st.integers(0, 999),
    branches=st.none() | st.integers(1, 9),
    leaves=st.integers(1, 20),
    at_once=st.integers(1, 5),
)
def test_opens_the_best_branches_first(tree, somebody, seed, branches, leaves, at_once):
    """Recall opens the same branches as a straightforward search, round by round."""
    judge = ScriptedJudge(by_key(seed), at_once=at_once)
    run = start_run(tree, judge, Options(1, leaves, branches=branches))

    recall(run, somebody)

    expected, seen = branches_best_first(
        tree, lambda key: score_of(key, seed), branches, run.options.wanted, at_once
    )
    assert expected == opened_branches(run)
    assert seen[:leaves] == opened_leaves(run)[:leaves]


def test_ties_are_opened_in_the_order_they_were_found(tree, somebody):
    """A judge without preferences leads to a walk level by level."""
    judge = ScriptedJudge(lambda question: [(each.number, 50.0) for each in question.choices])
    run = start_run(tree, judge, Options(branches=9))

    recall(run, somebody)

    expected, _ = branches_best_first(tree, lambda key: 50.0, 9, run.options.wanted)
    assert expected == opened_branches(run)


def test_reads_the_best_leaves_of_all_seen(tree, somebody):
    """Leaves cost no question; the best are read, whichever branch they belong to."""
    run = start_run(tree, ScriptedJudge(by_key(8)), Options(leaves=6))

    recall(run, somebody)

    scores = {
        child: score
        for step in run.steps
        for child, score in step.scores
        if tree.node(child).is_leaf
    }
    assert sorted(scores, key=lambda leaf: -scores[leaf])[:6] == opened_leaves(run)


def test_a_beam_opens_the_best_of_each_level_in_one_round(tree, somebody):
    """Each level is asked about once, and no more branches are opened than the beam is wide."""
    run = start_run(tree, ScriptedJudge(by_key(3)), Options(walk="beam", branches=2))

    recall(run, somebody)

    depths = [step.opened.depth for step in run.steps if not step.opened.is_leaf]
    assert sorted(depths) == depths
    assert all(depths.count(depth) <= 2 for depth in depths)
    # One round for each level, and one for the picking.
    assert len(set(depths)) + 1 == run.asker.counts.waits.total()
    assert "target" == run.ended


def test_a_beam_goes_back_when_it_found_too_little(tree, somebody, run_with):
    """Branches it passed over are opened if the others hold too few items."""
    run = run_with(ScriptedJudge(by_key(3)), walk="beam", branches=1, limit=80)

    recalled = recall(run, somebody)

    assert 120 == len(recalled)


def leaves_depth_first(tree, score, node):
    """Yield the leaves in the order of the paper's Algorithm 1, by recursion."""
    for child in sorted(tree.children(node), key=lambda each: -score(each.id)):
        yield from [child] if child.is_leaf else leaves_depth_first(tree, score, child.id)


@pytest.mark.parametrize("seed", range(6))
def test_depth_first_is_the_papers_walk(tree, somebody, seed):
    """It opens the best child first, picks some items of each leaf, and ends with enough."""

    def score(key):
        return score_of(key, seed)

    run = start_run(
        tree, ScriptedJudge(by_key(seed), at_once=4), Options(walk="depth-first", per_leaf=3)
    )

    recalled = recall(run, somebody)

    leaves, picked = [], {}
    for leaf in leaves_depth_first(tree, score, ROOT):
        if len(picked) >= run.options.wanted:
            break
        leaves.append(leaf.id)
        numbers = [each.number for each in tree.items_in([leaf.id])]
        # Of three items or fewer nothing is asked: they get the path score of their leaf.
        path_score = {number: score(number if len(numbers) > 3 else leaf.id) for number in numbers}
        picked |= {
            number: path_score[number]
            for number in sorted(path_score, key=lambda n: -path_score[n])[:3]
        }
    best = sorted(picked, key=lambda number: -picked[number])[: run.options.wanted]
    assert leaves == opened_leaves(run)
    assert set(best) == {each.placed.number for each in recalled}
    assert "target" == run.ended


def test_a_small_leaf_is_taken_without_a_question(tree, somebody):
    """If the judge may pick all items, there is nothing to ask."""
    judge = ScriptedJudge(by_key(1))
    run = start_run(tree, judge, Options(walk="depth-first", per_leaf=50))

    recall(run, somebody)

    assert [] == judge.of_kind("pick")
    assert {"choose"} == {question.kind for question in judge.asked}


def test_whole_leaves_are_filled_up_from_opened_leaves(small, somebody):
    """The list has the wanted length even if the judge picked fewer items."""
    run = start_run(small, ScriptedJudge(by_key(1)), Options(limit=20, whole_leaves=True))

    assert 30 == len(recall(run, somebody))


def shares_by_key(seed):
    """Return random probabilities for the choices, by their keys."""

    def answer(question):
        weights = {each.number: score_of(each.key, seed) ** 3 for each in question.choices}
        total = sum(weights.values())
        return [(number, weight / total) for number, weight in weights.items()]

    return answer


class SharingJudge(ScriptedJudge):
    """Gives probabilities in addition to scores."""

    def choose(self, question):
        shares = sorted(self._answer(question), key=lambda pair: -pair[1])
        verdict = super().choose(question)
        return replace(verdict, shares=tuple(shares))


def most_probable(tree, seed, wanted):
    """Return the items with the most probable paths, by looking at every path."""
    recalled, waiting = {}, [(1.0, ROOT)]
    answer = shares_by_key(seed)
    while waiting:
        probability, node = waiting.pop()
        children = tree.children(node)
        inner = bool(children)
        keys = [c.id for c in children] or [each.number for each in tree.items_in([node])]
        choices = tuple(Choice(number, "", key) for number, key in enumerate(keys, 1))
        shares = dict(answer(Question("choose", Stage.RECALL, Profile(()), choices, 1)))
        for choice in choices:
            path_score = probability * max(shares[choice.number], LEAST_SHARE)
            if inner:
                waiting.append((path_score, choice.key))
            else:
                recalled[choice.key] = path_score
    return set(sorted(recalled, key=lambda number: -recalled[number])[:wanted])


@pytest.mark.parametrize("seed", range(8))
def test_a_certified_walk_finds_what_an_exhaustive_one_does(tree, somebody, seed):
    """No unopened node can lead to a better item than the candidates."""
    judge = SharingJudge(shares_by_key(seed), at_once=3)
    options = Options(
        limit=3, candidates=8, whole_leaves=True, path_score="probability", leaves=1000
    )
    run = start_run(tree, judge, options)

    recalled = recall(run, somebody)

    leaves = sum(step.opened.is_leaf for step in run.steps)
    assert "certified" == run.ended
    assert leaves < len(leaves_below(tree, ROOT))
    assert most_probable(tree, seed, 8) == {each.placed.number for each in recalled}


def test_shares_from_several_windows_prove_nothing(tree, somebody):
    """Shares of the parts of a split question cannot be compared."""
    judge = SharingJudge(shares_by_key(0), window=4)
    options = Options(
        limit=3, candidates=8, whole_leaves=True, path_score="probability", leaves=1000
    )
    run = start_run(tree, judge, options)

    recall(run, somebody)

    assert "certified" != run.ended


class RecordingSimilarityJudge(ScriptedJudge):
    """Scores like the embedded judge, and records the questions."""

    def __init__(self, tree):
        super().__init__(lambda question: SimilarityJudge(tree).choose(question).scores)


def test_each_interest_has_its_own_walk(tree):
    """Two interests share the branches, and each is asked about alone."""
    interests = tuple(
        Interest(word, 0.5, tree.vector_of_text(word)) for word in ("whale", "telescope")
    )
    together = Profile(interests, tree.vector_of_text("whale telescope"))
    judge = RecordingSimilarityJudge(tree)
    run = start_run(tree, judge, Options(interests="apart"))

    recalled = recall(run, together)

    asked = [each.profile.text() for each in judge.of_kind("choose")]
    topics = [each.placed.item.attributes["subjects"][0] for each in recalled]
    assert {"whale", "telescope"} == set(asked)
    assert 2 == opened_branches(run).count(ROOT)
    assert together.text() == judge.of_kind("pick")[0].profile.text()
    assert {"sea", "space"} <= set(topics)


def test_offers_no_branch_without_an_eligible_item(tree, somebody, run_with):
    """A branch with only excluded items is in no question, at any level."""
    branch = tree.children(ROOT)[1]
    inner = tree.node(leaves_below(tree, tree.children(ROOT)[0].id)[0])
    excluded = items_below(tree, branch.id) + items_below(tree, inner.id)
    judge = ScriptedJudge(by_key())
    run = run_with(judge, excluded, leaves=100, candidates=300, limit=1)

    recalled = recall(run, somebody)

    offered = {choice.key for question in judge.of_kind("choose") for choice in question.choices}
    opened = {step.opened.id for step in run.steps}
    assert not {branch.id, inner.id} & (offered | opened)
    assert len(tree) - len(excluded) == len(recalled)


def test_a_branch_reads_the_same_for_everybody(tree, somebody, run_with):
    """What a person has seen changes neither the line of a branch nor its position."""
    branch = tree.children(ROOT)[0]
    judge = ScriptedJudge(by_key())

    recall(run_with(judge, items_below(tree, branch.id)[:7], leaves=1), somebody)
    seen = judge.asked[0].choices
    judge.asked.clear()
    recall(run_with(judge, [], leaves=1), somebody)

    assert seen == judge.asked[0].choices
    assert f"({branch.size})" in next(each.line for each in seen if each.key == branch.id)


def test_an_only_child_costs_no_question(tree, somebody, run_with):
    """A single branch with eligible items is opened without a question."""
    branch = tree.children(ROOT)[0]
    excluded = [each for other in tree.children(ROOT)[1:] for each in items_below(tree, other.id)]
    judge = ScriptedJudge(by_key())
    run = run_with(judge, excluded, leaves=100)

    recall(run, somebody)

    first, second = run.steps[:2]
    assert (ROOT, branch.id) == (first.opened.id, second.opened.id)
    assert not first.asked
    assert ((branch.id, 100.0),) == first.scores
    assert {child.id for child in tree.children(branch.id)} == {
        choice.key for choice in judge.asked[0].choices
    }


def test_asks_about_at_least_two_choices(tree, somebody):
    """No question has one choice or none."""
    judge = ScriptedJudge(by_key(3))

    recall(start_run(tree, judge, Options(leaves=100)), somebody)

    assert all(len(question.choices) > 1 for question in judge.asked)


@pytest.mark.parametrize("window", [1, 2, 3])
def test_splits_a_question_about_branches_that_does_not_fit(tree, somebody, window):
    """Windows change how branches are asked about, not which are opened."""
    whole = start_run(tree, ScriptedJudge(by_key(5)))
    windowed = start_run(tree, ScriptedJudge(by_key(5), window=window))

    recall(whole, somebody)
    recall(windowed, somebody)

    assert max(len(each.choices) for each in windowed.judge.asked) <= window
    assert [each.opened.id for each in whole.steps] == [each.opened.id for each in windowed.steps]
    assert [each.scores for each in whole.steps] == [each.scores for each in windowed.steps]


def test_a_branch_the_judge_left_out_is_opened_last(tree, somebody):
    """If the judge names no branch, the walk goes on in the tree's order."""
    run = start_run(tree, ScriptedJudge(nothing), Options(leaves=2, limit=5, candidates=5))

    recalled = recall(run, somebody)

    scores = [score for step in run.steps for _, score in step.scores]
    assert {0.0} == set(scores)
    assert 7 == len(recalled)
    assert {"nearest"} == {each.found for each in recalled}


def test_fills_up_with_the_nearest(tree, somebody):
    """The judge's picks come first, followed by the nearest others, marked as such."""

    def three_last(question):
        if question.kind == "choose":
            return in_order(question)
        return [(choice.number, 60 + choice.number) for choice in question.choices[-3:]]

    run = start_run(tree, ScriptedJudge(three_last), Options(candidates=20, limit=1))

    recalled = recall(run, somebody)

    (question,) = run.judge.of_kind("pick")
    picked = [choice.key for choice in question.choices[:-4:-1]]
    rest = [choice.key for choice in question.choices[:-3]]
    near = dict(zip(rest, similarities(somebody.vector, tree.item_vectors(rest)), strict=True))
    assert picked == [each.placed.number for each in recalled[:3]]
    assert sorted(near.values(), reverse=True)[:17] == [near[e.placed.number] for e in recalled[3:]]
    assert ["judge"] * 3 + ["nearest"] * 17 == [each.found for each in recalled]


def test_shows_the_items_nearest_to_the_person(tree, somebody):
    """The judge sees the items nearest to the person's vector, as a rotated list."""
    run = start_run(
        tree, ScriptedJudge(by_key(1)), Options(leaves=30, shown=20, candidates=10, limit=1)
    )

    recall(run, somebody)

    (question,) = run.judge.of_kind("pick")
    shown = [choice.key for choice in question.choices]
    leaves = [step.opened.id for step in run.steps if step.opened.is_leaf]
    hidden = [each.number for each in tree.items_in(leaves) if each.number not in shown]
    near = similarities(somebody.vector, tree.item_vectors(shown)).tolist()
    assert 20 == len(shown)
    best = near.index(max(near))
    assert sorted(near, reverse=True) == near[best:] + near[:best]
    assert min(near) >= max(similarities(somebody.vector, tree.item_vectors(hidden)))


def test_does_not_ask_when_there_is_nothing_to_choose_between(tree, somebody, run_with, placed):
    """All eligible items are returned without a question if no more are wanted."""
    judge = ScriptedJudge(by_key())
    run = run_with(judge, placed[:-8], leaves=100)

    recalled = recall(run, somebody)

    assert {each.number for each in placed[-8:]} == {each.placed.number for each in recalled}
    assert [] == judge.of_kind("pick")


def test_picks_from_every_window(tree, somebody):
    """If the items do not fit one question, the best of all windows are candidates."""
    judge = ScriptedJudge(by_key(7), window=9)
    run = start_run(tree, judge, Options(candidates=12, limit=1))

    recalled = recall(run, somebody)

    shown = [choice.key for question in judge.of_kind("pick") for choice in question.choices]
    expected = sorted(shown, key=lambda number: -score_of(number, 7))[:12]
    assert len(judge.of_kind("pick")) == 8
    assert expected == [each.placed.number for each in recalled]


def test_keeps_the_order_without_a_vector(tree):
    """Without a vector, items are shown in the order of their leaves, rotated."""
    run = start_run(tree, ScriptedJudge(by_key(2)), Options(candidates=10, limit=1))

    recall(run, Profile((Interest("something", 1.0),)))

    (question,) = run.judge.of_kind("pick")
    leaves = [step.opened.id for step in run.steps if step.opened.is_leaf]
    shown = [choice.key for choice in question.choices]
    held = [each.number for each in tree.items_in(leaves)][: len(shown)]
    start = held.index(shown[0])
    assert held[start:] + held[:start] == shown


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
    """Every wanted candidate that exists is returned once, and no excluded item."""
    chance = data.draw(st.randoms(use_true_random=False))
    excluded = chance.sample(placed, len(placed) - kept)
    judge = ScriptedJudge(moody(seed), at_once=at_once, window=window)
    run = start_run(tree, judge, Options(limit, leaves, candidates=1))
    run.exclude(excluded)

    with ThreadPoolExecutor(at_once) as run.asker.executor:
        recalled = [each.placed.number for each in recall(run, somebody)]

    assert min(run.options.wanted, kept) == len(recalled) == len(set(recalled))
    assert not {each.number for each in excluded} & set(recalled)


def test_reports_the_walk_as_it_happens(tree, somebody):
    """The callback gets each opened node, with its children and the size of the frontier."""
    seen = []
    run = start_run(tree, ScriptedJudge(by_key(4)), Options(leaves=4))
    run.on_step = seen.append

    recall(run, somebody)

    assert run.steps == seen
    root = seen[0]
    assert (ROOT, len(tree.children(ROOT))) == (root.opened.id, root.waiting)
    assert {child.id for child in root.children} == {node_id for node_id, _ in root.scores}
    assert all(() == step.children and not step.asked for step in seen if step.opened.is_leaf)


class Lettered(ScriptedJudge):
    """Gives probabilities and scores that follow from them, as a model's letters do."""

    def choose(self, question):
        shares = sorted(self._answer(question), key=lambda pair: -pair[1])
        scores = tuple((number, 100 * share / shares[0][1]) for number, share in shares)
        return Verdict(scores, shares=tuple(shares))


def test_probabilities_are_compared_along_their_paths(tree, somebody):
    """Where scores only rank siblings, a good path beats the best child of a poor branch."""

    def walked(seed, path_score):
        run = start_run(
            tree, Lettered(shares_by_key(seed)), Options(branches=9, path_score=path_score)
        )
        recall(run, somebody)
        return opened_branches(run)

    left_open = [walked(seed, None) for seed in range(9)]
    assert left_open == [walked(seed, "relative") for seed in range(9)]
    assert left_open != [walked(seed, "absolute") for seed in range(9)]
