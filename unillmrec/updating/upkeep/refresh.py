"""Sum up and describe again what a change has touched, from the leaves to the root."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from unillmrec.store import EditableTree, NodeRow, NodeState
from unillmrec.tree.descriptions import Description, beyond_names, with_words
from unillmrec.tree.keyword_descriptions import KEPT_TITLES, TAIL, Spans, largest, told_ranges
from unillmrec.tree.node_names import name_of
from unillmrec.tree.terms import terms_of, vector_of, weighted_words
from unillmrec.tree.vector_rows import Stack, summed
from unillmrec.tree.vectors import NODE_TERMS, Vector
from unillmrec.updating.placement.nearest_leaf import ChangeSet
from unillmrec.updating.placement.path_placement import along_paths
from unillmrec.updating.placement.pending_deltas import passes_a_step
from unillmrec.updating.upkeep.contrastive_terms import Contrast, Mean, told_words
from unillmrec.updating.upkeep.leaf_contents import contents_of

# In a packed description; no text can look like it, for its quotes would be escaped.
TYPICAL = '"typical":['


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

    def mean(self) -> Mean:
        """Return the words of one of its items."""
        assert self.words is not None
        return Mean(self.words, self.worded)


class Refresh:
    """Brings nodes in step with what a change has touched, in a transaction.

    Where only items came or went, what is kept of a node follows them, and where vectors are
    words, so do the words it is told by. When a tenth to a fifth of a node has changed so, and
    where nodes themselves changed, all is summed up and told anew: titles and ranges too.
    """

    def __init__(self, tree: EditableTree, touched: ChangeSet) -> None:
        self.tree = tree
        self.touched = touched
        self.states: dict[int, NodeState] = {}
        self.fresh: dict[int, _Fresh] = {}
        # Those that only follow, and what else nodes are told apart from.
        self.followed: dict[int, _Fresh] = {}
        self.around: dict[int, _Fresh] = {}
        # The new sizes of the branches that hold more or fewer items than before.
        self.sizes: dict[int, int] = {}

    def run(self) -> set[int]:
        """Refresh; return the nodes that were told anew."""
        moves = self.touched.moves
        reached = self.tree.states(sorted(self.touched.nodes | moves.nodes()))
        self.states = {
            node: state
            for node, state in reached.items()
            if node in self.touched.nodes or self._is_due(state)
        }
        self._follow({node: reached[node] for node in reached.keys() - self.states.keys()})
        self._sum_leaves([state for state in self.states.values() if state.is_leaf])
        branches = [state for state in self.states.values() if not state.is_leaf]
        for state in sorted(branches, key=lambda each: -each.depth):
            self._sum_branch(state)
        self._look_around()
        self._describe()
        self.sizes = {
            node: self.fresh[node].size if node in self.fresh else state.size + moves.counts[node]
            for node, state in reached.items()
            if not state.is_leaf
        }
        self.touched.settle()
        return set(self.fresh)

    def _follow(self, states: Mapping[int, NodeState]) -> None:
        """Let nodes follow the items that came to them and left them."""
        moves = self.touched.moves
        for node, total in moves.bring_in_step(self.tree, states).items():
            state = states[node]
            size = state.size + moves.counts[node]
            spans = _unpacked(state.packed_spans)
            self.followed[node] = _Fresh(state, size, total, state.prior, spans, _typical(state))

    def _is_due(self, state: NodeState) -> bool:
        """Return whether a node has to be told anew, or shows what it has no more."""
        before = state.moved - self.touched.moved[state.id]
        size = state.size + self.touched.moves.counts[state.id]
        if passes_a_step(before, state.moved, size) or not state.size:
            return True
        elsewhere = self.touched.moves.elsewhere
        return bool(elsewhere) and not elsewhere.isdisjoint(_typical(state))

    def _look_around(self) -> None:
        """Get what nodes are told apart from: their parents, be they told anew or not."""
        known = self.fresh | self.followed
        parents = {each.state.parent for each in known.values() if each.state.parent is not None}
        if missing := sorted(parents - known.keys()):
            states = self.tree.states(missing)
            vectors = self.tree.node_vectors(list(states))
            for state, vector in zip(states.values(), vectors, strict=True):
                spans = _unpacked(state.packed_spans)
                self.around[state.id] = _Fresh(state, state.size, vector, state.prior, spans, [])
        together = known | self.around
        if self.tree.sparse:
            for each in together.values():
                each.words, each.worded = each.total, each.size
        else:
            # Only what is described anew is told its words; the others wait.
            above = {each.state.parent for each in self.fresh.values()}
            wanted = self.fresh.keys() | above
            self._sum_words({node: each for node, each in together.items() if node in wanted})

    def _sum_words(self, together: Mapping[int, _Fresh]) -> None:
        """Sum up words where vectors are none: of all items of a leaf, of a branch's typical."""
        leaves = {number for number, each in together.items() if each.state.is_leaf}
        shown = {number: self._shown(each) for number, each in together.items()}
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
        for number, fresh in together.items():
            fresh.words = summed([vectors[item] for item in shown[number]])
            fresh.worded = len(shown[number])

    def _shown(self, fresh: _Fresh) -> list[int]:
        if fresh.state.is_leaf:
            return []
        children = self.tree.child_states([fresh.state.id])[fresh.state.id]
        return [item for child in children for item in self._typical(child)]

    def _sum_leaves(self, leaves: Sequence[NodeState]) -> None:
        found = contents_of(self.tree, [state.id for state in leaves])
        for state in leaves:
            held = found[state.id]
            self.fresh[state.id] = _Fresh(
                state, held.size, held.total, held.prior, held.spans, held.typical
            )

    def _sum_branch(self, state: NodeState) -> None:
        children = self.tree.child_states([state.id])[state.id]
        untouched = [child for child in children if child.id not in self.fresh]
        total = self._stack(
            self.tree.packed_sums([c.id for c in untouched]), precise=True
        ).with_sum([self.fresh[c.id].total for c in children if c.id in self.fresh])
        sizes = [self._size(child) for child in children]
        firsts = [first for child in children for first in self._typical(child)[:1]]
        # Items' vectors are of length one.
        near = self._stack(self.tree.packed_vectors(firsts), precise=False).products(total)
        self.fresh[state.id] = _Fresh(
            state=state,
            size=sum(sizes),
            total=total.strongest(NODE_TERMS),
            prior=self._mean_prior(children, sizes),
            spans=_joined_spans(list(zip(map(self._spans, children), sizes, strict=True))),
            typical=[firsts[place] for place in largest(near, KEPT_TITLES)],
        )

    def _stack(self, packed: Sequence[bytes], *, precise: bool) -> Stack:
        return Stack.unpacked(packed, sparse=self.tree.sparse, precise=precise)

    def _size(self, child: NodeState) -> int:
        return self.fresh[child.id].size if child.id in self.fresh else child.size

    def _spans(self, child: NodeState) -> Spans:
        if child.id in self.fresh:
            return self.fresh[child.id].spans
        return _unpacked(child.packed_spans)

    def _typical(self, child: NodeState) -> Sequence[int]:
        if child.id in self.fresh:
            return self.fresh[child.id].typical
        return _typical(child)

    def _mean_prior(self, children: Sequence[NodeState], sizes: Sequence[int]) -> float:
        if not self.tree.has_prior or not sum(sizes):
            return 0.0
        priors = [
            self.fresh[child.id].prior if child.id in self.fresh else child.prior
            for child in children
        ]
        return float(np.average(priors, weights=sizes))

    def _describe(self) -> None:
        together = self.fresh | self.followed | self.around
        # Where vectors are no words, these are read from the items, and wait until that is due.
        told = self.fresh | self.followed if self.tree.sparse else self.fresh
        names = self._names(told)
        contrasts = [
            Contrast(node, each.mean(), together[each.state.parent].mean())
            for node, each in told.items()
            if each.state.parent is not None
        ]
        words = {
            node: beyond_names(found, names[node])
            for node, found in told_words(self.tree, contrasts).items()
        }
        self._tell_words({node: words[node] for node in words if node in self.followed})
        self._tell_anew(words, together)

    def _tell_words(self, words: Mapping[int, Sequence[str]]) -> None:
        """Write the words of nodes that only follow, where they are others than before."""
        rows = []
        for node, found in words.items():
            state = self.followed[node].state
            description = with_words(state.description, found)
            if description != state.description:
                rows.append((description, state.stale, node))
        self.tree.set_descriptions(rows)

    def _tell_anew(
        self, words: Mapping[int, Sequence[str]], together: Mapping[int, _Fresh]
    ) -> None:
        if not self.fresh:
            return
        titles = self.tree.titles(
            sorted({number for each in self.fresh.values() for number in each.typical})
        )
        rows = []
        for number, each in self.fresh.items():
            parent = together.get(each.state.parent or -1)
            known = Description.from_json(each.state.description)
            description = replace(
                known,
                words=tuple(words.get(number, ())),
                titles=tuple(titles[item] for item in each.typical),
                typical=tuple(each.typical),
                ranges=told_ranges(each.spans, parent.spans) if parent else (),
            )
            rows.append(_row(number, each, description))
        self.tree.put_nodes(rows)

    def _names(self, nodes: Iterable[int]) -> dict[int, str]:
        """Return the names of nodes with those of all above them."""
        if not along_paths(self.tree):
            return dict.fromkeys(nodes, "")
        states = self.tree.with_ancestors(nodes)
        names: dict[int | None, str] = {None: ""}
        for state in sorted(states.values(), key=lambda each: each.depth):
            names[state.id] = f"{names[state.parent]} {name_of(state.description)}"
        return {number: names[number] for number in nodes}


def _typical(state: NodeState) -> list[int]:
    """Return the items that a node shows."""
    # Of all there is in a description this alone is needed, of a hundred children a change.
    start = state.description.rindex(TYPICAL) + len(TYPICAL)
    numbers = state.description[start : state.description.index("]", start)]
    return [int(number) for number in numbers.split(",") if number]


def _unpacked(spans: str) -> Spans:
    return {name: (low, high) for name, (low, high) in json.loads(spans).items()}


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
