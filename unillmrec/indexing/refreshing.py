"""Sum up and describe again what a change has touched, from the leaves to the root."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from unillmrec.indexing.placing import Touched
from unillmrec.indexing.rows import sum_and_closeness, summed
from unillmrec.store import EditableTree, NodeRow, NodeState
from unillmrec.tree.describing import (
    KEPT_TITLES,
    TAIL,
    Spans,
    largest,
    most_contrastive,
    span,
    telling,
    told_ranges,
)
from unillmrec.tree.descriptions import Description, beyond_names
from unillmrec.tree.terms import term_worth, terms_of, vector_of, weighted_words
from unillmrec.tree.vectors import NODE_TERMS, Floats, Vector, similarities, unpacked_rows


@dataclass(slots=True)
class _Fresh:
    """What a node comes to be: its sum, and what its parent needs to know of it.

    *words* is the sum of the words of *worded* of its items: of all, where vectors are words.
    """

    state: NodeState
    size: int
    total: Vector
    prior: float
    spans: Spans
    typical: list[int]
    words: Vector | None = None
    worded: int = 0


class Refresh:
    """Refreshes the touched nodes of one tree and everything above them, in a transaction."""

    def __init__(self, tree: EditableTree, touched: Touched) -> None:
        self.tree = tree
        self.states = tree.with_ancestors(sorted(touched.nodes))
        self.fresh: dict[int, _Fresh] = {}

    def run(self) -> dict[int, int]:
        """Refresh; return the new sizes of the branches below the root."""
        leaves = [state for state in self.states.values() if state.is_leaf]
        branches = [state for state in self.states.values() if not state.is_leaf]
        self._sum_leaves(leaves)
        for state in sorted(branches, key=lambda each: -each.depth):
            self._sum_branch(state)
        if self.tree.sparse:
            for each in self.fresh.values():
                each.words, each.worded = each.total, each.size
        else:
            self._sum_words()
        self._describe()
        return {state.id: self.fresh[state.id].size for state in branches}

    def _sum_words(self) -> None:
        """Sum up words where vectors are none: of all items of a leaf, of a branch's typical."""
        leaves = {number for number, each in self.fresh.items() if each.state.is_leaf}
        shown = {number: self._shown(each) for number, each in self.fresh.items()}
        held = self.tree.items_in(sorted(leaves))
        others = {item for number in shown.keys() - leaves for item in shown[number]}
        placed = self.tree.items_numbered(sorted(others - {each.number for each in held}))
        placed |= {each.number: each for each in held}
        used = {
            number: terms_of(weighted_words(each.item), with_pieces=False)
            for number, each in placed.items()
        }
        known = self.tree.known_terms({term for each in used.values() for term in each})
        vectors = {number: vector_of(each, known) for number, each in used.items()}
        for each in held:
            shown[each.leaf].append(each.number)
        for number, fresh in self.fresh.items():
            fresh.words = summed([vectors[item] for item in shown[number]])
            fresh.worded = len(shown[number])

    def _shown(self, fresh: _Fresh) -> list[int]:
        if fresh.state.is_leaf:
            return []
        children = self.tree.child_states([fresh.state.id])[fresh.state.id]
        return [item for child in children for item in self._typical(child)]

    def _sum_leaves(self, leaves: Sequence[NodeState]) -> None:
        held = self.tree.contents([state.id for state in leaves])
        if not held:
            self._note_empty(leaves)
            return
        rows = unpacked_rows(
            [each.packed for each in held],
            int(self.tree.facts["next_term"]),
            sparse=self.tree.sparse,
        )
        places: dict[int, list[int]] = {state.id: [] for state in leaves}
        for place, each in enumerate(held):
            places[each.leaf].append(place)
        for state in leaves:
            # What a leaf holds lies together, for it was read in the order of the leaves.
            own = places[state.id]
            first, last = (own[0], own[-1] + 1) if own else (0, 0)
            total, near = sum_and_closeness(rows, first, last)
            items = held[first:last]
            self.fresh[state.id] = _Fresh(
                state=state,
                size=len(items),
                total=total.strongest(NODE_TERMS),
                prior=float(np.mean([each.prior for each in items])) if items else 0.0,
                spans=_spans_of([each.attributes for each in items]),
                typical=[items[place].number for place in largest(near, KEPT_TITLES)],
            )

    def _note_empty(self, leaves: Sequence[NodeState]) -> None:
        """Note leaves without items: the root of an empty tree."""
        nothing = summed([]) if self.tree.sparse else Vector(np.zeros(0, np.float32))
        for state in leaves:
            self.fresh[state.id] = _Fresh(state, 0, nothing, 0.0, {}, [])

    def _sum_branch(self, state: NodeState) -> None:
        children = self.tree.child_states([state.id])[state.id]
        untouched = [child for child in children if child.id not in self.fresh]
        sums = dict(
            zip(
                (child.id for child in untouched),
                self.tree.node_vectors([child.id for child in untouched]),
                strict=True,
            )
        )
        sums |= {c.id: self.fresh[c.id].total for c in children if c.id in self.fresh}
        total = summed([sums[child.id] for child in children])
        sizes = [self._size(child) for child in children]
        firsts = [first for child in children for first in self._typical(child)[:1]]
        near = similarities(total, self.tree.item_vectors(firsts))
        self.fresh[state.id] = _Fresh(
            state=state,
            size=sum(sizes),
            total=total.strongest(NODE_TERMS),
            prior=self._mean_prior(children, sizes),
            spans=_joined_spans(list(zip(map(self._spans, children), sizes, strict=True))),
            typical=[firsts[place] for place in largest(near, KEPT_TITLES)],
        )

    def _size(self, child: NodeState) -> int:
        return self.fresh[child.id].size if child.id in self.fresh else child.size

    def _spans(self, child: NodeState) -> Spans:
        if child.id in self.fresh:
            return self.fresh[child.id].spans
        return {name: (low, high) for name, (low, high) in json.loads(child.packed_spans).items()}

    def _typical(self, child: NodeState) -> Sequence[int]:
        if child.id in self.fresh:
            return self.fresh[child.id].typical
        return Description.from_json(child.description).typical

    def _mean_prior(self, children: Sequence[NodeState], sizes: Sequence[int]) -> float:
        if not self.tree.has_prior or not sum(sizes):
            return 0.0
        priors = [
            self.fresh[child.id].prior if child.id in self.fresh else child.prior
            for child in children
        ]
        return float(np.average(priors, weights=sizes))

    def _describe(self) -> None:
        told = _Told(self.tree, [each.words for each in self.fresh.values() if each.words])
        names: dict[int | None, str] = {None: ""}
        titles = self.tree.titles(
            sorted({number for each in self.fresh.values() for number in each.typical})
        )
        rows = []
        for number, each in sorted(self.fresh.items(), key=lambda pair: pair[1].state.depth):
            parent = self.fresh.get(each.state.parent or -1)
            known = Description.from_json(each.state.description)
            names[number] = f"{names[each.state.parent]} {known.name}"
            words = told.words(each, parent) if parent else ()
            description = replace(
                known,
                words=beyond_names(words, names[number]),
                titles=tuple(titles[item] for item in each.typical),
                typical=tuple(each.typical),
                ranges=told_ranges(each.spans, parent.spans) if parent else (),
            )
            rows.append(_row(number, each, description))
        self.tree.put_nodes(rows)


