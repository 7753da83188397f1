"""What do people see? Recommendations from real catalogs, for reading."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.datasets import SEED, find, load_with_people
from benchmarks.results import save
from unillmrec import BuildOptions, Recommendation, Recommender, build, read_catalog

QUESTION = __doc__
HISTORIES = (("ml-1m", 3), ("amazon-beauty", 5), ("mind-sample", 1))
SENTENCES = (
    ("netflix-titles", "a slow crime series set in a cold country"),
    ("goodbooks-10k", "witches, dragons and a school of magic"),
    ("ml-1m", "space war with robots"),
    ("amazon-beauty", "sunscreen for sensitive skin"),
    ("mind-sample", "quarterback injury before the game"),
)
TOLD_HISTORY = 6


def run(data: Path) -> None:
    """Recommend by history and by sentence, and store the lists as text."""
    parts: list[str] = []
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, person in HISTORIES:
            found = load_with_people(data, name, 20)
            tree = Path(folder) / f"{name}.tree"
            build(found.items, tree, BuildOptions(workers=1, overwrite=True))
            met = [found.items[place] for place in found.people[person].history]
            made = Recommender(tree).recommend([item.id for item in met])
            lately = "; ".join(item.title[:70] for item in met[-TOLD_HISTORY:])
            parts.append(_told(name, f"history of {len(met)}, lately: {lately}", made))
            rows.append({"set": name, "by": "history", **made.as_dict()["walk"]})
        for name, sentence in SENTENCES:
            tree = Path(folder) / f"{name}.tree"
            items = read_catalog(find(data, name, "items.jsonl"))
            build(items, tree, BuildOptions(workers=1, overwrite=True))
            made = Recommender(tree).recommend(like=sentence)
            parts.append(_told(name, f"“{sentence}”", made))
            rows.append({"set": name, "by": "sentence", **made.as_dict()["walk"]})
    print("\n".join(parts))
    save(
        "transcripts",
        QUESTION,
        rows,
        seed=SEED,
        judge="embedded similarity judge, no model",
        text="\n".join(parts),
    )


def _told(name: str, asked: str, made: Recommendation) -> str:
    lines = [f"**{name}**, {asked}", ""]
    lines += [f"{each.place}. {each.item.title[:90]} ({each.reason})" for each in made.items]
    return "\n".join([*lines, ""])
