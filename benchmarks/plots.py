"""Plots of results, as SVG that is readable on light and dark backgrounds."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.intervals import first_number
from benchmarks.results import load, names

FOLDER = Path(__file__).parent / "plots"
# Both have a contrast of more than three to one against white and against GitHub's dark grey.
INK = "#7d8590"
HUES = ("#2f81f7", "#d29922", "#a371f7", "#db6d28", "#3fb950")
_STAMP = re.compile(r"<!-- (\w+) (\w+) -->")


def write(*, check: bool) -> list[str]:
    """Draw every plot that does not match its result, or only list them; return problems."""
    wanted = {name: draw for name, draw in DRAWN.items() if name in names()}
    stale = [name for name in wanted if _stamped(name) != stamp(name)]
    strays = [path.name for path in FOLDER.glob("*.svg") if path.stem not in wanted]
    problems = [f"{name} is of no result." for name in strays]
    if check:
        return problems + [f"The plot of {name} is of another result." for name in stale]
    for name in stale:
        _save(name, wanted[name](load(name)))
    return problems


def stamp(name: str) -> str:
    """Return a digest that changes with the rows of a result and with the drawing code.

    The drawing itself differs between versions of the library.
    """
    drawn = Path(__file__).read_text(encoding="utf-8")
    content = json.dumps(load(name)["rows"], sort_keys=True) + drawn
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _stamped(name: str) -> str:
    path = FOLDER / f"{name}.svg"
    if not path.exists():
        return ""
    found = _STAMP.search(path.read_text(encoding="utf-8"))
    return found[2] if found and found[1] == name else ""


def _save(name: str, figure: Any) -> None:
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.svg"
    figure.savefig(path, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = path.read_text(encoding="utf-8")
    mark = f"<!-- {name} {stamp(name)} -->\n"
    path.write_text(text.replace("<svg", f"{mark}<svg", 1), encoding="utf-8")


def _figure(width: float = 8.0, height: float = 4.2) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    settings = {
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), INK),
        **dict.fromkeys(("xtick.color", "ytick.color"), INK),
        "svg.fonttype": "none",
        "svg.hashsalt": "unillmrec",
        "font.family": "sans-serif",
    }
    pyplot.rcParams.update(settings)
    figure, axes = pyplot.subplots(figsize=(width, height), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=INK, alpha=0.25, linewidth=0.6)
    return figure, axes


def tokens(result: dict[str, Any]) -> Any:
    """Draw billed tokens against catalog size, on logarithmic axes."""
    figure, axes = _figure()
    ways = list(dict.fromkeys(row["way"] for row in result["rows"]))
    for way, hue in zip(ways, HUES, strict=True):
        rows = [row for row in result["rows"] if row["way"] == way]
        sizes = [first_number(row["catalog"]) for row in rows]
        billed = [first_number(row["billed"]) for row in rows]
        ours = way.startswith("unillmrec")
        axes.plot(sizes, billed, marker="o", color=hue, label=way, linewidth=2.4 if ours else 1.4)
    axes.set(xscale="log", yscale="log", xlabel="items in the catalog")
    axes.set_ylabel("tokens a recommendation, in and out")
    axes.legend(frameon=False)
    return figure


def evaluation(result: dict[str, Any]) -> Any:
    """Draw the recall of all systems with intervals, one panel per data set."""
    sets = list(dict.fromkeys(row["set"] for row in result["rows"]))
    systems = list(dict.fromkeys(row["system"] for row in result["rows"]))[::-1]
    figure, axes = _figure(height=4.8)
    for place, (name, hue) in enumerate(zip(sets, HUES, strict=False)):
        for row in (row for row in result["rows"] if row["set"] == name):
            value, low, high = map(float, re.findall(r"\d+\.\d+", row["recall@10"]))
            y = systems.index(row["system"]) + 0.16 * (1 - 2 * place)
            axes.plot([low, high], [y, y], color=hue, linewidth=1.6)
            first = row["system"] == systems[-1]
            axes.plot([value], [y], "o", color=hue, label=name if first else None)
    axes.set_yticks(range(len(systems)), systems)
    axes.set_xlabel("recall@10, with its 95 % interval")
    axes.legend(frameon=False, loc="lower right")
    return figure


def fidelity(result: dict[str, Any]) -> Any:
    """Draw the score ratio against tokens at a hundred thousand items, words and vectors."""
    figure, _ = _figure()
    figure.clear()
    spaces = ("words", "vectors")
    for axes, space in zip(figure.subplots(1, 2, sharey=True), spaces, strict=True):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color=INK, alpha=0.25, linewidth=0.6)
        shown = (row for row in result["rows"] if (row["items"], row["space"]) == (100_000, space))
        systems: dict[str, list[dict[str, Any]]] = {}
        for row in shown:
            systems.setdefault(row["system"], []).append(row)
        for name, hue in WALKS.items():
            for noise, style in ((0.0, "-"), (4.0, ":")):
                rows = [row for row in systems.get(name, []) if row["noise"] == noise]
                _line(axes, rows, style, hue, name if noise == 0 else f"{name}, noise of 4 points")
        # What looks at everything, vectors or lines, is one price each, and finds all.
        for name, shape in LISTINGS.items():
            _line(axes, systems.get(name, [])[:1], shape, INK, name)
        axes.set(xscale="log", xlabel=f"prompt tokens, 100,000 items, {space}")
    figure.axes[0].set_ylabel("score ratio to an exhaustive look")
    figure.axes[1].legend(frameon=False, fontsize=7, loc="lower right")
    return figure


WALKS = dict(zip(("best-first", "beam", "depth-first", "hybrid"), HUES, strict=False))
LISTINGS = {"retrieve 50, rank": "D", "flat listing": "s", "sliding windows 20/10": "^"}


def _line(axes: Any, rows: list[dict[str, Any]], style: str, hue: str, label: str) -> None:
    if rows:
        points = [(row["tokens"], row["ratio"]) for row in rows]
        marker = {} if style in LISTINGS.values() else {"marker": "o"}
        axes.plot(*zip(*points, strict=True), style, color=hue, label=label, **marker)


DRAWN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "tokens": tokens,
    "evaluation": evaluation,
    "fidelity": fidelity,
}
