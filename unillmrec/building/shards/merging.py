"""Merge the top tree and the grown cells into one tree."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from unillmrec.building.shards.catalog_facts import CatalogFacts
from unillmrec.building.shards.cell_groups import CellGroup
from unillmrec.building.shards.grown_cells import (
    KEPT_DEPTH,
    GrownCell,
    MergedSummary,
    TopBranch,
    read_branches,
    read_sorted_values,
)
from unillmrec.building.shards.sorted_values import value_at_rank
from unillmrec.building.shards.top_tree import read_top
from unillmrec.building.shards.work_folder import Array, WorkFolder
from unillmrec.store import ROOT, NodeRow
from unillmrec.tree.descriptions import Description
from unillmrec.tree.growing import flatten
from unillmrec.tree.node_summary.contrastive_terms import (
    Contrast,
    TermSum,
    contrastive_terms,
    description_weights,
)
from unillmrec.tree.node_summary.typical_items import KEPT_TITLES, largest
from unillmrec.tree.node_summary.value_spans import Spans, narrow_ranges, span_places
from unillmrec.tree.terms import term_idf
from unillmrec.tree.vectors import Floats, Ints, similarities, sum_vectors


class TreeMerger:
    """The whole tree, with only its top and one cell at a time in memory."""

    def __init__(self, folder: WorkFolder, catalog: CatalogFacts, groups: CellGroup) -> None:
        self._folder = folder
        self._catalog = catalog
        self.vocabulary, _ = read_top(folder)
        self._cells = {group.node: n for n, group in enumerate(groups.leaves())}
        self._weights = description_weights(
            self.vocabulary.terms, term_idf(self.vocabulary.used_by, catalog.items)
        )
        self._open_cell: tuple[int, GrownCell] | None = None
        self._root = self._branch(groups, 0)
        if self._root.cell >= 0 and self._root.children:
            # The only cell: its top is the root, which may have more children than a branch.
            self._root.summary = self._cell(0).summary(0, 0)
            self._root.cell = -1
        flatten(self._root, catalog.bounds)
        self._summarize(self._root).pack()

    def _branch(self, group: CellGroup, depth: int) -> TopBranch:
        if group.children:
            return TopBranch(None, [self._branch(child, depth + 1) for child in group.children])
        # Flattening can lift several levels into the root, but only one into other nodes.
        return read_branches(self._folder, self._cells[group.node], KEPT_DEPTH if depth <= 1 else 1)

    def _cell(self, number: int) -> GrownCell:
        if self._open_cell is None or self._open_cell[0] != number:
            self._open_cell = None
            cell = GrownCell.read(self._folder, number, len(self.vocabulary.terms))
            self._open_cell = (number, cell)
        return self._open_cell[1]

    # Describing

    def _summarize(self, branch: TopBranch) -> MergedSummary:
        """Summarize a node from its children, and describe the children."""
        if branch.cell >= 0:
            branch.summary = self._cell(branch.cell).summary(branch.cell, branch.node)
            return branch.summary
        children = [self._summarize(child) for child in branch.branches()]
        summary = self._combine(children)
        if branch.summary is not None:
            # It was summed where it was grown, which is more exact than a sum of rounded sums.
            summary.total, summary.prior = branch.summary.total, branch.summary.prior
        branch.summary = summary
        self._describe(children, summary)
        for each in children:
            each.pack()
        return summary

    def _combine(self, parts: Sequence[MergedSummary]) -> MergedSummary:
        """Return the summary of a node, given those of its children."""
        size = sum(part.size for part in parts)
        total = sum_vectors([part.total for part in parts])
        near = similarities(total, [part.first for part in parts])
        typical = [parts[place] for place in largest(near, KEPT_TITLES)]
        description = Description(
            titles=tuple(part.description.titles[0] for part in typical),
            typical=tuple(part.description.typical[0] for part in typical),
        )
        cells = sorted({cell for part in parts for cell in part.cells})
        return MergedSummary(
            size=size,
            prior=sum(part.prior * part.size for part in parts) / size,
            total=total,
            first=typical[0].first,
            description=description,
            spans=self._spans(cells, size),
            cells=cells,
        )

    def _describe(self, children: Sequence[MergedSummary], parent: MergedSummary) -> None:
        """Give the children of a node the words and ranges that set them apart."""
        around = TermSum(parent.total, parent.size)
        contrasts = [Contrast.of_sums(TermSum(each.total, each.size), around) for each in children]
        words = contrastive_terms(contrasts, self._look_up)
        for child, own_words in zip(children, words, strict=True):
            child.description = replace(
                child.description, words=own_words, ranges=narrow_ranges(child.spans, parent.spans)
            )

    def _look_up(self, ids: Ints) -> tuple[list[str], Floats]:
        terms = self.vocabulary.terms
        return [terms[number] for number in ids.tolist()], self._weights[ids]

    def _spans(self, cells: Sequence[int], size: int) -> Spans:
        """Return the value spans of all items of *cells*, which are *size* in number."""
        ranged = self._catalog.ranged
        values = [read_sorted_values(self._folder, cell, len(ranged)) for cell in cells]
        spans = {}
        for column, name in enumerate(ranged):
            known = [each[column] for each in values]
            if ends := span_places(sum(map(len, known)), size):
                spans[name] = (value_at_rank(known, ends[0]), value_at_rank(known, ends[1]))
        return spans

    # Writing

    def nodes(self, leaf_of: Array) -> Iterator[NodeRow]:
        """Yield all nodes depth first, and write the leaf of each item to *leaf_of*."""
        waiting: list[tuple[TopBranch, int | None, int]] = [(self._root, None, 0)]
        number = ROOT
        while waiting:
            branch, parent, depth = waiting.pop()
            if branch.cell >= 0:
                rows = self._cell_nodes(branch, number, parent, depth, leaf_of)
            else:
                rows = iter([_top_node(branch, number, parent, depth)])
                waiting += [(child, number, depth + 1) for child in reversed(branch.branches())]
            for row in rows:
                number += 1
                yield row

    def _cell_nodes(
        self, branch: TopBranch, first: int, parent: int | None, depth: int, leaf_of: Array
    ) -> Iterator[NodeRow]:
        """Yield a node of a cell and all below it, numbered from *first* on."""
        cell = self._cell(branch.cell)
        top = branch.node
        assert branch.summary is not None
        for node in range(top, cell.subtree_end(top)):
            number = first + node - top
            start, end = int(cell.starts[node]), int(cell.ends[node])
            is_leaf = bool(cell.leaves[node])
            if is_leaf:
                leaf_of[cell.order[start:end]] = number
            merged = branch.summary.description.to_json() if node == top else None
            yield NodeRow(
                id=number,
                parent=parent if node == top else first + int(cell.parents[node]) - top,
                place=number - ROOT,
                depth=depth + int(cell.depths[node] - cell.depths[top]),
                size=end - start,
                leaf=is_leaf,
                description=merged or cell.descriptions[node],
                spans=cell.spans[node],
                prior=float(cell.priors[node]),
                packed=cell.packed_sum(node),
            )


def _top_node(branch: TopBranch, number: int, parent: int | None, depth: int) -> NodeRow:
    summary = branch.summary
    assert summary is not None
    return NodeRow(
        id=number,
        parent=parent,
        place=number - ROOT,
        depth=depth,
        size=summary.size,
        leaf=False,
        description=summary.description.to_json(),
        spans=json.dumps(summary.spans),
        prior=summary.prior,
        packed=summary.packed,
    )
