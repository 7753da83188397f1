"""Ways in which evaluations of others gave the answer away, planted here: none helps a system.

Each of them is, or was, in published code or in a protocol that papers report.
"""

import gc
import random
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from tests import trees
from tests.evaluation.exams import Scripted, interactions, rows_of, shelf
from unillmrec import Recommender
from unillmrec.evaluation.chain import Chain
from unillmrec.evaluation.content import MostPopular
from unillmrec.evaluation.exam import Shelf, Truth
from unillmrec.evaluation.making import REFERENCE, Entry
from unillmrec.evaluation.metrics import Scorer
from unillmrec.evaluation.paper import PaperScheme
from unillmrec.evaluation.running import evaluate
from unillmrec.evaluation.splitting import Protocol, split
from unillmrec.evaluation.systems import Ordering
from unillmrec.items import Item
from unillmrec.settings import Settings
from unillmrec.store import ItemTree
from unillmrec.tokens import TokenCounter


def recall(parted, system, at=10):
    return evaluate(parted, [system], at=at).outcomes[0].estimates[f"recall@{at}"].value


class AllAlike(Scripted):
    """Thinks the same of all items, and leaves the order to the harness."""

    def __init__(self):
        super().__init__(None, "all alike")

    def learn(self, exam):
        self._ordering = Ordering(exam)
        self._answer = lambda case, limit: self._ordering.best(
            np.zeros(len(exam.shelf)), case.history, limit
        )


def test_1_the_truth_stands_first_in_the_catalog():
    """A harness that breaks ties by place lets a system win that knows nothing."""
    catalog = trees.items()
    met = interactions()
    targets = {
        met.items[met.item[rows[-1]]]
        for rows in (np.flatnonzero(met.person == person) for person in range(len(met.people)))
    }
    leaking = Shelf(tuple(sorted(catalog, key=lambda item: item.id not in targets)))

    found = recall(split(met, leaking, Protocol(people=0)), AllAlike())

    assert len(targets) <= 36
    assert found < 3 * 10 / len(catalog)


def turned(branches):
    return tuple(replace(each, children=turned(each.children)) for each in reversed(branches))


def test_1_the_truth_stands_first_in_a_leaf(parted, tmp_path, monkeypatch):
    """The scheme of the paper reads leaves as they lie there; of equals, a lot decides."""
    targets = {each for case in parted.exam.cases for each in parted.truth.of(case.number)}
    alike = [Item(item.id, "The same", "as all others") for item in trees.items()]
    items_in, found = ItemTree.items_in, []
    with trees.tree(tmp_path, "alike", alike) as tree:
        for first in (True, False):

            def planted(self, leaves, first=first):
                items = items_in(self, leaves)
                return sorted(items, key=lambda each: (each.item.id in targets) != first)

            monkeypatch.setattr(ItemTree, "items_in", planted)
            scheme = PaperScheme(tree, TokenCounter.for_model(None))
            scheme.learn(parted.exam)
            scheme.groups = scheme.groups if first else turned(scheme.groups)
            found.append([scheme.answer(case, 10).recalled for case in parted.exam.cases])

    assert found[0] == found[1]


@pytest.mark.parametrize("kind", ["retrieve", REFERENCE])
def test_1_the_truth_stands_first_in_a_tree(parted, tmp_path, kind):
    """All items are equally near, and a quarter of them is looked at: not the first quarter."""
    targets = {each for case in parted.exam.cases for each in parted.truth.of(case.number)}
    alike = [Item(item.id, "The same", "as all others") for item in trees.items()]
    catalog = sorted(alike, key=lambda item: item.id not in targets)
    with trees.tree(tmp_path, "sorted", catalog) as tree:
        system = Entry(kind, tree.path, Settings()).made(tree)
        (outcome,) = evaluate(parted, [system]).outcomes

    assert outcome.estimates["recalled"].value < 0.5


def test_2_the_target_is_in_the_history():
    """Somebody who met an item twice is never asked to find it."""
    chance = random.Random(1)
    rows = [
        (f"p{person}", f"item-{chance.randrange(12):03}", time)
        for person in range(40)
        for time in range(12)
    ]
    for kind in ("last", "time"):
        met = rows_of(*((p, i, t + 0.5) for p, i, t in rows))
        parted = split(met, shelf(), Protocol(split=kind, people=0))
        for case in parted.exam.cases:
            assert not parted.truth.of(case.number) & set(case.history)


def reachable(thing):
    """Return all objects that can be got at from *thing*, classes and modules left out."""
    seen, waiting = {}, [thing]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, type | ModuleType):
            continue
        seen[id(each)] = each
        waiting.extend(gc.get_referents(each))
    return seen.values()


def test_3_the_truth_cannot_be_reached_from_what_a_system_gets(parted):
    """A retry until the answer is right needs the right answer; here there is no way to it."""
    got = list(reachable(parted.exam))

    assert any(each is parted.exam.cases[0] for each in got)
    assert not any(isinstance(each, Truth) for each in got)
    assert any(isinstance(each, Truth) for each in reachable(parted))


