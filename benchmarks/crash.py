"""Is a tree intact after a process that changed it was killed at a random moment?"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.results import save

QUESTION = __doc__
SEED = 0
ITEMS = 2_000
CHANGED = 400
BATCH = 80
KILLS = 70
KINDS = ("insert", "delete", "sync")


def run(data: Path) -> None:
    """Kill each kind of change many times, and check what remains."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="crash-", dir=data) as name:
        folder = Path(name)
        _build(folder)
        for kind in KINDS:
            rows.append(killed_often(folder, kind, KILLS))
            print(rows[-1], flush=True)
    save("crash", QUESTION, rows, seed=SEED, items=ITEMS, changed=CHANGED, batch=BATCH)


def _build(folder: Path) -> None:
    from benchmarks.synthetic import SyntheticCatalog
    from unillmrec import BuildOptions, build

    catalog = list(SyntheticCatalog(ITEMS, SEED).items())
    build(catalog[: ITEMS - CHANGED], folder / "before.tree", BuildOptions(workers=1))


def killed_often(folder: Path, kind: str, kills: int) -> dict[str, Any]:
    """Kill a change *kills* times at different moments; count the outcomes."""
    states = _states(folder, kind)
    chance = random.Random(f"{SEED} {kind}")
    found: Counter[str] = Counter()
    began = 0
    while found.total() < kills:
        tree = folder / "killed.tree"
        _copy(folder / "before.tree", tree)
        with _start(tree, kind) as process:
            assert process.stdout is not None
            process.stdout.readline()
            # From here on it only changes the tree.
            time.sleep(chance.random() * states["seconds"])
            process.kill()
        began += any(tree.parent.glob("killed.tree-wal"))
        found[_left(tree, states["whole"])] += 1
    return {
        "change": kind,
        "kills": kills,
        "before": found["before"],
        "between batches": found["between"],
        "after": found["after"],
        "broken or lost": found["broken"],
        "killed with a log": began,
    }


def _states(folder: Path, kind: str) -> dict[str, Any]:
    """Return the states that a change may leave, by content, and its duration."""
    tree = folder / "steps.tree"
    _copy(folder / "before.tree", tree)
    whole = [_content(tree)]
    with _start(tree, kind) as process:
        assert process.stdout is not None
        process.stdout.readline()
        started = time.perf_counter()
        process.wait()
    seconds = time.perf_counter() - started
    whole += _steps(folder, kind)
    return {"whole": whole, "seconds": seconds}


def _steps(folder: Path, kind: str) -> list[Any]:
    """Return the content of the tree after each commit of a change."""
    from unillmrec.updating.changer import TreeChanger

    tree = folder / "steps.tree"
    _copy(folder / "before.tree", tree)
    contents = []
    with TreeChanger(tree, batch=BATCH) as changer:
        for part in _parts(kind):
            getattr(changer, kind)(part)
            contents.append(_content(tree))
    return contents


def _parts(kind: str) -> list[list[Any]]:
    things = _things(kind, ITEMS, CHANGED)
    if kind == "sync":
        return [things]
    return [things[first : first + BATCH] for first in range(0, len(things), BATCH)]


def _things(kind: str, items: int, changed: int) -> list[Any]:
    """Return the items to insert or sync, or the ids to delete."""
    from benchmarks.synthetic import SyntheticCatalog

    catalog = list(SyntheticCatalog(items, SEED).items())
    if kind == "insert":
        return catalog[items - changed :]
    if kind == "delete":
        return [item.id for item in catalog[:changed]]
    return catalog[changed:]


def _start(tree: Path, kind: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.crash", str(tree), kind]
    command += [str(ITEMS), str(CHANGED), str(BATCH)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _copy(source: Path, target: Path) -> None:
    for beside in target.parent.glob(f"{target.name}*"):
        beside.unlink()
    shutil.copyfile(source, target)


def _content(path: Path) -> Any:
    """Return everything visible in a tree: its items, their places, and the descriptions."""
    from unillmrec.store import ItemTree

    with ItemTree.open(path) as tree:
        items = tree.rows("SELECT number, id, title, attributes, leaf FROM item ORDER BY number")
        nodes = tree.rows("SELECT id, parent, size, description FROM node ORDER BY id")
        return items, nodes, tree.rows("SELECT term, used_by FROM term ORDER BY term")


def _left(path: Path, whole: list[Any]) -> str:
    """Return which of the expected states a killed process left, or that it left none of them."""
    from unillmrec.errors import UnillmrecError
    from unillmrec.store import EditableTree
    from unillmrec.store.invariants import find_breaches

    try:
        with EditableTree.open(path) as tree:
            if list(find_breaches(tree)):
                return "broken"
        content = _content(path)
    except UnillmrecError:
        return "broken"
    if content not in whole:
        return "broken"
    place = whole.index(content)
    return {0: "before", len(whole) - 1: "after"}.get(place, "between")


def _main() -> None:
    from unillmrec.updating.changer import TreeChanger

    path, kind, *sizes = sys.argv[1:]
    items, changed, batch = map(int, sizes)
    things = _things(kind, items, changed)
    with TreeChanger(path, batch=batch) as changer:
        print("begun", flush=True)
        getattr(changer, kind)(things)


if __name__ == "__main__":
    _main()
