"""The chain as a system under test: what it finds stands beside what that very walk takes."""

from dataclasses import replace

import pytest

from tests import trees
from unillmrec.evaluation.report.page import page
from unillmrec.evaluation.runner import evaluate
from unillmrec.evaluation.systems import chain
from unillmrec.evaluation.systems.registry import (
    ASKING,
    PACED,
    REFERENCE,
    Entry,
    Means,
    make_systems,
)
from unillmrec.settings import Settings
from unillmrec.usage import Usage

# Steps of several branches, letters or not: both decide how far a walk goes.
WAYS = [Settings(), Settings(concurrency=1), Settings(model="gpt-4o", ask="labels")]


@pytest.fixture
def tree(tmp_path):
    with trees.tree(tmp_path) as opened:
        yield opened


def answers(system, parted, limit=10):
    system.learn(parted.exam)
    return [system.answer(case, limit) for case in parted.exam.cases[:12]]


def told(given):
    return [(each.items, each.recalled) for each in given]


@pytest.mark.parametrize("settings", WAYS)
@pytest.mark.parametrize("kind", [PACED, "retrieve"])
def test_who_is_counted_gets_the_same_list(parted, tree, monkeypatch, settings, kind):
    """Whichever people the tokens are counted for: they are those of the walk in the row."""
    made = {}
    for counted in (0, 36):
        monkeypatch.setattr(chain, "PRICED", counted)
        made[counted] = answers(Entry(kind, tree.path, settings).made(tree), parted)

    assert told(made[0]) == told(made[36])
    assert all(each.usage is None for each in made[0])
    assert all(each.usage.calls > 1 for each in made[36])


def test_who_asks_nobody_looks_further(parted, tmp_path):
    """Were the two walks alike, mixing them up would not be seen here."""
    with trees.tree(tmp_path, "many", trees.items(900)) as tree:
        entries = [Entry(kind, tree.path, Settings()) for kind in (REFERENCE, PACED)]
        free, paced = (answers(each.made(tree), parted) for each in entries)

    assert told(free) != told(paced)
    assert {Usage()} == {each.usage for each in free}


def test_only_the_walk_that_a_model_would_make_has_a_bill(parted, tree, monkeypatch):
    """In the table, with the people whom it is of; the free one costs nothing, as it says."""
    monkeypatch.setattr(chain, "PRICED", 3)
    entries = Entry.of_all(tree.path, Settings(), ["tfidf"])
    made = evaluate(parted, [each.made(tree) for each in entries], reference=REFERENCE)
    free, paced = made.named(REFERENCE), made.named(PACED)

    assert ["TF-IDF", REFERENCE, PACED] == [each.name for each in made.outcomes]
    assert (36, 0) == (free.priced, free.usage.calls)
    assert "asks nobody" in free.note
    assert (3, None) == (paced.priced, paced.usage.prompt)
    assert paced.usage.estimated_prompt > 3_000
    assert "tokens and money are those of the first 3 people" in paced.remarks
    assert "Of unillmrec, as for a model they are those of the first 3 people." in page(made, {})
    assert not any("first" in each for each in free.remarks)


@pytest.mark.parametrize("kind", sorted(ASKING - {REFERENCE}))
def test_what_answers_where_a_model_would_is_told(tree, kind):
    """By every baseline that would ask one."""
    note = Entry(kind, tree.path, Settings()).made(tree).note

    assert "the tree's vectors answer, prompts are counted and not sent" in note


def test_where_a_model_is_asked_there_is_one_chain(tree):
    """It walks as a model does, and is billed."""
    asked = replace(Means.without_model(tree, Settings()), paced=None, counting=None)

    assert [REFERENCE] == [each.name for each in make_systems(asked, [REFERENCE])]
    assert "nobody" not in asked.chain().note
