import json
import shutil
from dataclasses import replace

import pytest

from tests import trees
from tests.judges import ScriptedJudge, in_order, nothing
from unillmrec.building import BuildOptions, build
from unillmrec.checking.description_check import check_descriptions
from unillmrec.judge import Choice, SimilarityJudge
from unillmrec.judge.description_judge import DescriptionJudge
from unillmrec.stages.rotation import rotate_choices
from unillmrec.store import ROOT, EditableTree


def all_alike(question):
    return [(choice.number, 50.0) for choice in question.choices]


def knowing(tree):
    """Return the answer of a judge that knows where each title is."""
    rows = tree.rows("SELECT title, leaf FROM item")
    ways = {title: {node.id for node in tree.ancestors(leaf)} for title, leaf in rows}

    def answer(question):
        title = question.profile.text().split(" (")[0]
        return [(c.number, 100.0 * (c.key in ways[title])) for c in question.choices]

    return answer


def test_a_judge_that_knows_the_path_is_always_right(tree):
    """All levels and whole paths are right, and no node is confused."""
    judge = ScriptedJudge(knowing(tree))

    result = check_descriptions(tree, judge, 40)

    assert (40, 1.0, ()) == (result.items, result.whole_way, result.worst)
    assert [1, 2] == [level.depth for level in result.levels][:2]
    assert {1.0} == {level.first for level in result.levels}
    assert {1.0} == {level.among_three for level in result.levels}
    assert 40 == result.levels[0].asked
    assert len(judge.asked) == sum(level.asked for level in result.levels) == result.usage.calls


def test_equal_scores_count_as_a_random_tie_break(tree):
    """A judge that cannot tell branches apart is as good as chance."""
    result = check_descriptions(tree, ScriptedJudge(all_alike), 30)

    for level in result.levels:
        assert level.by_chance == pytest.approx(level.first)
    family = len(tree.children(ROOT))
    assert 1 / family == pytest.approx(result.levels[0].first)
    assert min(1, 3 / family) == pytest.approx(result.levels[0].among_three)


def test_a_judge_that_names_nothing_finds_nothing(tree):
    """A branch that was left out is not found."""
    result = check_descriptions(tree, ScriptedJudge(nothing), 10)

    assert 0 == result.whole_way == result.levels[0].first == result.levels[0].among_three


def test_a_wrong_choice_does_not_end_the_path(tree):
    """Each level is asked about from the right branch, so a mistake affects only its level."""
    right = knowing(tree)

    def wrong_at_the_top(question):
        return right(question) if question.where else nothing(question)

    result = check_descriptions(tree, ScriptedJudge(wrong_at_the_top), 20)

    assert (0.0, 0.0) == (result.whole_way, result.levels[0].first)
    assert {1.0} == {level.first for level in result.levels[1:]}
    (worst,) = result.worst
    assert (ROOT, "all items", 20, 20.0) == (worst.node, worst.label, worst.asked, worst.wrong)


def test_the_worst_nodes_come_first(tree):
    """They are ordered by wrong choices, and name the two children confused most often."""
    result = check_descriptions(tree, ScriptedJudge(in_order), 60)

    wrong = [each.wrong for each in result.worst]
    assert sorted(wrong, reverse=True) == wrong
    worst = result.worst[0]
    children = [Choice(0, "", child.id) for child in tree.children(worst.node)]
    first, *others = [choice.key for choice in rotate_choices(children, seed=0)]
    # Who always takes the first is never wrong about it.
    assert first == worst.taken
    assert worst.meant in others


def test_no_line_mentions_a_hidden_item(tree):
    """No description on the path of a hidden item contains its title."""
    judge = ScriptedJudge(all_alike)

    check_descriptions(tree, judge, 100)

    for question in judge.asked:
        title = question.profile.text().split(" (")[0]
        assert not [each.line for each in question.choices if f"{title} /" in each.line]


def test_the_seed_draws_the_items(tree):
    """The same seed draws the same items, in whatever order answers come."""
    first, again, other = (ScriptedJudge(in_order, at_once=n) for n in (1, 4, 1))
    one = check_descriptions(tree, first, 20, seed=3)
    same = check_descriptions(tree, again, 20, seed=3)
    check_descriptions(tree, other, 20, seed=4)

    assert (one.levels, one.worst, one.whole_way) == (same.levels, same.worst, same.whole_way)
    hidden = [{each.profile.text() for each in judge.asked} for judge in (first, again, other)]
    assert hidden[0] == hidden[1] != hidden[2]


def test_questions_over_the_ceiling_are_split(tree):
    """A judge with a small window gets several questions, and the result is the same."""
    whole = check_descriptions(tree, ScriptedJudge(knowing(tree)), 10)
    judge = ScriptedJudge(knowing(tree), window=2)
    windowed = check_descriptions(tree, judge, 10)

    assert whole.levels == windowed.levels
    assert max(len(question.choices) for question in judge.asked) == 2


def test_good_descriptions_lead_further_than_bad_ones(tree, tmp_path):
    """The description judge sees only the lines."""
    path = shutil.copy(tree.path, tmp_path / "blind.tree")
    with EditableTree.open(path) as blind, blind.transaction():
        ids = [node for (node,) in blind.rows("SELECT id FROM node WHERE parent NOT NULL")]
        for node in map(blind.node, ids):
            silent = replace(node.description, words=("things",), titles=(), typical=())
            blind.set_descriptions([(silent.to_json(), 0, node.id)])

    report = check_descriptions(tree, DescriptionJudge(tree), 60)
    with EditableTree.open(path) as blind:
        undescribed = check_descriptions(blind, DescriptionJudge(blind), 60)
        seen = check_descriptions(blind, SimilarityJudge(blind), 60)

    assert report.levels[0].first > 0.8
    assert undescribed.levels[0].first == pytest.approx(undescribed.levels[0].by_chance)
    assert seen.levels[0].first > 0.8


def test_a_small_catalog_gives_all_its_items():
    """If fewer items exist than requested, all are used; a single leaf has no path."""
    build(trees.items(10), "small.tree", BuildOptions(workers=1))
    with EditableTree.open("small.tree") as tree:
        result = check_descriptions(tree, ScriptedJudge(in_order), 50)

    assert (10, ()) == (result.items, result.levels)


def test_the_result_is_json(tree):
    """The JSON has every field under its name."""
    report = json.loads(json.dumps(check_descriptions(tree, ScriptedJudge(in_order), 10).as_dict()))

    assert [
        "judge",
        "items",
        "whole_way",
        "levels",
        "worst",
        "usage",
        "dropped",
        "seconds",
    ] == list(report)
    assert ["depth", "asked", "first", "among_three", "by_chance"] == list(report["levels"][0])
    assert ["node", "label", "asked", "wrong", "meant", "taken"] == list(report["worst"][0])
