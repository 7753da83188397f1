"""Check that a resumed batch is the same as before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from unillmrec.batch.options import BatchOptions
from unillmrec.errors import BatchError
from unillmrec.store import ItemTree
from unillmrec.store.survey import fingerprint

_LONGEST_VALUE = 100


def batch_identity(
    tree: ItemTree, people: str, judge: str, options: BatchOptions
) -> dict[str, object]:
    """Return what must stay the same between the runs of a batch."""
    recommend = options.recommend
    return {
        "tree": fingerprint(tree),
        "people": people,
        "judge": judge,
        "options": {name: getattr(recommend, name) for name in type(recommend).__slots__},
        "where": options.where,
        "exclude": list(options.exclude),
    }


def check_same_batch(out: Path, before: Mapping[str, object], now: Mapping[str, object]) -> None:
    """Check that an unfinished batch is the one that is run now.

    Raises:
        BatchError: it differs.
    """
    names = [name for name in now if now[name] != before.get(name)]
    if names:
        differences = [_describe_difference(name, before.get(name), now[name]) for name in names]
        raise BatchError(
            f"{out} belongs to an unfinished batch with another {' and '.join(names)}.",
            detail="; ".join([*differences, "no call was made"]) + ".",
            remedy="the same command as before, another -o, or --restart to start over.",
        )


def _describe_difference(name: str, before: object, now: object) -> str:
    """Describe how a value differs; of a mapping, only the entries that differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = [each for each in {**before, **now} if before.get(each) != now.get(each)]
        return "; ".join(_describe_difference(n, before.get(n), now.get(n)) for n in names)
    return f"{name} was {_short_json(before)}, is {_short_json(now)}"


def _short_json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
