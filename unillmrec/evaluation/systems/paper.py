"""The search scheme of the paper (arXiv 2404.00702v3), to compare with; parameters are its own.

The model ranks ten children of a node, and five items of a leaf; depth first until twenty items
are found. What it searches is not the paper's tree, which is the catalog's own categories with
leaves filled up to fifty: it is two levels over the leaves of ours, which hold at most fifty.
The conversation begins anew for each node and carries the last fifty titles and the profile
every time. Titles are all it shows and all it reads back. The wording of the prompts here is
ours, in the shape the paper describes.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from unillmrec.endpoint import Endpoint, Message, Request, usage_of
from unillmrec.errors import UnillmrecError
from unillmrec.evaluation.data.exam import Case, Exam
from unillmrec.evaluation.systems.content import RECENT, recency
from unillmrec.evaluation.systems.contract import Answer, lot_of
from unillmrec.evaluation.systems.model_baselines import (
    HISTORY,
    VECTORS_ANSWER,
    estimated,
    title_of,
)
from unillmrec.items import one_line
from unillmrec.judge import Exchange
from unillmrec.store import ItemTree, PlacedItem
from unillmrec.store.survey import leaves_left_to_right
from unillmrec.tokens import TokenCounter
from unillmrec.tree.vectors import Vector, combine, similarities
from unillmrec.usage import Stage, Usage

CHILDREN = 10
FROM_LEAF = 5
WANTED = 20
LEVELS = 2
# The one profile answer that its authors published is this long.
PROFILE_TOKENS = 170
MOST_OUTPUT = 1_024
NAME_LENGTH = 60

PROFILE = (
    "These are the items a user clicked:\n{history}\n"
    "Summarise the topics this user is interested in, from most to least important."
)
RANK = (
    "Rank the top {count} subcategories of {name} by the user's interest, from most to least "
    "important. Give no explanation, and nothing that is not listed.\n{lines}"
)
RECALL = (
    "Select the top {count} items about {name} by the user's interest, from most to least "
    "important. Give no explanation, and do not change the titles.\n{lines}"
)
_ANSWER = re.compile(r"^\s*\d+\s*[.)]\s*(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Branch:
    """A node of the levels: a group of such nodes, or a leaf; its *lot* decides among equals."""

    name: str
    vector: Vector
    children: tuple[Branch, ...] = ()
    leaf: int | None = None
    lot: int = 0


@dataclass(slots=True)
class Session:
    """One person's search: what every call carries, what it cost, what was found."""

    history: str
    profile: str
    taste: Vector | None
    carried: int
    seen: frozenset[str]
    found: list[str]
    usage: Usage
    unusable: int = 0