def test_4_a_system_is_asked_once(parted):
    """Whatever it answers: nobody asks again because the truth was not in it."""
    asked = []
    evaluate(parted, [Scripted(lambda case, limit: asked.append(case.number) or [])])

    assert [case.number for case in parted.exam.cases] == asked


def test_5_a_title_that_looks_like_the_target_is_no_hit(parted):
    """Hits are ids; a cutoff of likeness between titles makes some out of nothing."""
    catalog = parted.exam.shelf.items
    twins = Shelf((*catalog, *(Item(f"{i.id}-b", f"{i.title}!", i.text) for i in catalog)))
    doubled = split(interactions(), twins, Protocol(people=0))

    def answer(case, limit):
        return [f"{each}-b" for each in doubled.truth.of(case.number)]

    assert 0 == recall(doubled, Scripted(answer))


def test_6_the_target_was_met_under_another_id():
    """To find what the history says word for word is no feat: it is set aside, and counted."""
    catalog = trees.items()
    copy = Item("copy", catalog[7].title, catalog[7].text, (), catalog[7].attributes)
    rows = [("anna", f"item-{n:03}", n) for n in (1, 7)] + [("anna", "copy", 9)]
    rows += [("ben", f"item-{n:03}", n) for n in (1, 2, 3)]
    parted = split(rows_of(*rows), Shelf((*catalog, copy)), Protocol())

    assert [("item-001", "item-002")] == [case.history for case in parted.exam.cases]
    assert 1 == parted.facts["twins"]


def test_7_popularity_is_not_counted_from_the_future():
    """What everybody meets after the cut is not known before it."""
    rows = [(f"p{n}", f"item-{(n + k) % 100:03}", k + 0.5) for n in range(50) for k in range(4)]
    rows += [(f"p{n}", "item-299", 100.0) for n in range(50)]
    parted = split(rows_of(*rows), shelf(), Protocol(split="time", cutoff=50.0))

    assert 0 == parted.exam.known.counts[299]
    assert 0 == recall(parted, MostPopular())


def test_8_nobodys_held_out_item_is_learnt_from():
    """Neither that of the people who are asked about, nor that of all others."""
    rows = [(f"p{n}", f"item-{(3 * n + k) % 200:03}", k) for n in range(60) for k in range(4)]
    rows += [(f"p{n}", f"item-{250 + n % 50:03}", 9) for n in range(60)]
    parted = split(rows_of(*rows), shelf(), Protocol(people=5))

    assert 5 == len(parted.truth)
    assert 0 == parted.exam.known.counts[250:].sum()


def test_9_all_items_compete(parted):
    """No sample of easy negatives: a draw by lot finds ten in so many as there are."""
    chance = random.Random(2)

    def answer(case, limit):
        unseen = [i.id for i in parted.exam.shelf.items if i.id not in case.history]
        return chance.sample(unseen, limit)

    found = [recall(parted, Scripted(answer)) for _ in range(20)]

    assert trees.ITEMS == len(parted.exam.shelf)
    assert pytest.approx(10 / (trees.ITEMS - 5), abs=0.015) == np.mean(found)


def test_10_seen_items_do_not_make_room(parted):
    """A list that begins with the history is not closed up before it is measured."""
    (at,) = {len(case.history) for case in parted.exam.cases}

    def answer(case, limit):
        return [*case.history, *parted.truth.of(case.number)]

    assert 0 == recall(parted, Scripted(answer), at=at)
    assert 1 == recall(parted, Scripted(answer), at=at + 1)


def test_11_a_list_is_cut_where_it_is_measured(parted):
    """What stands further down does not count, however much a system returns."""
    everything = [item.id for item in parted.exam.shelf.items]

    def answer(case, limit):
        (target,) = parted.truth.of(case.number)
        unseen = [each for each in everything if each not in {target, *case.history}]
        return [*unseen[:10], target]

    scorer = Scorer(parted, 10)
    found = scorer.grade([Scripted(answer).answer(case, 10) for case in parted.exam.cases])

    assert 0 == found.accuracy.sum()


def test_12_one_persons_answers_do_not_depend_on_anothers(parted, tmp_path):
    """A conversation that is kept from person to person lets one speak for the next."""
    with trees.tree(tmp_path) as tree:
        chain = Chain(Recommender(tree))
        forth = {each.number: chain.answer(each, 10).items for each in parted.exam.cases[:12]}
        back = {each.number: chain.answer(each, 10).items for each in parted.exam.cases[11::-1]}

    assert forth == back


def test_13_numbers_of_people_say_nothing(parted):
    """Neither the order of cases nor the rows to learn from are in the order of the file."""
    met = interactions()
    order = [
        next(p for p in range(len(met.people)) if case.history[0] in items_of(met, p))
        for case in parted.exam.cases
    ]

    assert sorted(order) != order


def items_of(met, person):
    return {met.items[item] for item in met.item[met.person == person][:1]}
