"""Which upkeep rules preserve a tree's quality while its topics shift?"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.results import save

QUESTION = __doc__
# Other catalogs than those of the benchmark that reports what came of it.
SIZE = 8_000
SEEDS = (10, 20)
PEOPLE = 120
SMALL, LARGE = 4_000, 200_000
# What differs between the ways: whether what is rebuilt is weighed again, how large a part of
# the tree may be that is rebuilt, and whether the children of an over-full root are joined.
WAYS: dict[str, dict[str, Any]] = {
    "small parts only": {"weighed": False, "largest": SMALL, "joined": False},
    "the root too": {"weighed": False, "largest": LARGE, "joined": False},
    "small parts, weighed again": {"weighed": True, "largest": SMALL, "joined": True},
    "the root too, weighed again": {"weighed": True, "largest": LARGE, "joined": False},
    "the same, root joined": {"weighed": True, "largest": LARGE, "joined": True},
}


def run(data: Path) -> None:
    """Replace whole catalogs under each rule, in processes of their own."""
    rows = []
    for way, how in WAYS.items():
        for seed in SEEDS:
            with tempfile.TemporaryDirectory(prefix="churn-", dir=data) as name:
                command = [sys.executable, "-m", "benchmarks.churn", name, json.dumps(how)]
                command += [str(seed), str(SIZE), str(PEOPLE)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
            for row in json.loads(done.stdout.splitlines()[-1]):
                rows.append({"way": way, "seed": seed, **row})
                print(rows[-1], flush=True)
    save(
        "churn",
        QUESTION,
        rows,
        seed=SEEDS,
        items=SIZE,
        people=PEOPLE,
        judge="embedded similarity judge, no model",
    )


def _main() -> None:
    from benchmarks.change import synthetic
    from unillmrec.updating.upkeep import maintenance
    from unillmrec.updating.upkeep import subtree_rebuild as rebuilding
    from unillmrec.updating.upkeep.branch_joiner import BranchJoiner

    folder, how = Path(sys.argv[1]), json.loads(sys.argv[2])
    seed, size, people = map(int, sys.argv[3:])
    maintenance.MAX_REBUILD_ITEMS = how["largest"]
    if not how["weighed"]:
        rebuild = rebuilding.SubtreeRebuild
        rebuild._reweigh = lambda self: self._tree.item_matrix(self.numbers.tolist())  # type: ignore[method-assign]
    if not how["joined"]:
        BranchJoiner.make_room = lambda *_: False  # type: ignore[method-assign]
    print(json.dumps(synthetic(folder, size, seed, people, 1.0)))


if __name__ == "__main__":
    _main()