class PaperScheme:
    """Searches the leaves of our tree as the paper searches its own.

    With an *endpoint* the model is asked; without, vectors answer and prompts are counted.
    """

    name = "the paper's scheme"
    zero_shot = True

    def __init__(
        self, tree: ItemTree, counter: TokenCounter, endpoint: Endpoint | None = None
    ) -> None:
        self._tree = tree
        self._counter = counter
        self._endpoint = endpoint
        told = f"{endpoint.model} at {endpoint.name}" if endpoint else VECTORS_ANSWER
        self.note = (
            "two levels of our leaves, 10 children, 5 a leaf, 50 titles in every call; a list is "
            f"the first of {WANTED} items as they were found, leaf after leaf, and not ranked; "
            + told
        )

    def learn(self, exam: Exam) -> None:
        """Make the levels, and count the lists that do not depend on the person."""
        self.groups = levels_over_leaves(self._tree)
        self._leaves: dict[int, list[PlacedItem]] = {}
        self._lengths: dict[str, int] = {}

    def answer(self, case: Case, limit: int) -> Answer:
        """Search depth first, the best ranked child next, until enough is found."""
        session = self._begun(case)
        waiting = [Branch("all items", Vector(np.zeros(0, np.float32)), self.groups)]
        while waiting and len(session.found) < max(WANTED, limit):
            node = waiting.pop()
            if node.leaf is None:
                waiting += self._ranked(session, node)[::-1]
            else:
                session.found += self._recalled(session, node)
        found = tuple(session.found)
        return Answer(found[:limit], session.usage, found, unusable=session.unusable)

    def begun(self, history: Sequence[str]) -> Usage:
        """Return what the profile call alone takes."""
        return self._begun(Case(0, tuple(history))).usage

    def _begun(self, case: Case) -> Session:
        placed = self._tree.items_by_id(case.history[-HISTORY:])
        met = [placed[each] for each in case.history[-HISTORY:]]
        recent = [each.number for each in met[-RECENT:]]
        taste = combine(self._tree.item_vectors(recent), recency(len(recent)).tolist())
        history = PROFILE.format(history="\n".join(title_of(each.item) for each in met))
        asked = self._counter.count(history)
        seen = frozenset(case.seen)
        session = Session(history, "", taste, asked + PROFILE_TOKENS, seen, [], Usage())
        if self._endpoint:
            session.profile = self._asked(session, None, Stage.PROFILE)
            session.unusable += not session.profile.strip()
        else:
            session.usage = estimated(1, self._around(2) + asked, PROFILE_TOKENS)
        return session

    def _ranked(self, session: Session, node: Branch) -> list[Branch]:
        names = [child.name for child in node.children]
        question = (RANK, node.name, names, min(CHILDREN, len(names)))
        vectors, lots = zip(*((child.vector, child.lot) for child in node.children), strict=True)
        return [node.children[place] for place in self._chosen(session, question, vectors, lots)]

    def _recalled(self, session: Session, node: Branch) -> list[str]:
        assert node.leaf is not None
        if node.leaf not in self._leaves:
            self._leaves[node.leaf] = self._tree.items_in([node.leaf])
        items = [each for each in self._leaves[node.leaf] if each.item.id not in session.seen]
        if not items:
            return []
        titles = [title_of(each.item) for each in items]
        question = (RECALL, node.name, titles, min(FROM_LEAF, len(titles)))
        vectors = self._tree.item_vectors([each.number for each in items])
        lots = [lot_of(each.item.id) for each in items]
        return [items[place].item.id for place in self._chosen(session, question, vectors, lots)]

    def _chosen(
        self,
        session: Session,
        question: tuple[str, str, Sequence[str], int],
        vectors: Sequence[Vector],
        lots: Sequence[int],
    ) -> list[int]:
        """Return the places of what is chosen, the best first; equals are told apart by *lots*."""
        template, name, lines, count = question
        listed = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
        text = template.format(count=count, name=name, lines=listed)
        if self._endpoint:
            stage = Stage.RECALL
            named = read_titles(self._asked(session, text, stage), lines)
            session.unusable += not named
            return named[:count]
        near = similarities(session.taste, vectors) if session.taste else np.zeros(len(lines))
        # The order of the catalog, in which leaves hold their items, must not decide.
        order = np.lexsort((np.array(lots, np.uint64), -near))
        best = [int(place) for place in order[:count]]
        written = sum(self._length(f"{n}. {lines[place]}\n") for n, place in enumerate(best, 1))
        prompt = self._around(4) + session.carried + self._length(text)
        session.usage += estimated(1, prompt, written)
        return best

    def _asked(self, session: Session, text: str | None, stage: Stage) -> str:
        """Ask in a conversation of its own, which begins with the history each time."""
        assert self._endpoint is not None
        messages = [Message("system", ""), Message("user", session.history)]
        if text is not None:
            messages += [Message("assistant", session.profile), Message("user", text)]
        try:
            reply = self._endpoint.complete(Request(stage, tuple(messages), MOST_OUTPUT))
        except UnillmrecError as error:
            error.exchanges = (Exchange((), "", session.usage + usage_of(error)),)
            raise
        usage = reply.usage
        # An answer from a cache has taken nothing, by anybody's count.
        if usage.calls:
            asked = self._counter.count_messages([each.content for each in messages])
            usage = replace(
                usage,
                estimated_prompt=asked,
                estimated_completion=self._counter.count(reply.text),
            )
        session.usage += usage
        return reply.text

    def _around(self, messages: int) -> int:
        return self._counter.count_messages([""] * messages)

    def _length(self, text: str) -> int:
        if text not in self._lengths:
            self._lengths[text] = self._counter.count(text)
        return self._lengths[text]


def read_titles(reply: str, lines: Sequence[str]) -> list[int]:
    """Return the places of the numbered lines of a reply that are titles of the list.

    A title counts if it is there letter for letter, upper case or lower: one that is merely
    like one of the list may be another item.
    """
    places = {line.casefold(): place for place, line in reversed(list(enumerate(lines)))}
    named = [places.get(found.casefold()) for found in _ANSWER.findall(reply)]
    return list(dict.fromkeys(place for place in named if place is not None))


def levels_over_leaves(tree: ItemTree, levels: int = LEVELS) -> tuple[Branch, ...]:
    """Return the tree's leaves in *levels* levels of equal fan-out, neighbours together."""
    order = leaves_left_to_right(tree)
    nodes = []
    for leaf, vector in zip(order, tree.node_vectors(order), strict=True):
        name = one_line(tree.node(leaf).description.label, NAME_LENGTH)
        nodes.append(Branch(name, vector, leaf=leaf, lot=lot_of(f"leaf {leaf}")))
    size = max(math.ceil(len(nodes) ** (1 / levels)), 2)
    for _ in range(levels - 1):
        parts = [tuple(nodes[begin : begin + size]) for begin in range(0, len(nodes), size)]
        nodes = [_group(part) for part in parts]
    return tuple(nodes)


def _group(parts: tuple[Branch, ...]) -> Branch:
    words = Counter(chain.from_iterable(part.name.split(", ") for part in parts))
    name = one_line(", ".join(word for word, _ in words.most_common(3)), NAME_LENGTH)
    vector = combine([part.vector for part in parts], [1.0] * len(parts))
    assert vector is not None
    return Branch(name, vector, parts, lot=min(part.lot for part in parts))
