"""Figures in sentences: each is filled in from a result, between markers."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.intervals import first_number
from benchmarks.results import format_duration, load, names

_TEXT, _BILLED = "item text shown / catalog text", "billed / flat listing"
_MARKED = re.compile(r"(<!-- figure (\S+) -->).*?(<!-- end figure -->)", re.DOTALL)


def filled(text: str) -> str:
    """Return *text* with all its figures filled in from the results.

    Raises:
        KeyError: no result provides a figure.
    """
    return _MARKED.sub(lambda found: f"{found[1]}{FIGURES[found[2]]()}{found[3]}", text)


def _rows(result: str, **wanted: object) -> list[dict[str, Any]]:
    return [
        row
        for row in load(result)["rows"]
        if all(row.get(column) == value for column, value in wanted.items())
    ]


def _recall(row: dict[str, Any]) -> str:
    """Return the recall in a row, without its interval."""
    return str(row["recall@10"]).partition(" ")[0]


def _kept_by_changes() -> str:
    (mean,) = _rows("change", catalog="mean of 5 seeds", walk="30 leaves")
    return str(mean["share of fresh"])


def _least_kept_by_changes() -> str:
    return str(min(first_number(row["share of fresh"]) for row in load("change")["rows"]))


def _compared() -> list[bool]:
    """Return, for each reference figure, whether it lies outside our interval.

    If two searches for a setting end at the same one, it counts once.
    """
    settings = {(row["set"], row["setting"] or row["method"]): row for row in _rows("baselines")}
    return [
        f"{metric} by" in row["there is within"]
        for row in settings.values()
        for metric in row
        if f"{metric} there" in row
    ]


def _tuned(method: str) -> str:
    return " and ".join(map(_recall, _rows("baselines", method=method)))


def _plan_off(how: str) -> str:
    return f"{load('planning')['median_error_percent'][how]:.0f} %"


def _letters(how: str, *, mixed: bool) -> str:
    (row,) = _rows("letters", taste=1.0, **{"of its own in each list": 0.5 if mixed else 0.0})
    return f"{100 * first_number(row[f'best first, {how}']):.0f} %"


def _walk_over_encoder() -> str:
    found = [row for row in _rows("encoder", system="unillmrec") if row["vectors"] != "words"]
    return " and ".join(map(_recall, found))


def _walk_of_a_million(space: str) -> str:
    rows = _rows("fidelity", items=1_000_000, space=space, noise=0.0, system="best-first")
    return str(max(row["ratio"] for row in rows))


def _found_by(system: str) -> str:
    """Return a system's recall on each data set of the evaluation."""
    rows = _rows("evaluation", system=system)
    return " and ".join(f"{_recall(row)} on {row['set']}" for row in rows)


def _taken_by(system: str) -> str:
    """Return a system's tokens per person on each data set of the evaluation."""
    rows = _rows("evaluation", system=system)
    return " and ".join(f"{row['prompt'] + row['completion']:,} on {row['set']}" for row in rows)


def _share_of_flat(column: str, branches: object, leaves: int) -> str:
    """Return the range of a share over the data sets, without the lowest one."""
    rows = _rows("ceiling", branches=branches, **{"leaves read": leaves})
    shares = [first_number(row[column]) for row in rows if row["set"] != "goodreads"]
    return f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %"


def _titles() -> dict[str, Any]:
    row: dict[str, Any] = load("titles")["rows"][-1]
    return row


def _walks_tokens(column: str) -> list[float]:
    """Return a column of the walk's rows, from the smallest catalog to the largest."""
    return [first_number(row[column]) for row in _rows("tokens", way="unillmrec, the walk")]


def _tokens_grown() -> str:
    """Return the growth of billed tokens between the two largest generated catalogs."""
    rows = _rows("tokens", way="unillmrec, the walk")
    least, *_, most = (first_number(row["billed"]) for row in rows if "made up" in row["catalog"])
    return f"{most / least:.1f} times"


def _tokens_share(column: str, place: int) -> str:
    return f"{float(f'{_walks_tokens(column)[place]:.2g}'):g} %"


def _time_of_all() -> str:
    return format_duration(sum(load(name)["seconds"] for name in names()))


FIGURES: dict[str, Callable[[], str]] = {
    "change-kept": _kept_by_changes,
    "change-least-kept": _least_kept_by_changes,
    "plan-off-at-first": lambda: _plan_off("first"),
    "plan-off-learnt": lambda: _plan_off("learnt"),
    "baselines-compared": lambda: str(len(_compared())),
    "baselines-outside": lambda: str(sum(_compared())),
    "tuned-bm25": lambda: _tuned("BM25"),
    "tuned-item-knn": lambda: _tuned("item-kNN"),
    "tuned-als": lambda: _tuned("ALS"),
    "letters-raw": lambda: _letters("raw", mixed=False),
    "letters-calibrated": lambda: _letters("calibrated", mixed=False),
    "letters-mixed-raw": lambda: _letters("raw", mixed=True),
    "letters-mixed-calibrated": lambda: _letters("calibrated", mixed=True),
    "encoder-walk": _walk_over_encoder,
    "titles-read": lambda: f"{_titles()['titles']:,}",
    "titles-changed": lambda: str(_titles()["share"]).replace("%", " %"),
    "tokens-grown": _tokens_grown,
    **{
        f"tokens-{kind}-{size}": partial(_tokens_share, column, place)
        for kind, column in (("text", _TEXT), ("billed", _BILLED))
        for size, place in (("smallest", 0), ("second", 1), ("largest", -1))
    },
    "walk-of-million-words": lambda: _walk_of_a_million("words"),
    "walk-of-million-vectors": lambda: _walk_of_a_million("vectors"),
    "paper-of-people": lambda: _taken_by("the paper's scheme"),
    "walk-of-people": lambda: _taken_by("unillmrec, as for a model"),
    "leaves-default": lambda: _share_of_flat("share of flat", "default", 5),
    "leaves-thirteen": lambda: _share_of_flat("share of flat", 13, 5),
    "shown-default": lambda: _share_of_flat("share of flat, shown", "default", 30),
    "shown-thirteen": lambda: _share_of_flat("share of flat, shown", 13, 30),
    "walk-found": lambda: _found_by("unillmrec"),
    "as-for-a-model": lambda: _found_by("unillmrec, as for a model"),
    "time-of-all": _time_of_all,
}
