"""Ways in which evaluations of others gave the answer away, planted here: none helps a system.

Each of them is, or was, in published code or in a protocol that papers report.
"""

import gc
import random
from dataclasses import replace
from types import FunctionType, ModuleType

import numpy as np
import pytest

from tests import trees
from tests.evaluation.scripted import Scripted, index, interactions, rows_of
from unillmrec import Recommender
from unillmrec.evaluation.data.cases import ItemIndex
from unillmrec.evaluation.data.split import SplitProtocol, split
from unillmrec.evaluation.datasets import parse_dataset
from unillmrec.evaluation.metrics import Scorer
from unillmrec.evaluation.runner import evaluate
from unillmrec.evaluation.systems.content import MostPopular, TfIdf
from unillmrec.evaluation.systems.contract import ScoreRanker
from unillmrec.evaluation.systems.paper import PaperScheme
from unillmrec.evaluation.systems.registry import REFERENCE, SystemSpec
from unillmrec.evaluation.systems.unillmrec_system import UnillmrecSystem
from unillmrec.items import Item
from unillmrec.settings import Settings
from unillmrec.store import ItemTree
from unillmrec.tokens import TokenCounter


def figure(held_out, system, name, at=10):
    return evaluate(held_out, [system], at=at).results[0].estimates[f"{name}@{at}"].value


def recall(held_out, system, at=10):
    return figure(held_out, system, "recall", at)


class AllAlike(Scripted):
    """Scores all items alike, and leaves the order to tie-breaking."""

    def __init__(self):
        super().__init__(None, "all alike")

    def learn(self, data):
        self._ordering = ScoreRanker(data)
        self._answer = lambda case, limit: self._ordering.best(
            np.zeros(len(data.index)), case.history, limit
        )


def test_1_the_ground_truth_is_first_in_the_catalog():
    """If ties were broken by position, a system without any knowledge would win."""
    catalog = trees.items()
    met = interactions()
    targets = {
        met.items[met.item[rows[-1]]]
        for rows in (np.flatnonzero(met.person == person) for person in range(len(met.people)))
    }
    leaking = ItemIndex(tuple(sorted(catalog, key=lambda item: item.id not in targets)))

    found = recall(split(met, leaking, SplitProtocol(people=0)), AllAlike())

    assert len(targets) <= 36
    assert found < 3 * 10 / len(catalog)


def reversed_branches(branches):
    return tuple(
        replace(each, children=reversed_branches(each.children)) for each in reversed(branches)
    )


def test_1_the_ground_truth_is_first_in_a_leaf(held_out, tmp_path, monkeypatch):
    """The paper's scheme reads leaves in their order; ties are broken pseudo-randomly."""
    targets = {
        each for case in held_out.data.cases for each in held_out.truth.items_of(case.number)
    }
    alike = [Item(item.id, "The same", "as all others") for item in trees.items()]
    items_in, found = ItemTree.items_in, []
    with trees.tree(tmp_path, "alike", alike) as tree:
        for first in (True, False):

            def planted(self, leaves, first=first):
                items = items_in(self, leaves)
                return sorted(items, key=lambda each: (each.item.id in targets) != first)

            monkeypatch.setattr(ItemTree, "items_in", planted)
            scheme = PaperScheme(tree, TokenCounter.for_model(None))
            scheme.learn(held_out.data)
            scheme.groups = scheme.groups if first else reversed_branches(scheme.groups)
            found.append([scheme.answer(case, 10).recalled for case in held_out.data.cases])

    assert found[0] == found[1]


@pytest.mark.parametrize("kind", ["retrieve", REFERENCE])
def test_1_the_ground_truth_is_first_in_a_tree(held_out, tmp_path, kind):
    """All items are equally near; the quarter that is shown must not be the first quarter."""
    targets = {
        each for case in held_out.data.cases for each in held_out.truth.items_of(case.number)
    }
    alike = [Item(item.id, "The same", "as all others") for item in trees.items()]
    catalog = sorted(alike, key=lambda item: item.id not in targets)
    with trees.tree(tmp_path, "sorted", catalog) as tree:
        system = SystemSpec(kind, tree.path, Settings()).build(tree)
        (result,) = evaluate(held_out, [system]).results

    assert result.estimates["recalled"].value < 0.5


def test_2_the_target_is_in_the_history():
    """A repeated interaction is never the target; the person is evaluated all the same."""
    met = [[f"item-{4 * n + k:03}" for k in range(4)] for n in range(40)]
    rows = [(f"p{n}", item, k + 0.5) for n, ids in enumerate(met) for k, item in enumerate(ids[:3])]
    rows += [(f"p{n}", ids[k], 100.0 + k) for n, ids in enumerate(met) for k in (3, 0)]

    for protocol in (SplitProtocol(people=0), SplitProtocol(split="time", cutoff=50.0, people=0)):
        # The repeated interaction is the later one, and the first in the file.
        held_out = split(rows_of(*sorted(rows, key=lambda row: -row[2])), index(), protocol)
        asked = {case.history: held_out.truth.items_of(case.number) for case in held_out.data.cases}
        assert {tuple(ids[:3]): {ids[3]} for ids in met} == asked


