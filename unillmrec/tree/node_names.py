"""Names of nodes in a tree of paths: of categories, of parts of one, and of groups of several."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from unillmrec.items import one_line
from unillmrec.tree.category_paths import LABEL_LENGTH
from unillmrec.tree.descriptions import Description
from unillmrec.tree.growing import Growth

# Separates the labels of a chain of categories that became one node.
STEP = " > "
# Two labels always fit; longer chains are shortened to both ends.
JOINED_LENGTH = 2 * LABEL_LENGTH + len(STEP)
NAMED_IN_GROUP = 3
SHORT_NAME_LENGTH = 30

_AND_MORE = re.compile(r" and \d+ more$")
_NUMBERED = re.compile(r" \d+(?:\.\d+)*(?:,|$)")


def name_of(description: str) -> str:
    """Return the name in a packed description."""
    # Most trees have no names, and unpacking takes long.
    return "" if '"name":""' in description else Description.from_json(description).name


def replace_name(description: str, name: str) -> str:
    """Return a packed description with another name."""
    if name_of(description) == name:
        return description
    return replace(Description.from_json(description), name=name).to_json()


def label_key(label: str) -> str:
    """Return a key that is equal for labels that differ only in case or width."""
    return unicodedata.normalize("NFKC", label).casefold()


def name_after_label(name: str, label: str) -> str | None:
    """Return the rest of a joined name after its first *label*, or None if it has another."""
    name_key, first_key = label_key(name), label_key(label)
    if name_key == first_key:
        return ""
    return name[len(label) + len(STEP) :] if name_key.startswith(first_key + STEP) else None


def join_names(above: str, below: str) -> str:
    """Return one name for a node and its only child; of a long chain only both ends."""
    joined = STEP.join(filter(None, (above, below)))
    if len(joined) <= JOINED_LENGTH:
        return joined
    return STEP.join([one_line(joined.split(STEP, 1)[0], LABEL_LENGTH), "…", last_label(below)])


def last_label(name: str) -> str:
    """Return the last label of a joined name."""
    return name.rsplit(STEP, 1)[-1]


def is_part(name: str, above: str) -> bool:
    """Return whether *name* is that of a cluster within a category called *above*."""
    if not name:
        return True
    stem = last_label(above)
    return name.startswith(stem) and _NUMBERED.match(name, len(stem)) is not None


def are_parts(names: Sequence[str], above: str) -> bool:
    """Return whether all children of a node are clusters within it, not categories."""
    return all(is_part(name, above) for name in names)


def is_group(name: str, members: Sequence[str]) -> bool:
    """Return whether *name* is that of a group of categories, such as its *members*."""
    if _AND_MORE.search(name):
        return True
    named = name.split(", ")
    return len(named) > 1 and any(_short_name(member) in named for member in members)


def group_name(members: Sequence[tuple[str, int]]) -> str:
    """Return a name for a group of nodes, given the name and the size of each."""
    largest = sorted(members, key=lambda each: -each[1])
    named = [_short_name(name) for name, _ in largest if name][:NAMED_IN_GROUP]
    more = len(members) - len(named)
    if not named:
        return ""
    return ", ".join(named) + (f" and {more} more" if more else "")


def _short_name(name: str) -> str:
    return one_line(last_label(name), SHORT_NAME_LENGTH)


def name_parts(growth: Growth, name: str, above: str, *, numbered: bool) -> None:
    """Name a node that was split, and its parts, given the name of its parent *above*."""
    growth.label = name
    if numbered and name:
        number_parts(growth, f"{name}." if is_part(name, above) else f"{last_label(name)} ")


def number_parts(node: Growth, stem: str) -> None:
    """Name all nodes below *node* with numbers after *stem*: 1, 2, 2.1, 2.2."""
    for number, child in enumerate(node.children, start=1):
        child.label = f"{stem}{number}"
        number_parts(child, f"{child.label}.")
