"""What nodes of a tree of paths are called: categories, parts of one, groups of several."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from unillmrec.items import one_line
from unillmrec.tree.category_paths import LABEL_LENGTH
from unillmrec.tree.descriptions import Description
from unillmrec.tree.growing import Growth
from unillmrec.tree.path_growing import JOINED_LENGTH, NAME_LENGTH, NAMED_IN_GROUP, STEP

_MORE = re.compile(r" and \d+ more$")
_COUNTED = re.compile(r" \d+(?:\.\d+)*(?:,|$)")


def name_of(description: str) -> str:
    """Return the name in a packed description."""
    # Most trees have no names, and unpacking takes long.
    return "" if '"name":""' in description else Description.from_json(description).name


def renamed(description: str, name: str) -> str:
    """Return a packed description with another name."""
    if name_of(description) == name:
        return description
    return replace(Description.from_json(description), name=name).to_json()


def key_of(label: str) -> str:
    """Return what makes two labels the same however they are written."""
    return unicodedata.normalize("NFKC", label).casefold()


def after_label(name: str, label: str) -> str | None:
    """Return what follows *label* in a name, which may be several joined; None if it differs."""
    name_key, label_key = key_of(name), key_of(label)
    if name_key == label_key:
        return ""
    return name[len(label) + len(STEP) :] if name_key.startswith(label_key + STEP) else None


def joined(above: str, below: str) -> str:
    """Return one name for a node and the only child it has."""
    whole = STEP.join(filter(None, (above, below)))
    if len(whole) <= JOINED_LENGTH:
        return whole
    return STEP.join([one_line(whole.split(STEP, 1)[0], LABEL_LENGTH), "…", last_label(below)])


def last_label(name: str) -> str:
    """Return the last of labels that were joined."""
    return name.rsplit(STEP, 1)[-1]


def is_part(name: str, above: str) -> bool:
    """Return whether a node was parted by content from a category called *above*."""
    if not name:
        return True
    stem = last_label(above)
    return name.startswith(stem) and _COUNTED.match(name, len(stem)) is not None


def are_parts(names: Sequence[str], above: str) -> bool:
    """Return whether all children of a node were parted by content."""
    return all(is_part(name, above) for name in names)


def is_group(name: str, members: Sequence[str]) -> bool:
    """Return whether a node is called after several categories that hang below it."""
    if _MORE.search(name):
        return True
    named = name.split(", ")
    return len(named) > 1 and any(_short(member) in named for member in members)


def group_name(members: Sequence[tuple[str, int]]) -> str:
    """Return a name for a group of nodes, given the name and the size of each."""
    largest = sorted(members, key=lambda each: -each[1])
    named = [_short(name) for name, _ in largest if name][:NAMED_IN_GROUP]
    more = len(members) - len(named)
    if not named:
        return ""
    return ", ".join(named) + (f" and {more} more" if more else "")


def _short(name: str) -> str:
    return one_line(last_label(name), NAME_LENGTH)


def name_parts(growth: Growth, name: str, above: str, *, numbered: bool) -> None:
    """Name what was grown out of a node called *name*, its parent *above*: it, and its parts."""
    growth.label = name
    if numbered and name:
        _number(growth, f"{name}." if is_part(name, above) else f"{last_label(name)} ")


def _number(node: Growth, stem: str) -> None:
    for number, child in enumerate(node.children, start=1):
        child.label = f"{stem}{number}"
        _number(child, f"{child.label}.")
