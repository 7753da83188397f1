"""How many of a person's last items should count, and how fast should their weights decay?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.datasets import SEED, WITH_PEOPLE
from benchmarks.fields import ranks_of_targets
from benchmarks.intervals import mean
from benchmarks.people import not_examined
from benchmarks.results import save
from unillmrec.tree.terms import TermCounter

QUESTION = __doc__
PEOPLE = 1_000
RECENT = (1, 5, 10, 1_000)
DECAY = (0.5, 0.7, 0.85)


def run(data: Path) -> None:
    """Measure the rank of the held-out item for each length and decay."""
    rows: list[dict[str, Any]] = []
    for name in WITH_PEOPLE:
        found = not_examined(data, name, PEOPLE)
        counter = TermCounter()
        for item in found.items:
            counter.add(item)
        _, matrix = counter.finish()
        for recent in RECENT:
            for decay in DECAY if recent > 1 else (1.0,):
                ranks = ranks_of_targets(found, matrix, recent, decay)
                rows.append(
                    {
                        "set": name,
                        "last items": recent,
                        "decay": decay,
                        "people": len(ranks),
                        "recall@10": mean(ranks < 10),
                        "recall@50": mean(ranks < 50),
                    }
                )
                print(rows[-1], flush=True)
    save("history", QUESTION, rows, seed=SEED, protocol="leave last out, all unseen items")
