"""What should a branch description contain, to lead to the right leaf with few tokens?"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.datasets import SEED, load
from benchmarks.report import table
from benchmarks.results import save
from unillmrec import BuildOptions, ItemTree, build
from unillmrec.checking.description_check import check_descriptions, draw_hidden_items
from unillmrec.judge import Choice, Interest, Profile, Question
from unillmrec.judge.description_judge import DescriptionJudge
from unillmrec.judge.from_settings import build_writer
from unillmrec.settings import Settings
from unillmrec.stages import start_run
from unillmrec.store import ROOT
from unillmrec.tree import descriptions
from unillmrec.tree.node_summary import contrastive_terms
from unillmrec.usage import Stage

QUESTION = __doc__
SETS = ("ml-1m", "netflix-titles", "goodreads", "steam-games", "amazon-games", "mind-sample")
HIDDEN = 500
LEAVES = (1, 5, 12)
# How usual a word may be around a node and still be listed for it.
AROUND = (0.5, 0.75, 1.0)
USUAL = contrastive_terms.AROUND
# Words and titles in a line.
LINES = ((5, 2), (5, 1), (5, 0), (3, 0), (8, 0), (3, 1), (8, 1), (8, 2), (0, 1), (0, 2), (5, 3))
SHOWN = LINES[:3]


def run(data: Path) -> None:
    """Hide items, and search for them by the words of the descriptions alone."""
    rows: list[dict[str, Any]] = []
    for name in SETS:
        items = load(data, name).items
        for around in AROUND:
            with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
                stack.enter_context(patch.object(contrastive_terms, "AROUND", around))
                path = Path(folder) / "measured.tree"
                build(items, path, BuildOptions(workers=1))
                tree = stack.enter_context(ItemTree.open(path))
                for words, titles in LINES:
                    measured = _measured(tree, words, titles)
                    rows.append({"set": name, "around": around, **measured})
                    print(rows[-1], flush=True)
    means = list(_means(rows))
    # The table of all sets is in the file; the README has room for what decides.
    table_rows = [
        row for row in means if row["around"] == USUAL or (row["words"], row["titles"]) in SHOWN
    ]
    notes = {"seed": SEED, "items hidden": HIDDEN, "text": table(table_rows)}
    save("descriptions", QUESTION, [*rows, *means], judge=DescriptionJudge.name, **notes)


def _measured(tree: ItemTree, words: int, titles: int) -> dict[str, Any]:
    with _lines(words, titles):
        judge = DescriptionJudge(tree)
        routing = check_descriptions(tree, judge, HIDDEN, SEED)
        walks = _Walks(tree, judge)
        found = [walks.opened_until(each) for each in draw_hidden_items(tree, HIDDEN, SEED)]
    first = routing.levels[0]
    return {
        "words": words,
        "titles": titles,
        "tokens a line": round(walks.mean_tokens(), 1),
        "level 1": round(first.first, 4),
        "three of level 1": round(first.among_three, 4),
        "whole way": round(routing.whole_way, 4),
        **{f"within {n}": round(_share(found, n), 4) for n in LEAVES},
        "tokens to a quarter": _quarter([tokens for _, tokens in found]),
    }


@contextmanager
def _lines(words: int, titles: int) -> Iterator[None]:
    """Limit descriptions to this many words and titles."""
    with (
        patch.object(descriptions, "LINE_WORDS", words),
        patch.object(descriptions, "LINE_TITLES", titles),
    ):
        yield


class _Walks:
    """Best-first walks guided by descriptions, with the prompt tokens on the way."""

    def __init__(self, tree: ItemTree, judge: DescriptionJudge) -> None:
        self._run = start_run(tree, judge)
        self._writer = build_writer(Settings(model="gpt-4o"))
        self._families: dict[int, tuple[tuple[Choice, ...], int]] = {}
        self._leaves = {leaf for (leaf,) in tree.rows("SELECT id FROM node WHERE leaf")}

    def opened_until(self, hidden: tuple[Any, Any]) -> tuple[int, float]:
        """Return the leaves opened until the item's, and the tokens spent.

        Both are infinite if the walk ended before.
        """
        placed, _ = hidden
        (vector,) = self._run.tree.item_vectors([placed.number])
        profile = Profile((Interest(placed.item.title, 1.0),), vector)
        frontier = [(-100.0, 0, ROOT)]
        opened = tokens = came = 0
        while frontier and opened < max(LEAVES):
            *_, node = heapq.heappop(frontier)
            if node in self._leaves:
                opened += 1
                if node == placed.leaf:
                    return opened, tokens
                continue
            choices, cost = self._family(node, profile)
            tokens += cost
            question = Question("choose", Stage.RECALL, profile, choices, len(choices))
            keys = {choice.number: choice.key for choice in choices}
            for number, score in self._run.judge.choose(question).scores:
                came += 1
                heapq.heappush(frontier, (-score, came, keys[number]))
        return max(LEAVES) + 1, float("inf")

    def _family(self, node: int, profile: Profile) -> tuple[tuple[Choice, ...], int]:
        if node not in self._families:
            choices = self._run.branch_choices(self._run.tree.children(node))
            question = Question("choose", Stage.RECALL, profile, choices, len(choices))
            prompt, _ = self._writer.estimate(self._writer.request(question))
            self._families[node] = choices, prompt
        return self._families[node]

    def mean_tokens(self) -> float:
        """Return the mean length of the descriptions read on all walks."""
        count, line = self._writer.counter.count, self._writer.line
        read = [line(choice) for choices, _ in self._families.values() for choice in choices]
        return sum(map(count, read)) / len(read)


def _share(found: Sequence[tuple[int, float]], leaves: int) -> float:
    return sum(opened <= leaves for opened, _ in found) / len(found)


def _quarter(tokens: Sequence[float]) -> int | str:
    """Return the prompt tokens within which a quarter of the items were found."""
    found = sorted(tokens)[len(tokens) // 4]
    return "-" if found == float("inf") else round(found)


def _means(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Return means over the data sets for each form of description."""
    ways = dict.fromkeys((row["around"], row["words"], row["titles"]) for row in rows)
    for way in ways:
        same = [row for row in rows if (row["around"], row["words"], row["titles"]) == way]
        means: dict[str, Any] = {"set": "mean", "around": way[0]}
        for name in list(same[0])[2:]:
            values = [row[name] for row in same]
            numbers = not any(isinstance(value, str) for value in values)
            mean = sum(values) / len(values) if numbers else "-"
            means[name] = mean if isinstance(mean, str) else _rounded(mean)
        yield means


def _rounded(mean: float) -> float | int:
    if mean.is_integer() or mean > 100:
        return round(mean)
    return round(mean, 4 if mean < 1 else 1)
