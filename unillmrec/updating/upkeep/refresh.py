"""Refresh the summaries and descriptions of nodes after a change, from the leaves to the root."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unillmrec.store import EditableTree, NodeRow, NodeState
from unillmrec.tree.descriptions import Description, replace_words, words_beyond
from unillmrec.tree.node_names import name_of
from unillmrec.tree.node_summary.contrastive_terms import TermSum
from unillmrec.tree.node_summary.summary import NodeSummary, describe_node
from unillmrec.tree.node_summary.typical_items import KEPT_TITLES, largest
from unillmrec.tree.node_summary.value_spans import Spans, merge_spans
from unillmrec.tree.vector_rows import UnpackedVectors
from unillmrec.tree.vectors import NODE_TERMS
from unillmrec.updating.placement.nearest_leaf import ChangeSet
from unillmrec.updating.placement.path_placement import is_path_tree
from unillmrec.updating.placement.pending_deltas import passes_step
from unillmrec.updating.upkeep.leaf_summaries import summarize_leaves
from unillmrec.updating.upkeep.node_words import choose_words, sum_words

# Found in a packed description; no text can look like it, for its quotes would be escaped.
TYPICAL = '"typical":['


@dataclass(slots=True)
class _Summarized:
    """A node as it is stored, its summary after the change, and the sum of its words."""

    state: NodeState
    summary: NodeSummary
    words: TermSum | None = None


class Refresh:
    """Brings the nodes that a change touched up to date, inside a transaction.

    Where items only came or went, the stored sums are adjusted, and in a tree of terms the words
    are chosen again. A node is summarized in full, titles and ranges included, when a tenth to a
    fifth of its items changed, and where nodes themselves changed.
    """

    def __init__(self, tree: EditableTree, changes: ChangeSet) -> None:
        self.tree = tree
        self.changes = changes
        self.summarized: dict[int, _Summarized] = {}
        """The nodes that are summarized in full."""
        self.adjusted: dict[int, _Summarized] = {}
        """The nodes of which only sums and words change."""
        self.parents: dict[int, _Summarized] = {}
        """Unchanged parents, which the words and ranges of the others are compared with."""
        self.sizes: dict[int, int] = {}
        """The new sizes of the branches that hold more or fewer items than before."""

    def run(self) -> set[int]:
        """Refresh; return the nodes that were summarized in full."""
        deltas = self.changes.deltas
        reached = self.tree.node_states(sorted(self.changes.nodes | deltas.nodes()))
        due = {
            node: state
            for node, state in reached.items()
            if node in self.changes.nodes or self._is_due(state)
        }
        self._adjust({node: reached[node] for node in reached.keys() - due.keys()})
        self._summarize_leaves([state for state in due.values() if state.is_leaf])
        branches = [state for state in due.values() if not state.is_leaf]
        for state in sorted(branches, key=lambda each: -each.depth):
            self._summarize_branch(state)
        self._read_parents()
        self._sum_words()
        self._describe()
        self.sizes = {
            node: self.summarized[node].summary.size
            if node in self.summarized
            else state.size + deltas.counts[node]
            for node, state in reached.items()
            if not state.is_leaf
        }
        self.changes.clear()
        return set(self.summarized)

    def _is_due(self, state: NodeState) -> bool:
        """Return whether enough of a node changed, or it shows an item that left or changed."""
        before = state.moved - self.changes.moved[state.id]
        size = state.size + self.changes.deltas.counts[state.id]
        if passes_step(before, state.moved, size) or not state.size:
            return True
        outdated = self.changes.deltas.outdated
        return bool(outdated) and not outdated.isdisjoint(_typical(state))

    def _adjust(self, states: Mapping[int, NodeState]) -> None:
        """Add the items that came to the sums of nodes, and subtract those that left."""
        deltas = self.changes.deltas
        for node, total in deltas.apply_to(self.tree, states).items():
            state = states[node]
            size = state.size + deltas.counts[node]
            summary = NodeSummary(size, total, state.prior, _spans(state), _typical(state))
            self.adjusted[node] = _Summarized(state, summary)

    # Summarizing

    def _summarize_leaves(self, leaves: Sequence[NodeState]) -> None:
        summaries = summarize_leaves(self.tree, [state.id for state in leaves])
        for state in leaves:
            self.summarized[state.id] = _Summarized(state, summaries[state.id])

    def _summarize_branch(self, state: NodeState) -> None:
        """Summarize a branch from its children, whose summaries are up to date by now."""
        children = self.tree.child_states([state.id])[state.id]
        unchanged = [child.id for child in children if child.id not in self.summarized]
        total = self._stack(self.tree.packed_sums(unchanged), precise=True).with_sum(
            [self.summarized[c.id].summary.total for c in children if c.id in self.summarized]
        )
        sizes = [self._size_of(child) for child in children]
        firsts = [first for child in children for first in self._typical_of(child)[:1]]
        # The products order items as cosines would, for their vectors have length one.
        near = self._stack(self.tree.packed_vectors(firsts), precise=False).products(total)
        summary = NodeSummary(
            size=sum(sizes),
            total=total.strongest(NODE_TERMS),
            prior=self._mean_prior(children, sizes),
            spans=merge_spans(list(zip(map(self._spans_of, children), sizes, strict=True))),
            typical=[firsts[place] for place in largest(near, KEPT_TITLES)],
        )
        self.summarized[state.id] = _Summarized(state, summary)

    def _stack(self, packed: Sequence[bytes], *, precise: bool) -> UnpackedVectors:
        return UnpackedVectors.unpack(packed, sparse=self.tree.sparse, precise=precise)

    def _size_of(self, child: NodeState) -> int:
        known = self.summarized.get(child.id)
        return known.summary.size if known else child.size

    def _spans_of(self, child: NodeState) -> Spans:
        known = self.summarized.get(child.id)
        return known.summary.spans if known else _spans(child)

    def _typical_of(self, child: NodeState) -> Sequence[int]:
        known = self.summarized.get(child.id)
        return known.summary.typical if known else _typical(child)

    def _mean_prior(self, children: Sequence[NodeState], sizes: Sequence[int]) -> float:
        if not self.tree.has_prior or not sum(sizes):
            return 0.0
        priors = [
            self.summarized[child.id].summary.prior if child.id in self.summarized else child.prior
            for child in children
        ]
        return float(np.average(priors, weights=sizes))

    def _read_parents(self) -> None:
        """Read the parents that the change left as they were."""
        known = self.summarized | self.adjusted
        parents = {each.state.parent for each in known.values() if each.state.parent is not None}
        if missing := sorted(parents - known.keys()):
            states = self.tree.node_states(missing)
            vectors = self.tree.node_vectors(list(states))
            for state, vector in zip(states.values(), vectors, strict=True):
                summary = NodeSummary(state.size, vector, state.prior, _spans(state), [])
                self.parents[state.id] = _Summarized(state, summary)

    # Describing

    def _sum_words(self) -> None:
        """Find the term sums of all nodes, or where vectors hold no terms, of those described."""
        together = self.summarized | self.adjusted | self.parents
        if self.tree.sparse:
            for each in together.values():
                each.words = TermSum(each.summary.total, each.summary.size)
            return
        chosen = {each.state.parent for each in self.summarized.values()} | self.summarized.keys()
        wanted = {node: each for node, each in together.items() if node in chosen}
        leaves = [node for node, each in wanted.items() if each.state.is_leaf]
        shown = {node: self._shown_below(node) for node in wanted.keys() - set(leaves)}
        for node, words in sum_words(self.tree, leaves, shown).items():
            wanted[node].words = words

    def _shown_below(self, node: int) -> list[int]:
        children = self.tree.child_states([node])[node]
        return [item for child in children for item in self._typical_of(child)]

    def _describe(self) -> None:
        together = self.summarized | self.adjusted | self.parents
        # Where vectors hold no terms, words are read from items, and only when that is due.
        described = self.summarized | self.adjusted if self.tree.sparse else self.summarized
        sums = {
            node: (_words(each), _words(together[each.state.parent]))
            for node, each in described.items()
            if each.state.parent is not None
        }
        words = choose_words(self.tree, sums)
        names = self._names(described)
        self._write_words(
            {
                node: words_beyond(words[node], names[node])
                for node in words
                if node in self.adjusted
            }
        )
        self._write_nodes(words, names, together)

    def _write_words(self, words: Mapping[int, Sequence[str]]) -> None:
        """Write the words of adjusted nodes where they changed."""
        rows = []
        for node, chosen in words.items():
            state = self.adjusted[node].state
            description = replace_words(state.description, chosen)
            if description != state.description:
                rows.append((description, state.stale, node))
        self.tree.set_descriptions(rows)

    def _write_nodes(
        self,
        words: Mapping[int, Sequence[str]],
        names: Mapping[int, str],
        together: Mapping[int, _Summarized],
    ) -> None:
        """Write the nodes that were summarized in full, with their descriptions."""
        if not self.summarized:
            return
        shown = {number for each in self.summarized.values() for number in each.summary.typical}
        titles = self.tree.titles(sorted(shown))
        rows = []
        for node, each in self.summarized.items():
            parent = together.get(each.state.parent or -1)
            description = describe_node(
                Description.from_json(each.state.description),
                words.get(node, ()),
                names[node],
                each.summary.typical,
                titles,
                (each.summary.spans, parent.summary.spans if parent else None),
            )
            rows.append(_row(each, description))
        self.tree.put_nodes(rows)

    def _names(self, nodes: Iterable[int]) -> dict[int, str]:
        """Return the names of nodes with those of all nodes above them."""
        if not is_path_tree(self.tree):
            return dict.fromkeys(nodes, "")
        states = self.tree.states_with_ancestors(nodes)
        names: dict[int | None, str] = {None: ""}
        for state in sorted(states.values(), key=lambda each: each.depth):
            names[state.id] = f"{names[state.parent]} {name_of(state.description)}"
        return {number: names[number] for number in nodes}


def _words(node: _Summarized) -> TermSum:
    assert node.words is not None
    return node.words


def _typical(state: NodeState) -> list[int]:
    """Return the numbers of the items that a node shows."""
    # A change reads this of about a hundred children, and nothing else of their descriptions.
    start = state.description.rindex(TYPICAL) + len(TYPICAL)
    numbers = state.description[start : state.description.index("]", start)]
    return [int(number) for number in numbers.split(",") if number]


def _spans(state: NodeState) -> Spans:
    return {name: (low, high) for name, (low, high) in json.loads(state.packed_spans).items()}


def _row(node: _Summarized, description: Description) -> NodeRow:
    state, summary = node.state, node.summary
    return NodeRow(
        id=state.id,
        parent=state.parent,
        place=state.place,
        depth=state.depth,
        size=summary.size,
        leaf=state.is_leaf,
        description=description.to_json(),
        spans=json.dumps(summary.spans),
        prior=summary.prior,
        packed=summary.total.to_bytes(precise=True),
        moved=state.moved,
        # Only a model's summary goes out of date; words follow every change.
        stale=state.stale if description.summary else 0,
    )
