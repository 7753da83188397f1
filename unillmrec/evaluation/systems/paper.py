"""The search scheme of the paper (arXiv 2404.00702v3) as a baseline, with its own parameters.

The model ranks ten children of a node and selects five items of a leaf, depth first until twenty
items are found. The paper searches a tree of the catalog's own categories with leaves filled up
to fifty items; this baseline searches two levels over the leaves of our tree, which also have at
most fifty. The conversation restarts at each node, and repeats the last fifty titles and the
profile every time. The model sees and returns titles only. The wording of the prompts is ours,
in the form that the paper describes.
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
from unillmrec.evaluation.data.cases import EvaluationCase, EvaluationData
from unillmrec.evaluation.systems.content import RECENT, recency
from unillmrec.evaluation.systems.contract import RankedList, tie_break_key
from unillmrec.evaluation.systems.model_baselines import (
    HISTORY,
    VECTORS_ANSWER,
    estimated_usage,
    one_line_title,
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
# The length of the one profile that the authors published.
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
class LevelNode:
    """A node of the search levels: a leaf of the tree, or a group of nodes.

    *tie_break* orders nodes that are equally near.
    """

    name: str
    vector: Vector
    children: tuple[LevelNode, ...] = ()
    leaf: int | None = None
    tie_break: int = 0


@dataclass(slots=True)
class PaperSearch:
    """The state of one person's search.

    *prefix_tokens* is the length of the history and profile that precede every question.
    """

    history: str
    profile: str
    taste: Vector | None
    prefix_tokens: int
    seen: frozenset[str]
    items: list[str]
    usage: Usage
    unusable: int = 0


@dataclass(frozen=True, slots=True)
class _ListQuestion:
    """A question for the best *count* of numbered *lines*, with what vectors need to answer it."""

    template: str
    name: str
    lines: Sequence[str]
    count: int
    vectors: Sequence[Vector]
    tie_breaks: Sequence[int]

    def text(self) -> str:
        numbered = "\n".join(f"{number}. {line}" for number, line in enumerate(self.lines, 1))
        return self.template.format(count=self.count, name=self.name, lines=numbered)


class PaperScheme:
    """Searches the leaves of our tree as the paper searches its own.

    With an *endpoint*, the model is asked. Without, vectors answer and prompts are counted.
    """

    name = "the paper's scheme"
    zero_shot = True

    def __init__(
        self, tree: ItemTree, counter: TokenCounter, endpoint: Endpoint | None = None
    ) -> None:
        self._tree = tree
        self._counter = counter
        self._endpoint = endpoint
        answers = f"{endpoint.model} at {endpoint.name}" if endpoint else VECTORS_ANSWER
        self.note = (
            "two levels of our leaves, 10 children, 5 a leaf, 50 titles in every call; a list is "
            f"the first of {WANTED} items as they were found, leaf after leaf, and not ranked; "
            + answers
        )

    def learn(self, data: EvaluationData) -> None:
        """Build the levels over the leaves."""
        self.groups = levels_over_leaves(self._tree)
        self._leaves: dict[int, list[PlacedItem]] = {}
        self._lengths: dict[str, int] = {}

    def answer(self, case: EvaluationCase, limit: int) -> RankedList:
        """Search depth first, the best child next, until enough items are found."""
        search = self._start(case)
        stack = [LevelNode("all items", Vector(np.zeros(0, np.float32)), self.groups)]
        while stack and len(search.items) < max(WANTED, limit):
            node = stack.pop()
            if node.leaf is None:
                stack += self._rank_children(search, node)[::-1]
            else:
                search.items += self._select_items(search, node.leaf, node.name)
        items = tuple(search.items)
        return RankedList(items[:limit], search.usage, items, unusable=search.unusable)

    def profile_usage(self, history: Sequence[str]) -> Usage:
        """Return the usage of the profile call alone."""
        return self._start(EvaluationCase(0, tuple(history))).usage

    def _start(self, case: EvaluationCase) -> PaperSearch:
        placed = self._tree.items_by_id(case.history[-HISTORY:])
        shown = [placed[each] for each in case.history[-HISTORY:]]
        recent = [each.number for each in shown[-RECENT:]]
        taste = combine(self._tree.item_vectors(recent), recency(len(recent)).tolist())
        titles = "\n".join(one_line_title(each.item) for each in shown)
        history = PROFILE.format(history=titles)
        tokens = self._counter.count(history)
        seen = frozenset(case.seen)
        search = PaperSearch(history, "", taste, tokens + PROFILE_TOKENS, seen, [], Usage())
        if self._endpoint:
            search.profile = self._ask(self._endpoint, search, None, Stage.PROFILE)
            search.unusable += not search.profile.strip()
        else:
            search.usage = estimated_usage(1, self._overhead(2) + tokens, PROFILE_TOKENS)
        return search

    def _rank_children(self, search: PaperSearch, node: LevelNode) -> list[LevelNode]:
        children = node.children
        names = [child.name for child in children]
        vectors = [child.vector for child in children]
        tie_breaks = [child.tie_break for child in children]
        count = min(CHILDREN, len(names))
        question = _ListQuestion(RANK, node.name, names, count, vectors, tie_breaks)
        return [children[position] for position in self._choose(search, question)]

    def _select_items(self, search: PaperSearch, leaf: int, name: str) -> list[str]:
        if leaf not in self._leaves:
            self._leaves[leaf] = self._tree.items_in([leaf])
        items = [each for each in self._leaves[leaf] if each.item.id not in search.seen]
        if not items:
            return []
        titles = [one_line_title(each.item) for each in items]
        vectors = self._tree.item_vectors([each.number for each in items])
        tie_breaks = [tie_break_key(each.item.id) for each in items]
        count = min(FROM_LEAF, len(titles))
        question = _ListQuestion(RECALL, name, titles, count, vectors, tie_breaks)
        return [items[position].item.id for position in self._choose(search, question)]

    def _choose(self, search: PaperSearch, question: _ListQuestion) -> list[int]:
        """Return the positions of the chosen lines, best first."""
        text = question.text()
        lines, count = question.lines, question.count
        if self._endpoint:
            titles = read_titles(self._ask(self._endpoint, search, text, Stage.RECALL), lines)
            search.unusable += not titles
            return titles[:count]
        taste, vectors = search.taste, question.vectors
        near = similarities(taste, vectors) if taste else np.zeros(len(lines))
        # Leaves list items in the order of the catalog, which must not break ties.
        order = np.lexsort((np.array(question.tie_breaks, np.uint64), -near))
        best = [int(position) for position in order[:count]]
        reply = sum(self._length(f"{n}. {lines[position]}\n") for n, position in enumerate(best, 1))
        prompt = self._overhead(4) + search.prefix_tokens + self._length(text)
        search.usage += estimated_usage(1, prompt, reply)
        return best

    def _ask(self, endpoint: Endpoint, search: PaperSearch, text: str | None, stage: Stage) -> str:
        """Ask in a new conversation that begins with the history, and return the reply."""
        messages = [Message("system", ""), Message("user", search.history)]
        if text is not None:
            messages += [Message("assistant", search.profile), Message("user", text)]
        try:
            reply = endpoint.complete(Request(stage, tuple(messages), MOST_OUTPUT))
        except UnillmrecError as error:
            error.exchanges = (Exchange((), "", search.usage + usage_of(error)),)
            raise
        usage = reply.usage
        # A cached reply has no calls, and costs no tokens.
        if usage.calls:
            usage = replace(
                usage,
                estimated_prompt=self._counter.count_messages([each.content for each in messages]),
                estimated_completion=self._counter.count(reply.text),
            )
        search.usage += usage
        return reply.text

    def _overhead(self, messages: int) -> int:
        return self._counter.count_messages([""] * messages)

    def _length(self, text: str) -> int:
        if text not in self._lengths:
            self._lengths[text] = self._counter.count(text)
        return self._lengths[text]


def read_titles(reply: str, lines: Sequence[str]) -> list[int]:
    """Return the positions of the listed titles in the numbered lines of a reply.

    A title must match exactly but for case: a title that is merely similar to a listed one may
    be another item.
    """
    positions = {line.casefold(): position for position, line in reversed([*enumerate(lines)])}
    named = [positions.get(title.casefold()) for title in _ANSWER.findall(reply)]
    return list(dict.fromkeys(position for position in named if position is not None))


def levels_over_leaves(tree: ItemTree, levels: int = LEVELS) -> tuple[LevelNode, ...]:
    """Return the leaves of a tree in *levels* levels of equal fan-out, neighbours together."""
    order = leaves_left_to_right(tree)
    nodes = []
    for leaf, vector in zip(order, tree.node_vectors(order), strict=True):
        name = one_line(tree.node(leaf).description.label, NAME_LENGTH)
        nodes.append(LevelNode(name, vector, leaf=leaf, tie_break=tie_break_key(f"leaf {leaf}")))
    size = max(math.ceil(len(nodes) ** (1 / levels)), 2)
    for _ in range(levels - 1):
        groups = [tuple(nodes[begin : begin + size]) for begin in range(0, len(nodes), size)]
        nodes = [_group(group) for group in groups]
    return tuple(nodes)


def _group(nodes: tuple[LevelNode, ...]) -> LevelNode:
    words = Counter(chain.from_iterable(node.name.split(", ") for node in nodes))
    name = one_line(", ".join(word for word, _ in words.most_common(3)), NAME_LENGTH)
    vector = combine([node.vector for node in nodes], [1.0] * len(nodes))
    assert vector is not None
    return LevelNode(name, vector, nodes, tie_break=min(node.tie_break for node in nodes))
