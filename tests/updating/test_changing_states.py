"""Random changes to small trees, with all invariants checked after each."""

import json
import random
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from unillmrec import Options, Recommender
from unillmrec.building import BuildOptions, build
from unillmrec.errors import TreeError
from unillmrec.items import Item
from unillmrec.store.columns.selection import Selection
from unillmrec.store.invariants import find_breaches
from unillmrec.tree.growing import Bounds
from unillmrec.tree.terms import count_terms, weighted_words
from unillmrec.updating.changer import TreeChanger

# Narrow bounds, so that leaves split and merge all the time.
TINY = Bounds(fan_out=3, most_children=5, root_children=4, leaf_target=6, leaf_capacity=9)
TOPICS = ("tea", "coffee", "milk", "bread", "wool", "lamp")
WORDS = ("green", "dark", "fresh", "old", "small", "round", "soft", "plain", "fine", "warm")
POOL = 160
DIMENSIONS = 6


def item(number, version=0):
    """Return an item of one of six topics; another *version* may have other words."""
    chance = random.Random(f"{number} {version % 3}")
    topic = TOPICS[chance.randrange(len(TOPICS))] if version else TOPICS[number % len(TOPICS)]
    words = chance.sample(WORDS, 2)
    path = (("Drinks" if topic in TOPICS[:3] else "Home"), topic)[
        : chance.choice((0, 1, 2, 2, 2)) if number > 1 else 2
    ]
    attributes = {"price": (number * 7 + version) % 50, "kind": topic}
    if number % 3:
        attributes["stock"] = bool(number % 2)
    return Item(f"i{number}", f"{topic} {' '.join(words)} {number}", "", path, attributes)


def row_of(each):
    """Return the vector of an item."""
    chance = np.random.default_rng(int.from_bytes(each.content_hash(), "big"))
    row = 0.2 * chance.normal(size=DIMENSIONS)
    row[TOPICS.index(each.attributes["kind"])] += 1
    return (row / np.linalg.norm(row)).astype(np.float32)


class Rows:
    """Provides the vectors of any items."""

    model = None

    def __init__(self):
        self.items = []

    def add(self, each):
        self.items.append(each)

    def track(self, items):
        return iter(items)

    def prepare(self, items):
        pass

    def for_items(self, items):
        return np.stack([row_of(each) for each in (self.items if self.items else items)])


