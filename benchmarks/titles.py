"""How many ordinary titles change on their way into a prompt?"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

from benchmarks.datasets import find
from benchmarks.results import save
from unillmrec import read_catalog
from unillmrec.items import one_line

QUESTION = __doc__.partition("\n")[0]
# Longer than any title: what is cut off is not what is cleaned.
LENGTH = 10_000


def run(data: Path) -> None:
    """Clean the titles of every data set in the folder."""
    rows: list[dict[str, Any]] = []
    for name in sorted(path.parent.name for path in data.glob("*/items.jsonl*")):
        titles = [item.title for item in read_catalog(find(data, name, "items.jsonl"))]
        rows.append(_row(name, len(titles), sum(map(is_changed, titles))))
        print(rows[-1], flush=True)
    titles, changed = (sum(row[name] for row in rows) for name in ("titles", "changed"))
    rows.append(_row(f"all {len(rows)} sets", titles, changed))
    save("titles", QUESTION, rows, seed="none: no lot is drawn")


def _row(name: str, titles: int, changed: int) -> dict[str, Any]:
    return {"set": name, "titles": titles, "changed": changed, "share": f"{changed / titles:.3%}"}


def is_changed(title: str) -> bool:
    """Return whether *title* looks different in a prompt."""
    plain = " ".join(unicodedata.normalize("NFC", title).split())
    return one_line(title, LENGTH) != plain
