"""Write the question that asks a model for one line about each of several siblings."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from unillmrec.items import one_line
from unillmrec.judge import Choice
from unillmrec.judge.sibling_questions import SiblingsQuestion
from unillmrec.store import Node
from unillmrec.tree.descriptions import NAME_LENGTH, SUMMARY_LENGTH, breadcrumb, words_beyond
from unillmrec.usage import Stage

NAME = Stage.DESCRIBE
WHOLE_CATALOG = "the whole catalog"
WORDS = 8
RANGES = 3
TITLES = 3
TITLE_LENGTH = 60
SIBLING_WORDS = 5


def sibling_question(
    path: Sequence[Node], children: Sequence[Node], wanted: Collection[int]
) -> SiblingsQuestion:
    """Return the question about those of *children* whose ids are *wanted*.

    *path* leads from the root's child down to their parent; it is empty below the root.
    """
    described = [child for child in children if child.id in wanted]
    return SiblingsQuestion(
        parent=breadcrumb([node.description for node in path]) or WHOLE_CATALOG,
        choices=tuple(
            Choice(number, node_line(child), child.id) for number, child in enumerate(described, 1)
        ),
        others=tuple(_sibling_line(child) for child in children if child.id not in wanted),
    )


def node_line(node: Node) -> str:
    """Return one line with everything known about a node without a model."""
    description = node.description
    about = ", ".join(words_beyond(description.words, description.name)[:WORDS])
    about = ": ".join(filter(None, (one_line(description.name, NAME_LENGTH), about)))
    items = f"({node.size:,} {'item' if node.size == 1 else 'items'})"
    parts = [" ".join(filter(None, (about, items)))]
    parts += [each.text() for each in description.ranges[:RANGES]]
    titles = [one_line(title, TITLE_LENGTH) for title in description.titles[:TITLES]]
    return "; ".join(parts) + (": " + " / ".join(titles) if titles else "")


def _sibling_line(node: Node) -> str:
    """Return the present description of a sibling that needs no new one."""
    description = node.description
    summary = one_line(description.summary, SUMMARY_LENGTH)
    return summary or ", ".join(description.words[:SIBLING_WORDS]) or description.label