class Changes(RuleBasedStateMachine):
    """A tree and a model of its content; *kind* and *given* say how the tree is built."""

    kind = "clusters"
    given = False

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="unillmrec-states-"))
        self.model = {}
        self.changer = None

    @initialize(count=st.sampled_from([1, 1, 20, 70]))
    def build(self, count):
        items = [item(number) for number in range(1, count + 1)]
        options = BuildOptions(
            bounds=TINY,
            workers=1,
            tree=self.kind,
            popularity="price",
            given=Rows() if self.given else None,
        )
        build(items, self.folder / "a.tree", options)
        self.model = {each.id: each for each in items}
        self.changer = TreeChanger(
            self.folder / "a.tree", given=Rows() if self.given else None, batch=None
        )

    @rule(first=st.integers(0, POOL), count=st.sampled_from([1, 1, 3, 12, 60]))
    def insert(self, first, count):
        fresh = [item(n) for n in range(first, first + count) if f"i{n}" not in self.model]
        report = self.changer.insert(fresh)

        assert len(fresh) == report.inserted
        self.model |= {each.id: each for each in fresh}

    @rule(count=st.sampled_from([1, 1, 4, 15, 60, 1000]), seed=st.integers(0, 9))
    def delete(self, count, seed):
        ids = sorted(self.model)
        random.Random(seed).shuffle(ids)
        report = self.changer.delete(ids[:count])

        assert len(ids[:count]) == report.deleted
        for each in ids[:count]:
            del self.model[each]

    @rule(topic=st.sampled_from(TOPICS))
    def delete_topic(self, topic):
        ids = [each.id for each in self.model.values() if each.attributes["kind"] == topic]
        self.changer.delete(ids)
        for each in ids:
            del self.model[each]

    @rule(seed=st.integers(0, 9), count=st.sampled_from([1, 5, 30]), version=st.integers(1, 3))
    def update(self, seed, count, version):
        ids = random.Random(seed).sample(sorted(self.model), min(count, len(self.model)))
        news = [item(int(each[1:]), version) for each in ids]
        self.changer.update(news)
        self.model |= {each.id: each for each in news}

    @rule(seed=st.integers(0, 9), price=st.integers(1, 9))
    def update_prices(self, seed, price):
        ids = random.Random(seed).sample(sorted(self.model), min(5, len(self.model)))
        news = []
        for each in ids:
            old = self.model[each]
            attributes = {**old.attributes, "price": price}
            news.append(Item(old.id, old.title.upper(), old.text, old.path, attributes))
        self.changer.update(news)
        self.model |= {each.id: each for each in news}

    @rule(first=st.integers(0, POOL), count=st.sampled_from([2, 30]), version=st.integers(0, 3))
    def upsert(self, first, count, version):
        news = [item(n, version) for n in range(first, first + count)]
        self.changer.upsert(news)
        self.model |= {each.id: each for each in news}

    @rule(first=st.integers(0, POOL), count=st.sampled_from([1, 40, 90]), version=st.integers(0, 2))
    def sync(self, first, count, version):
        news = [item(n, version if n % 4 == 0 else 0) for n in range(first, first + count)]
        self.changer.sync(news)
        self.model = {each.id: each for each in news}

    @rule(number=st.integers(0, POOL))
    def refuse(self, number):
        """Invalid changes are errors, and change nothing."""
        twice = [item(number), item(number)]
        for change in (self.changer.insert, self.changer.upsert, self.changer.sync):
            with pytest.raises(TreeError):
                change(twice)
        with pytest.raises(TreeError):
            self.changer.delete(["nobody"])

    @invariant()
    def holds(self):
        if self.changer is None:
            return
        tree = self.changer.tree
        assert [] == list(find_breaches(tree))
        self._equals_model(tree)
        self._sums_are_right(tree)
        self._describes_itself(tree)
        self._counts_terms(tree)
        self._selects(tree)
        self._names(tree)
        self._recommends(tree)

    def _equals_model(self, tree):
        held = tree.items_by_number([n for (n,) in tree.rows("SELECT number FROM item")])
        assert self.model == {each.item.id: each.item for each in held.values()}
        assert len(self.model) == len(tree) == tree.node(1).size

    def _sums_are_right(self, tree):
        width = int(tree.facts["next_term"])
        for number, _ in tree.subtree(1):
            leaves = [n for n, leaf in tree.subtree(number) if leaf]
            numbers = [n for held in tree.numbers_by_leaf(leaves).values() for n in held]
            if not numbers:
                continue
            expected = np.asarray(tree.item_matrix(numbers).sum(axis=0)).ravel()
            stored = tree.node_matrix([number])
            stored = stored if isinstance(stored, np.ndarray) else stored.toarray()
            assert stored.shape[1] == (width if tree.sparse else DIMENSIONS)
            np.testing.assert_allclose(stored[0], expected, rtol=2e-3, atol=2e-3)

    def _describes_itself(self, tree):
        for number, _ in tree.subtree(1):
            node = tree.node(number)
            leaves = [n for n, leaf in tree.subtree(number) if leaf]
            held = {each.number: each for each in tree.items_in(leaves)}
            shown = node.description
            assert [held[n].item.title for n in shown.typical] == list(shown.titles)
            assert shown.titles or not self.model
            used = {w for each in held.values() for f, _ in weighted_words(each.item) for w in f}
            assert set(shown.words) <= used
            if held:
                mean = np.mean([each.prior for each in held.values()])
                assert node.prior == pytest.approx(mean)

    def _counts_terms(self, tree):
        used = Counter()
        for each in self.model.values():
            used.update(count_terms(weighted_words(each), with_ngrams=tree.facts["pieces"]).keys())
        kept = dict(tree.rows("SELECT term, used_by FROM term WHERE used_by > 0"))
        assert dict(used) == kept

    def _selects(self, tree):
        if not self.model:
            return
        prices = {each.id: each.attributes["price"] for each in self.model.values()}
        selected = Selection.of(tree, "price < 20 and kind in ('tea', 'wool')")
        expected = {
            each.id
            for each in self.model.values()
            if prices[each.id] < 20 and each.attributes["kind"] in ("tea", "wool")
        }
        assert len(expected) == selected.total
        for number, _ in tree.subtree(1):
            leaves = [n for n, leaf in tree.subtree(number) if leaf]
            below = {each.item.id for each in tree.items_in(leaves)}
            assert len(below & expected) == selected.count(number)

    def _names(self, tree):
        """Check that the paths of all items of a node begin with its name."""

    def _recommends(self, tree):
        if not self.model:
            return
        seen = sorted(self.model)[:2]
        with_options = Recommender(tree).recommend(seen, options=Options(limit=3))
        found = [each.item.id for each in with_options.items]
        assert len(set(found)) == min(3, len(self.model) - len(seen))
        assert set(found) <= set(self.model) - set(seen)

    def teardown(self):
        if self.changer is not None:
            self.changer.close()
        shutil.rmtree(self.folder)


