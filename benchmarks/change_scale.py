"""What do changes, checks and a sync that changes nothing cost in large trees?"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.results import save

QUESTION = __doc__
SEED = 0
SIZES = (100_000, 1_000_000)
SINGLES = 100
MANY = 10_000


def run(data: Path) -> None:
    """Build each tree once, change it, check it, and sync it with its own catalog."""
    rows = []
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="change-scale-", dir=data) as name:
            rows.append(_measured(size, Path(name)))
            print(rows[-1], flush=True)
    save("change_scale", QUESTION, rows, seed=SEED, singles=SINGLES, many=MANY)


@dataclass(frozen=True, slots=True)
class _Took:
    """Wall time and CPU time of a step."""

    wall: float
    cpu: float


def _timed(work: Callable[[], object]) -> _Took:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return _Took(time.perf_counter() - wall, time.process_time() - cpu)


def _measured(size: int, folder: Path) -> dict[str, Any]:
    from benchmarks.synthetic import SyntheticCatalog
    from unillmrec import BuildOptions, build
    from unillmrec.updating.changer import TreeChanger

    catalog = SyntheticCatalog(size + MANY, SEED)
    path = folder / "a.tree"

    def there() -> Iterator[Any]:
        return (item for number, item in enumerate(catalog.items()) if number < size)

    build(there(), path, BuildOptions(workers=2))
    new = [item for number, item in enumerate(catalog.items()) if number >= size]
    row: dict[str, Any] = {"items": size}
    with TreeChanger(path) as changer:
        # What is loaded by the first change is loaded once.
        changer.insert(new[-1:])
        changer.delete([new[-1].id])
        row |= _singles(
            "insert", [lambda item=item: changer.insert([item]) for item in new[:SINGLES]]
        )
        row |= _singles(
            "delete", [lambda item=item: changer.delete([item.id]) for item in new[:SINGLES]]
        )
        row |= _bulk("insert", _timed(lambda: changer.insert(new)))
        row |= _bulk("delete", _timed(lambda: changer.delete([item.id for item in new])))
        row |= _seconds("sync unchanged", _timed(lambda: changer.sync(there())))
    row |= _seconds("check", _timed(lambda: _check(path)))
    return row


def _singles(kind: str, works: list[Callable[[], object]]) -> dict[str, float]:
    took = [_timed(work) for work in works]
    middle = len(took) // 2
    return {
        f"ms {kind}": round(1000 * sorted(each.wall for each in took)[middle], 2),
        f"cpu ms {kind}": round(1000 * sorted(each.cpu for each in took)[middle], 2),
    }


def _bulk(kind: str, took: _Took) -> dict[str, int]:
    return {f"{kind}/s": round(MANY / took.wall), f"{kind}/cpu s": round(MANY / took.cpu)}


def _seconds(what: str, took: _Took) -> dict[str, float]:
    return {f"{what} s": round(took.wall, 1), f"{what} cpu s": round(took.cpu, 1)}


def _check(path: Path) -> None:
    from unillmrec import ItemTree
    from unillmrec.checking.tree_check import check
    from unillmrec.judge import CONTRACTS, PromptWriter
    from unillmrec.prompts import PromptSet
    from unillmrec.tokens import TokenCounter

    writer = PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model("gpt-4o"))
    with ItemTree.open(path) as tree:
        found = check(tree, writer)
    assert not found.breaches, found.breaches
