"""This package as a system: its metrics and its tokens are those of the same walk."""

from dataclasses import replace

import pytest

from tests import trees
from unillmrec.evaluation.report.page import render_page
from unillmrec.evaluation.runner import evaluate
from unillmrec.evaluation.systems import unillmrec_system
from unillmrec.evaluation.systems.registry import (
    MODEL_SYSTEMS,
    REFERENCE,
    WIDTH_LIMITED,
    SystemContext,
    SystemSpec,
    build_systems,
)
from unillmrec.settings import Settings
from unillmrec.usage import Usage

# Concurrency and letters, both of which change the walk.
WAYS = [Settings(), Settings(concurrency=1), Settings(model="gpt-4o", ask="labels")]


@pytest.fixture
def tree(tmp_path):
    with trees.tree(tmp_path) as opened:
        yield opened


def answers(system, held_out, limit=10):
    system.learn(held_out.data)
    return [system.answer(case, limit) for case in held_out.data.cases[:12]]


def lists_and_usage(given):
    return [(each.items, each.recalled) for each in given]


@pytest.mark.parametrize("settings", WAYS)
@pytest.mark.parametrize("kind", [WIDTH_LIMITED, "retrieve"])
def test_counting_does_not_change_the_lists(held_out, tree, monkeypatch, settings, kind):
    """The first people are answered by the recommender that estimates, with the same lists."""
    by_count = {}
    for counted in (0, 36):
        monkeypatch.setattr(unillmrec_system, "COUNTED_PEOPLE", counted)
        by_count[counted] = answers(SystemSpec(kind, tree.path, settings).build(tree), held_out)

    assert lists_and_usage(by_count[0]) == lists_and_usage(by_count[36])
    assert all(each.usage is None for each in by_count[0])
    assert all(each.usage.calls > 1 for each in by_count[36])


def test_the_free_walk_looks_further(held_out, tmp_path):
    """If both walks were alike, other tests could not tell them apart."""
    with trees.tree(tmp_path, "many", trees.items(900)) as tree:
        specs = [SystemSpec(kind, tree.path, Settings()) for kind in (REFERENCE, WIDTH_LIMITED)]
        free, width_limited = (answers(each.build(tree), held_out) for each in specs)

    assert lists_and_usage(free) != lists_and_usage(width_limited)
    assert {Usage()} == {each.usage for each in free}


def test_only_the_width_limited_walk_has_a_bill(held_out, tree, monkeypatch):
    """The table says for which people; the free walk costs nothing."""
    monkeypatch.setattr(unillmrec_system, "COUNTED_PEOPLE", 3)
    specs = SystemSpec.for_kinds(tree.path, Settings(), ["tfidf"])
    evaluation = evaluate(held_out, [each.build(tree) for each in specs], reference=REFERENCE)
    free, width_limited = evaluation.result_of(REFERENCE), evaluation.result_of(WIDTH_LIMITED)

    assert ["TF-IDF", REFERENCE, WIDTH_LIMITED] == [each.name for each in evaluation.results]
    assert (36, 0) == (free.priced, free.usage.calls)
    assert "asks nobody" in free.note
    assert (3, None) == (width_limited.priced, width_limited.usage.prompt)
    assert width_limited.usage.estimated_prompt > 3_000
    assert "tokens and money are those of the first 3 people" in width_limited.remarks
    assert "Of unillmrec, as for a model they are those of the first 3 people." in render_page(
        evaluation, {}
    )
    assert not any("first" in each for each in free.remarks)


@pytest.mark.parametrize("kind", sorted(MODEL_SYSTEMS - {REFERENCE}))
def test_notes_say_that_vectors_answer_instead_of_a_model(tree, kind):
    """All baselines that would ask one say so."""
    note = SystemSpec(kind, tree.path, Settings()).build(tree).note

    assert "the tree's vectors answer, prompts are counted and not sent" in note


def test_with_a_model_there_is_no_width_limited_system(tree):
    """The only one walks as a model does, and is billed."""
    asked = replace(
        SystemContext.without_model(tree, Settings()), width_limited=None, estimating=None
    )

    assert [REFERENCE] == [each.name for each in build_systems(asked, [REFERENCE])]
    assert "nobody" not in asked.build(REFERENCE).note
