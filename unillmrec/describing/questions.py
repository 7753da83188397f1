"""The describe stage: from siblings of the tree to one line about each, set apart from the rest."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from unillmrec.items import one_line
from unillmrec.judge import Choice
from unillmrec.judge.sibling_questions import SiblingsQuestion
from unillmrec.store import Node
from unillmrec.tree.descriptions import NAME_LENGTH, SUMMARY_LENGTH, beyond_names, breadcrumb
from unillmrec.usage import Stage

NAME = Stage.DESCRIBE
WHOLE = "the whole catalog"
WORDS = 8
RANGES = 3
TITLES = 3
TITLE_LENGTH = 60
SIBLING_WORDS = 5


def family_question(
    way: Sequence[Node], children: Sequence[Node], wanted: Collection[int]
) -> SiblingsQuestion:
    """Return what to ask about those of *children* that are *wanted*, by id.

    *way* leads from the root's child down to their parent; it is empty below the root.
    """
    asked = [child for child in children if child.id in wanted]
    return SiblingsQuestion(
        parent=breadcrumb([node.description for node in way]) or WHOLE,
        choices=tuple(
            Choice(number, told_line(child), child.id) for number, child in enumerate(asked, 1)
        ),
        others=tuple(_sibling_line(child) for child in children if child.id not in wanted),
    )


def told_line(node: Node) -> str:
    """Return all that is known of a node without a model, on one line."""
    description = node.description
    about = ", ".join(beyond_names(description.words, description.name)[:WORDS])
    about = ": ".join(filter(None, (one_line(description.name, NAME_LENGTH), about)))
    items = f"({node.size:,} {'item' if node.size == 1 else 'items'})"
    parts = [" ".join(filter(None, (about, items)))]
    parts += [each.text() for each in description.ranges[:RANGES]]
    titles = [one_line(title, TITLE_LENGTH) for title in description.titles[:TITLES]]
    return "; ".join(parts) + (": " + " / ".join(titles) if titles else "")


def _sibling_line(node: Node) -> str:
    """Return what a sibling that needs no description says already."""
    description = node.description
    said = one_line(description.summary, SUMMARY_LENGTH)
    return said or ", ".join(description.words[:SIBLING_WORDS]) or description.label