class _Told:
    """Which words can be told of nodes, looked up once for all of them."""

    def __init__(self, tree: EditableTree, totals: Sequence[Vector]) -> None:
        ids = [total.ids for total in totals if total.ids is not None]
        self._ids = np.unique(np.concatenate(ids)) if ids else np.zeros(0, np.int32)
        known = tree.terms_numbered(self._ids.tolist())
        self._terms = [known[int(number)][0] for number in self._ids]
        used = np.array([known[int(number)][1] for number in self._ids], np.int64)
        self._telling: Floats = telling(self._terms, term_worth(used, len(tree)))

    def words(self, own: _Fresh, parent: _Fresh) -> tuple[str, ...]:
        """Return the words that set a node apart from what surrounds it."""
        assert own.words and own.words.ids is not None
        assert parent.words and parent.words.ids is not None
        around = np.zeros(len(self._ids), np.float32)
        around[np.searchsorted(self._ids, parent.words.ids)] = parent.words.weights / max(
            parent.worded, 1
        )
        places = np.searchsorted(self._ids, own.words.ids)
        mean = own.words.weights / np.float32(max(own.worded, 1))
        best = most_contrastive(mean, around[places], self._telling[places])
        return tuple(self._terms[places[place]] for place in best)


def _row(number: int, fresh: _Fresh, description: Description) -> NodeRow:
    state = fresh.state
    return NodeRow(
        id=number,
        parent=state.parent,
        place=state.place,
        depth=state.depth,
        size=fresh.size,
        leaf=state.is_leaf,
        description=description.to_json(),
        spans=json.dumps(fresh.spans),
        prior=fresh.prior,
        packed=fresh.total.to_bytes(precise=True),
        moved=state.moved,
        # Words are always fresh; only what a model wrote can be out of date.
        stale=state.stale if description.summary else 0,
    )


def _spans_of(attributes: Sequence[str]) -> Spans:
    numbers: dict[str, list[float]] = {}
    for packed in attributes:
        for name, value in json.loads(packed).items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                numbers.setdefault(name, []).append(value)
    found = {}
    for name, values in numbers.items():
        between = span(np.array(values + [np.nan] * (len(attributes) - len(values))))
        if between is not None:
            found[name] = between
    return found


def _joined_spans(parts: Sequence[tuple[Spans, int]]) -> Spans:
    """Return spans that hold most of what the parts' spans hold, each weighed by its size."""
    joined: dict[str, tuple[float, float]] = {}
    for name in {name for spans, _ in parts for name in spans}:
        held = [(spans[name], size) for spans, size in parts if name in spans]
        if 2 * sum(size for _, size in held) >= sum(size for _, size in parts):
            low = _weighted(sorted((each[0], size) for each, size in held))
            high = -_weighted(sorted((-each[1], size) for each, size in held))
            joined[name] = (low, high)
    return dict(sorted(joined.items()))


def _weighted(values: Sequence[tuple[float, int]]) -> float:
    """Return the value below which the tail of the weight lies; *values* ascend."""
    tail = TAIL * sum(weight for _, weight in values)
    passed = 0.0
    for value, weight in values:
        passed += weight
        if passed > tail:
            return value
    return values[-1][0]
