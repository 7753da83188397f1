"""The summary of a node, and the description it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from unillmrec.tree.descriptions import Description, words_beyond
from unillmrec.tree.node_summary.value_spans import Spans, narrow_ranges
from unillmrec.tree.vectors import Vector


@dataclass(slots=True)
class NodeSummary:
    """What the items of a node have in common.

    *total* is the sum of their vectors, *prior* their mean popularity, *typical* the numbers of
    the items that represent the node best.
    """

    size: int
    total: Vector
    prior: float
    spans: Spans
    typical: list[int]


def describe_node(
    known: Description,
    words: Sequence[str],
    names: str,
    typical: Sequence[int],
    titles: Mapping[int, str],
    ranges: tuple[Spans, Spans | None],
) -> Description:
    """Return *known* with the words, titles and ranges that a node has now.

    *names* are the names of the node and of those above it; words that only repeat them are
    left out. *ranges* are the spans of the node and of its parent.
    """
    own, outer = ranges
    return replace(
        known,
        words=words_beyond(words, names),
        titles=tuple(titles[number] for number in typical),
        typical=tuple(typical),
        ranges=narrow_ranges(own, outer) if outer is not None else (),
    )