class ChangesAlongPaths(Changes):
    """The same changes in a tree in which every category has its branch."""

    kind = "paths"

    def _names(self, tree):
        for number, is_leaf in tree.subtree(1):
            names = [node.description.name for node in tree.ancestors(number)]
            names.insert(0, tree.node(1).description.name)
            labels = categories(names)
            for each in tree.items_in([number] if is_leaf else []):
                assert list(each.item.path[: len(labels)]) == labels, (names, each.item.path)
                assert labels or not each.item.path or len(tree.children(1)) == 0


class ChangesAlongGroupedPaths(ChangesAlongPaths):
    """The same changes in a tree in which small categories share leaves."""

    kind = "paths+clusters"

    def _names(self, tree):
        for number, is_leaf in tree.subtree(1):
            names = [node.description.name for node in tree.ancestors(number)]
            labels = categories([tree.node(1).description.name, *names])
            for each in tree.items_in([number] if is_leaf else []):
                assert list(each.item.path[: len(labels)]) == labels, (names, each.item.path)


def categories(names):
    """Return the labels of the categories that nodes with these names represent."""
    labels = []
    for name in names:
        for label in filter(None, name.split(" > ")):
            whole = re.sub(r" [0-9.]+$", "", label)
            own = whole in ("General", "No subcategory", "No category", "Without category")
            group = ", " in label or label.startswith(("Other ", "More ", "Further "))
            if not own and not group and whole != (labels or [""])[-1]:
                labels.append(whole)
    return labels


class ChangesOfGivenVectors(Changes):
    """The same changes in a tree of given vectors."""

    given = True


@pytest.mark.parametrize(
    "machine",
    [Changes, ChangesAlongPaths, ChangesAlongGroupedPaths, ChangesOfGivenVectors],
    ids=lambda machine: machine.__name__,
)
def test_invariants_hold_after_every_change(machine):
    """Any sequence of inserts, updates, deletes and syncs keeps a tree sound."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=settings.default.max_examples // 4,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # Shrinking an example would take minutes.
            phases=[Phase.generate],
        ),
    )


def test_an_emptied_tree_has_no_leftovers(tmp_path):
    """A tree that was emptied and filled again is sound, with no rows left behind."""
    items = [item(number) for number in range(40)]
    build(items, tmp_path / "a.tree", BuildOptions(bounds=TINY, workers=1))
    with TreeChanger(tmp_path / "a.tree") as changer:
        changer.delete([each.id for each in items])

        assert [(1, 1, 0)] == changer.tree.rows("SELECT id, leaf, size FROM node")
        assert [(0,)] == changer.tree.rows("SELECT max(used_by) FROM term")
        assert [] == changer.tree.rows("SELECT 1 FROM item_vector")
        changer.insert(items)

        assert [] == list(find_breaches(changer.tree))
        assert 1 < len(changer.tree.children(1))
        assert json.loads(json.dumps(changer.tree.facts)) == changer.tree.facts