class Onlooker(Scripted):
    """Stores everything that a system receives."""

    def __init__(self):
        super().__init__(lambda case, limit: self.got.append(case) or ())
        self.got = []

    def learn(self, data):
        self.got.append(data)


def reachable(thing, besides=()):
    """Return all objects reachable from *thing*, but not through *besides*.

    Classes, modules and the globals of functions are left out; arrays are converted to lists,
    the bases of views included.
    """
    seen, waiting = {id(each): each for each in besides}, [thing]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, type | ModuleType):
            continue
        seen[id(each)] = each
        if isinstance(each, FunctionType):
            waiting += [each.__closure__, each.__defaults__, each.__kwdefaults__, each.__dict__]
        elif isinstance(each, np.ndarray):
            waiting += [each.tolist(), each.base]
        else:
            waiting += gc.get_referents(each)
    return [each for each in seen.values() if not any(each is other for other in besides)]


def revealed(items, objects):
    """Return the positions of the *items* whose position or text is among *objects*."""
    numbers = {each for each in objects if isinstance(each, int | float | np.number)}
    texts = "\n".join(each for each in objects if isinstance(each, str))
    return {
        position
        for position, item in items.items()
        if position in numbers or any(text in texts for text in (item.id, item.title, item.text))
    }


@pytest.mark.parametrize("kind", ["last", "time"])
def test_3_the_ground_truth_is_not_reachable_from_the_data(kind):
    """No object that a system receives leads to the held-out items.

    Every target is an item of one person only, at a position that occurs nowhere else.
    """
    rows = [(f"p{n}", f"item-{100 + 3 * n + k:03}", k + 0.5) for n in range(30) for k in range(3)]
    rows += [(f"p{n}", f"item-{250 + n:03}", 100.0) for n in range(30)]
    protocol = SplitProtocol(split=kind, cutoff=50.0 if kind == "time" else None, people=20)
    held_out = split(rows_of(*rows), index(), protocol)
    all_items = dict(enumerate(held_out.data.index.items))
    targets = {place: item for place, item in all_items.items() if 250 <= place < 280}
    system = Onlooker()
    evaluate(held_out, [system])

    catalog = (held_out.data.index.items, held_out.data.index.positions)
    got = reachable(system.got, catalog)

    assert 1 + 20 == len(system.got)
    assert trees.items() == list(held_out.data.index.items)
    assert not revealed(targets, got)
    # The search itself works: it finds histories, and the ground truth in the split.
    assert set(range(100, 190)) <= revealed(all_items, got)
    assert 20 == len(revealed(targets, reachable(held_out, catalog)))
    assert set(targets) == revealed(targets, reachable(held_out))


def test_4_a_system_is_asked_once_per_case(held_out):
    """There is no retry until the list contains the target."""
    asked = []
    evaluate(held_out, [Scripted(lambda case, limit: asked.append(case.number) or [])])

    assert [case.number for case in held_out.data.cases] == asked


def test_5_a_title_like_that_of_the_target_is_not_a_hit(held_out):
    """Hits are determined by id, not by the similarity of titles."""
    catalog = held_out.data.index.items
    twins = ItemIndex((*catalog, *(Item(f"{i.id}-b", f"{i.title}!", i.text) for i in catalog)))
    doubled = split(interactions(), twins, SplitProtocol(people=0))

    def answer(case, limit):
        return [f"{each}-b" for each in doubled.truth.items_of(case.number)]

    assert 0 == recall(doubled, Scripted(answer))


def test_6_the_target_is_in_the_history_under_another_id():
    """A target with the same words as a history item is left out, and counted."""
    catalog = trees.items()
    copy = Item("copy", catalog[7].title, catalog[7].text, (), catalog[7].attributes)
    rows = [("anna", f"item-{n:03}", n) for n in (1, 7)] + [("anna", "copy", 9)]
    rows += [("ben", f"item-{n:03}", n) for n in (1, 2, 3)]
    held_out = split(rows_of(*rows), ItemIndex((*catalog, copy)), SplitProtocol())

    assert [("item-001", "item-002")] == [case.history for case in held_out.data.cases]
    assert 1 == held_out.facts["twins"]


def test_7_popularity_is_not_counted_from_the_future():
    """Interactions after the cutoff are not in the training data."""
    rows = [(f"p{n}", f"item-{(n + k) % 100:03}", k + 0.5) for n in range(50) for k in range(4)]
    rows += [(f"p{n}", f"item-{late}", float(late)) for n in range(50) for late in (298, 299)]
    held_out = split(rows_of(*rows), index(), SplitProtocol(split="time", cutoff=50.0))

    assert [0, 0] == held_out.data.training.counts[298:].tolist()
    assert 0 == recall(held_out, MostPopular())


