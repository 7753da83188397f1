"""A thousand damaged trees through five commands: every result is right, or says "damaged"."""

from __future__ import annotations

import io
import json
import random
import shutil
import signal
import sqlite3
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from benchmarks.results import save
from unillmrec.building import BuildOptions, build
from unillmrec.cli import main
from unillmrec.items import Item
from unillmrec.tree.growing import Bounds

QUESTION = "Does a damaged file ever give a traceback, an endless loop, or an item that is not so?"
SEED = 15
FLIPS = 1_000
# A command on the intact tree takes a tenth of this.
LIMIT_SECONDS = 20
BOUNDS = Bounds(fan_out=4, most_children=6, root_children=5, leaf_target=8, leaf_capacity=12)
TOPICS = {
    "sea": ("harbour", "whale", "captain", "storm", "island", "anchor"),
    "crime": ("detective", "alibi", "poison", "clue", "burglar", "jury"),
    "garden": ("rose", "orchard", "hedge", "seed", "tulip", "pond"),
}

_LEAF = "(SELECT min(id) FROM node WHERE leaf)"
_BRANCH = "(SELECT max(id) FROM node WHERE NOT leaf)"
_TOP = "(SELECT min(id) FROM node WHERE parent = 1 AND NOT leaf)"
AIMED: Mapping[str, str] = {
    "a cycle of nodes": f"UPDATE node SET parent = {_LEAF} WHERE id = {_TOP}",
    "a node that is its own parent": f"UPDATE node SET parent = id WHERE id = {_BRANCH}",
    "a root with a parent": f"UPDATE node SET parent = {_LEAF} WHERE id = 1",
    "no root": "DELETE FROM node WHERE id = 1",
    "no nodes": "DELETE FROM node",
    "a branch without children": f"DELETE FROM node WHERE parent = {_TOP}",
    "a leaf that is a branch": f"UPDATE node SET leaf = 0 WHERE id = {_LEAF}",
    "a branch that is a leaf": f"UPDATE node SET leaf = 1 WHERE id = {_TOP}",
    "a description that is no JSON": "UPDATE node SET description = '{\"words\":['",
    "a description of other types": 'UPDATE node SET description = \'{"words":3,"titles":null}\'',
    "a description that is a list": "UPDATE node SET description = '[]'",
    "value ranges that are no JSON": "UPDATE node SET spans = 'x'",
    "negative sizes": "UPDATE node SET size = -size",
    "sizes that are text": "UPDATE node SET size = 'many'",
    "a popularity that is text": "UPDATE node SET prior = 'high'",
    "an item in a missing leaf": "UPDATE item SET leaf = 999999",
    "an item without a leaf": "UPDATE item SET leaf = NULL",
    "an item in a branch": f"UPDATE item SET leaf = {_BRANCH}",
    "attributes that are no JSON": "UPDATE item SET attributes = '{'",
    "attributes that are a list": "UPDATE item SET attributes = '[1]'",
    "a path that is a number": "UPDATE item SET path = '3'",
    "a changed title": "UPDATE item SET title = 'Moby-Dicj' WHERE number % 2",
    "a title that is a blob": "UPDATE item SET title = x'ff00fe'",
    "a title that is not UTF-8": "UPDATE item SET title = CAST(x'ff00fe' AS TEXT)",
    "a text of 50 MB": "UPDATE item SET text = CAST(zeroblob(50000000) AS TEXT) WHERE number = 3",
    "two items with one id": "UPDATE item SET id = 'item-000' WHERE number < 9",
    "item vectors of garbage": "UPDATE item_vector SET packed = randomblob(length(packed))",
    "an item vector of an odd length": "UPDATE item_vector SET packed = zeroblob(7)",
    "an item vector of 50 MB": "UPDATE item_vector SET packed = zeroblob(50000000) WHERE item = 5",
    "item vectors that are text": "UPDATE item_vector SET packed = 'x'",
    "no item vectors": "DELETE FROM item_vector",
    "node sums of garbage": "UPDATE node_sum SET packed = randomblob(length(packed))",
    "empty node sums": "UPDATE node_sum SET packed = x''",
    "no node sums": "DELETE FROM node_sum",
    "a fact that is no JSON": "UPDATE fact SET value = '{' WHERE name = 'bounds'",
    "no facts": "DELETE FROM fact",
    "bounds that are a list": "UPDATE fact SET value = '[]' WHERE name = 'bounds'",
    "a negative number of items": "UPDATE fact SET value = '-5' WHERE name = 'items'",
    "a number of terms that is text": "UPDATE fact SET value = '\"x\"' WHERE name = 'next_term'",
    "terms that are numbers": "UPDATE term SET used_by = 'x'",
    "columns of garbage": "UPDATE attribute_block SET packed = randomblob(length(packed))",
    "empty columns": "UPDATE attribute_block SET packed = x''",
    "a column far away": "INSERT INTO attribute_block VALUES (4294967000, x'0000ff')",
    "columns of another kind": "UPDATE attribute SET kind = 'tags'",
    "codes that are text": "UPDATE attribute_text SET code = 'x'",
    "no items": "DELETE FROM item",
    "no table of terms": "DROP TABLE term",
    "no table of nodes": "DROP TABLE node",
}
"""Statements, each of which damages a tree, by what they do."""


class EndlessError(BaseException):
    """A command did not end in time."""


def catalog() -> list[Item]:
    """Return the items of the tree that is damaged."""
    chance = random.Random(SEED)
    items = []
    for number in range(120):
        topic, words = list(TOPICS.items())[number % len(TOPICS)]
        one, other = chance.sample(words, 2)
        items.append(
            Item(
                f"item-{number:03}",
                f"The {one} and the {other} {number}",
                f"A tale of the {topic}: {one}, {other}.",
                attributes={"subjects": (topic, one), "topic": topic, "year": 1800 + number},
            )
        )
    return items


