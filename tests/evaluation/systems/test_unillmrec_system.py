"""The chain as a system under test: what it finds stands beside what that very walk takes."""

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

# Steps of several branches, letters or not: both decide how far a walk goes.
WAYS = [Settings(), Settings(concurrency=1), Settings(model="gpt-4o", ask="labels")]


@pytest.fixture
def tree(tmp_path):
    with trees.tree(tmp_path) as opened:
        yield opened


def answers(system, held_out, limit=10):
    system.learn(held_out.data)
    return [system.answer(case, limit) for case in held_out.data.cases[:12]]


def told(given):
    return [(each.items, each.recalled) for each in given]


@pytest.mark.parametrize("settings", WAYS)
@pytest.mark.parametrize("kind", [WIDTH_LIMITED, "retrieve"])
def test_who_is_counted_gets_the_same_list(held_out, tree, monkeypatch, settings, kind):
    """Whichever people the tokens are counted for: they are those of the walk in the row."""
    made = {}
    for counted in (0, 36):
        monkeypatch.setattr(unillmrec_system, "COUNTED_PEOPLE", counted)
        made[counted] = answers(SystemSpec(kind, tree.path, settings).build(tree), held_out)

    assert told(made[0]) == told(made[36])
    assert all(each.usage is None for each in made[0])
    assert all(each.usage.calls > 1 for each in made[36])


def test_who_asks_nobody_looks_further(held_out, tmp_path):
    """Were the two walks alike, mixing them up would not be seen here."""
    with trees.tree(tmp_path, "many", trees.items(900)) as tree:
        entries = [SystemSpec(kind, tree.path, Settings()) for kind in (REFERENCE, WIDTH_LIMITED)]
        free, width_limited = (answers(each.build(tree), held_out) for each in entries)

    assert told(free) != told(width_limited)
    assert {Usage()} == {each.usage for each in free}


def test_only_the_walk_that_a_model_would_make_has_a_bill(held_out, tree, monkeypatch):
    """In the table, with the people whom it is of; the free one costs nothing, as it says."""
    monkeypatch.setattr(unillmrec_system, "COUNTED_PEOPLE", 3)
    entries = SystemSpec.for_kinds(tree.path, Settings(), ["tfidf"])
    made = evaluate(held_out, [each.build(tree) for each in entries], reference=REFERENCE)
    free, width_limited = made.result_of(REFERENCE), made.result_of(WIDTH_LIMITED)

    assert ["TF-IDF", REFERENCE, WIDTH_LIMITED] == [each.name for each in made.results]
    assert (36, 0) == (free.priced, free.usage.calls)
    assert "asks nobody" in free.note
    assert (3, None) == (width_limited.priced, width_limited.usage.prompt)
    assert width_limited.usage.estimated_prompt > 3_000
    assert "tokens and money are those of the first 3 people" in width_limited.remarks
    assert "Of unillmrec, as for a model they are those of the first 3 people." in render_page(
        made, {}
    )
    assert not any("first" in each for each in free.remarks)


@pytest.mark.parametrize("kind", sorted(MODEL_SYSTEMS - {REFERENCE}))
def test_what_answers_where_a_model_would_is_told(tree, kind):
    """By every baseline that would ask one."""
    note = SystemSpec(kind, tree.path, Settings()).build(tree).note

    assert "the tree's vectors answer, prompts are counted and not sent" in note


def test_where_a_model_is_asked_there_is_one_chain(tree):
    """It walks as a model does, and is billed."""
    asked = replace(
        SystemContext.without_model(tree, Settings()), width_limited=None, estimating=None
    )

    assert [REFERENCE] == [each.name for each in build_systems(asked, [REFERENCE])]
    assert "nobody" not in asked.build(REFERENCE).note