def test_8_no_held_out_item_is_training_data():
    """This holds for people who are not sampled as well."""
    rows = [(f"p{n}", f"item-{(3 * n + k) % 200:03}", k) for n in range(60) for k in range(4)]
    rows += [(f"p{n}", f"item-{250 + n % 50:03}", 9) for n in range(60)]
    held_out = split(rows_of(*rows), index(), SplitProtocol(people=5))

    assert 5 == len(held_out.truth)
    assert 0 == held_out.data.training.counts[250:].sum()


def test_9_all_items_compete(held_out):
    """With sampled negatives, rank 31 would become a hit."""

    def standing(place):
        def answer(case, limit):
            target = held_out.truth.items_of(case.number)
            others = [
                i.id for i in held_out.data.index.items if i.id not in {*target, *case.history}
            ]
            return [*others[: place - 1], *target, *others[place - 1 :]]

        return Scripted(answer)

    assert trees.ITEMS == len(held_out.data.index)
    assert pytest.approx(1 / 10) == figure(held_out, standing(10), "mrr")
    assert pytest.approx(1 / np.log2(11)) == figure(held_out, standing(10), "ndcg")
    assert 0 == recall(held_out, standing(11)) == recall(held_out, standing(31))


def test_10_seen_items_keep_their_rank(held_out):
    """A list that begins with the history is not closed up before it is scored."""
    (at,) = {len(case.history) for case in held_out.data.cases}

    def answer(case, limit):
        return [*case.history, *held_out.truth.items_of(case.number)]

    assert 0 == recall(held_out, Scripted(answer), at=at)
    assert 1 == recall(held_out, Scripted(answer), at=at + 1)
    assert pytest.approx(1 / (at + 1)) == figure(held_out, Scripted(answer), "mrr", at=at + 1)


def test_11_lists_are_cut_at_the_measured_length(held_out):
    """Later items do not count, however many a system returns."""
    everything = [item.id for item in held_out.data.index.items]

    def answer(case, limit):
        (target,) = held_out.truth.items_of(case.number)
        unseen = [each for each in everything if each not in {target, *case.history}]
        return [*unseen[:10], target]

    scorer = Scorer(held_out, 10)
    found = scorer.score([Scripted(answer).answer(case, 10) for case in held_out.data.cases])

    assert 0 == found.accuracy.sum()


def test_12_lists_do_not_depend_on_other_cases(held_out, tmp_path):
    """No conversation is shared between people."""
    with trees.tree(tmp_path) as tree:
        chain = UnillmrecSystem(Recommender(tree))
        forth = {each.number: chain.answer(each, 10).items for each in held_out.data.cases[:12]}
        back = {each.number: chain.answer(each, 10).items for each in held_out.data.cases[11::-1]}

    assert forth == back


def test_13_case_numbers_do_not_identify_people(held_out):
    """Neither cases nor training rows are in the order of the file or of the names."""
    met = interactions()
    whole = {
        tuple(met.items[item] for item in met.item[met.person == person]): person
        for person in range(len(met.people))
    }
    cases = held_out.data.cases
    ends = [tuple(held_out.truth.items_of(case.number)) for case in cases]
    in_file = [whole[case.history + end] for case, end in zip(cases, ends, strict=True)]
    by_name = np.argsort(np.argsort(met.people))[in_file]
    rows = [held_out.rows[case.number] for case in cases]

    assert len(whole) == len(met.people) == len(set(in_file)) == len(set(rows))
    orders = np.corrcoef([range(len(cases)), rows, in_file, by_name])
    # Two random orders of 36 seldom correlate by more than a third.
    correlations = [*orders[:2, 2:].ravel().tolist(), orders[0, 1]]
    assert max(map(abs, correlations)) < 0.5
    training, positions = held_out.data.training, held_out.data.index.positions
    for case, row in zip(cases, rows, strict=True):
        assert [positions[each] for each in case.history] == training.item[
            training.person == row
        ].tolist()


def test_14_tags_of_single_people_are_not_in_the_catalog(tmp_path):
    """A word that a person puts on all their items would give the held-out one away."""
    chance = random.Random(4)
    met = [chance.sample(range(200), 5) for _ in range(30)]
    tables = {
        "movies": "movieId,title,genres",
        "ratings": "userId,movieId,rating,timestamp",
        "tags": "userId,movieId,tag,timestamp",
    }
    rows = {
        "movies": [f"{film},Film {film},Drama" for film in range(200)],
        "ratings": [
            f"{n},{film},5,{k}.5" for n, films in enumerate(met) for k, film in enumerate(films)
        ],
        "tags": [f"{n},{film},mood{n},9" for n, films in enumerate(met) for film in films],
    }
    for name, header in tables.items():
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *rows[name], ""]))
    form, folder = parse_dataset(f"movielens-latest:{tmp_path}")
    loaded = form.load(folder)

    def found(items):
        return recall(
            split(loaded.interactions, ItemIndex(tuple(items)), SplitProtocol(people=0)), TfIdf()
        )

    def moods(item):
        return tuple(f"mood{n}" for n, films in enumerate(met) if int(item.id) in films)

    assert 1 == found(replace(each, attributes={"tags": moods(each)}) for each in loaded.items)
    assert found(loaded.items) < 3 * 10 / 200