class DamageBench:
    """An intact tree, and what the commands print about it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.intact = folder / "intact.tree"
        self.tree = folder / "a.tree"
        self.titles = {each.id: each.title for each in catalog()}
        build(catalog(), self.intact, BuildOptions(bounds=BOUNDS, workers=1))
        self._write_inputs()
        self.commands = self._commands()
        self.expected: dict[str, str] = {}
        for name in self.commands:
            shutil.copy(self.intact, self.tree)
            code, out, err = self._run(name)
            if code:
                raise AssertionError(f"{name} fails on the intact tree: {err}")
            self.expected[name] = out

    def _write_inputs(self) -> None:
        rows = [
            {"id": each.id, "title": each.title, "text": each.text, **each.attributes}
            for each in catalog()
        ]
        self._write_lines("catalog.jsonl", rows)
        people = [{"id": f"p{n}", "history": [f"item-{n:03}", f"item-{n + 40:03}"]} for n in (1, 2)]
        self._write_lines("people.jsonl", people)

    def _write_lines(self, name: str, rows: list[dict[str, Any]]) -> None:
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        (self.folder / name).write_text(text, encoding="utf-8")

    def _commands(self) -> dict[str, list[str]]:
        tree, folder = str(self.tree), self.folder
        embedded = ["--judge", "embedded"]
        return {
            "recommend": [
                *("recommend", tree, "--like", "a whale in a storm", "--json", *embedded),
                *("--where", "year > 1810 and topic = 'sea'"),
            ],
            "tree": ["tree", tree, "--json", "--depth", "9"],
            "tree check": ["tree", "check", tree, "--json"],
            "batch": [
                *("batch", tree, str(folder / "people.jsonl"), "-o", str(folder / "out.jsonl")),
                *embedded,
            ],
            "sync": ["sync", tree, str(folder / "catalog.jsonl")],
        }

    def _run(self, name: str) -> tuple[object, str, str]:
        for path in self.folder.glob("out.jsonl*"):
            path.unlink()
        out, err = io.StringIO(), io.StringIO()
        code: object = 0
        with redirect_stdout(out), redirect_stderr(err), limited(LIMIT_SECONDS):
            try:
                main(self.commands[name])
            except SystemExit as end:
                code = end.code
        return code, out.getvalue(), err.getvalue()

    def outcomes(self, damage: Callable[[Path], object]) -> Iterator[tuple[str, str]]:
        """Damage a copy of the tree for each command, run it, and yield how each ended."""
        for name in self.commands:
            self.restore()
            damage(self.tree)
            yield name, self._outcome(name)

    def restore(self) -> None:
        """Put the intact tree in place."""
        for path in self.folder.glob("a.tree*"):
            path.unlink()
        shutil.copy(self.intact, self.tree)

    def _outcome(self, name: str) -> str:
        try:
            code, out, err = self._run(name)
        except EndlessError:
            return "endless"
        except Exception:
            return f"traceback: {traceback.format_exc(limit=-6)}"
        if code:
            is_told = "damaged" in err or "not a tree file" in err or "breach" in out
            return "damaged" if is_told else f"other error: {err}"
        if name == "batch" and "damaged" in self._problems():
            return "damaged"
        return self._compared(name, out)

    def _problems(self) -> str:
        path = self.folder / "out.jsonl.problems.jsonl"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def _compared(self, name: str, out: str) -> str:
        """Return whether every item that was shown is an item of the catalog."""
        shown = out
        if name == "batch":
            with suppress(FileNotFoundError):
                shown = (self.folder / "out.jsonl").read_text(encoding="utf-8")
        for line in shown.splitlines():
            if name not in ("recommend", "batch"):
                break
            items = json.loads(line)["items"]
            if not items:
                return "wrong: an empty list"
            for each in items:
                if self.titles.get(each["id"]) != each["title"]:
                    return f"wrong: {each}"
        return "right"


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise an `EndlessError` in the main thread after some seconds."""

    def end(*_: object) -> None:
        raise EndlessError

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def execute(statement: str) -> Callable[[Path], None]:
    """Return a function that damages a tree with a statement."""

    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            if "SET id" in statement:
                db.execute("DROP INDEX item_by_id")
            db.execute(statement)

    return damage


def flip(seed: int) -> Callable[[Path], None]:
    """Return a function that overwrites one to eight bytes of a tree, the same for one *seed*."""

    def damage(path: Path) -> None:
        chance = random.Random(seed)
        content = bytearray(path.read_bytes())
        for _ in range(chance.choice([1, 1, 2, 8])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content)

    return damage


def run(data: Path) -> None:
    """Damage trees at random places and by aimed statements; *data* is not used."""
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        bench = DamageBench(Path(folder))
        rows = [
            _row(f"{FLIPS:,} trees with random bytes", bench, map(flip, range(FLIPS))),
            _row(f"{len(AIMED)} aimed damages", bench, map(execute, AIMED.values())),
        ]
    save("damage", QUESTION, {"seed": SEED, "seconds": time.process_time() - started}, rows)


def _row(
    what: str, bench: DamageBench, damages: Iterator[Callable[[Path], None]]
) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for damage in damages:
        for name, outcome in bench.outcomes(damage):
            kind = outcome.split(":")[0]
            counts[kind] += 1
            if kind not in ("right", "damaged"):
                print(name, outcome)
    kinds = ("right", "damaged", "wrong", "other error", "traceback", "endless")
    return {"what": what, "commands": counts.total(), **{kind: counts[kind] for kind in kinds}}
