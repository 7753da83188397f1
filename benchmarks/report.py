"""Generate tables, figures and plots of the README and docs from the result files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import figures, plots
from benchmarks.intervals import first_number
from benchmarks.results import format_duration, load, names, prompt_digests
from unillmrec.evaluation.report.page import CORRECTED

README = Path(__file__).parent / "README.md"
HOME = README.parents[1]
# The pages for readers, which quote short tables and single figures of the results.
PAGES = [HOME / "README.md", *sorted((HOME / "docs").glob("*.md"))]
_BLOCK = re.compile(r"(<!-- result (\S+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)
_SUMMARY = re.compile(r"(<!-- summary (\S+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)


def write(*, check: bool) -> int:
    """Update tables and figures, or check them; return an exit code."""
    text = README.read_text(encoding="utf-8")
    marked = set(re.findall(r"<!-- result (\S+) -->", text))
    missing = sorted(set(names()) - marked) + sorted(marked - set(names()))
    if missing:
        print(f"No marker or no result: {', '.join(missing)}.")
        return 1
    if problems := plots.write(check=check):
        print(" ".join(problems), "Run `python -m benchmarks report`.")
        return 1
    if stale := _of_other_prompts():
        print(f"Measured with other prompts, so run again: {', '.join(stale)}.")
        return 1
    updated = {README: figures.filled(_BLOCK.sub(_section_between, text))}
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        updated[page] = figures.filled(_SUMMARY.sub(_summed_between, content))
    stale = [page for page, new in updated.items() if new != page.read_text(encoding="utf-8")]
    if check and stale:
        listed = ", ".join(str(page.relative_to(HOME)) for page in stale)
        print(f"Tables or figures differ from the results in {listed}.")
        print("Run `python -m benchmarks report`.")
        return 1
    for page in stale:
        page.write_text(updated[page], encoding="utf-8")
    return 0


# What is counted there are the prompts themselves.
OF_PROMPTS = ("evaluation", "fidelity", "interests", "planning", "position", "prefixes", "tokens")


def _of_other_prompts() -> list[str]:
    """Return the results that were measured with other prompts than the present ones."""
    present = prompt_digests()
    return [each for each in OF_PROMPTS if load(each)["prompts"] != present]


def _section_between(found: re.Match[str]) -> str:
    return found[1] + section(load(found[2])) + found[3]


def _summed_between(found: re.Match[str]) -> str:
    """Return the short table of a result, as shown in README and docs."""
    return f"{found[1]}\n{table(SUMMARIES[found[2]]())}\n{found[3]}"


def _tokens_by_size() -> list[dict[str, Any]]:
    """Return the billed tokens of a recommendation: a row per system, a column per size."""
    systems: dict[str, dict[str, Any]] = {}
    for row in load("tokens")["rows"]:
        size = row["catalog"].partition(" ")[0]
        systems.setdefault(row["way"], {"items": row["way"]})[size] = round(
            first_number(row["billed"])
        )
    return list(systems.values())


def _recall_by_set() -> list[dict[str, Any]]:
    """Return the recall of each system: a row per system, a column per data set."""
    systems: dict[str, dict[str, Any]] = {}
    for row in load("evaluation")["rows"]:
        name = row["system"]
        systems.setdefault(name, {"recall@10": name})[row["set"]] = row["recall@10"]
    return list(systems.values())


# The rows of the README's table: its own name, and the names in the two results.
_OVERVIEW = [
    ("unillmrec, the walk", "unillmrec, the walk", "unillmrec, as for a model"),
    ("retrieve and rank", "retrieve and rank", "retrieve and rank"),
    ("the paper's scheme", "the paper's scheme", "the paper's scheme"),
    ("whole catalog in the prompt", "flat listing", "flat listing"),
    ("TF-IDF, no model", "", "TF-IDF"),
    ("item-kNN, trained on clicks", "", "item-kNN *"),
]


def _overview() -> list[dict[str, Any]]:
    """Return tokens and recall side by side, for a handful of systems."""
    tokens = {row["items"]: row for row in _tokens_by_size()}
    recall = {row["recall@10"]: row for row in _recall_by_set()}
    sizes = ("1,217", "12,101", "1,000,000")
    return [
        {"system": name}
        | {f"tokens, {size} items": tokens[billed][size] if billed else 0 for size in sizes}
        | {f"recall@10, {data}": recall[found][data] for data in ("ml-1m", "amazon-beauty")}
        for name, billed, found in _OVERVIEW
    ]


SUMMARIES = {
    "tokens": _tokens_by_size,
    "evaluation": _recall_by_set,
    "overview": _overview,
}


# The score ratio that a walk has to reach.
ENOUGH = 0.97


def _cheapest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the cheapest row of each system that finds enough, or else the one that finds most."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        key = (row["items"], row["space"], row["noise"], row["system"])
        groups.setdefault(key, []).append(row)
    return [min(group, key=_price_of_enough) for group in groups.values()]


def _price_of_enough(row: dict[str, Any]) -> tuple[bool, float]:
    enough = row["ratio"] >= ENOUGH
    return not enough, row["tokens"] if enough else -row["ratio"]


SHORTENED: dict[str, Callable[[list[dict[str, Any]]], list[dict[str, Any]]]] = {
    "fidelity": _cheapest
}


def section(result: dict[str, Any]) -> str:
    """Return the README section of a result: one line of setup, then the table."""
    judge = f" Judge: {result['judge']}." if "judge" in result else ""
    cores = result["machine"]["cores"]
    setup = f"`{result['command']}` · {result['date']} · {result['commit']} · {cores} cores"
    setup += f" · {format_duration(result['seconds'])}.{judge}"
    rows = SHORTENED.get(result["name"], list)(result["rows"])
    body = result["text"] if "text" in result else "\n".join(map(table, _parted(rows)))
    return f"\n{setup}\n\n{_protocols(result)}{body}{_comparisons(result)}\n"


def _comparisons(result: dict[str, Any]) -> str:
    """Return the paired differences between systems, where a result has any."""
    compared = result.get("comparisons", [])
    if not compared:
        return ""
    rows = [
        {
            "set": each["set"],
            f"{each['reference']} less": each["system"],
            "metric": each["metric"],
            "difference": _signed(each["difference"]),
            **({} if each["difference"]["value"] is None else _told_ps(each)),
        }
        for each in compared
    ]
    return f"\n{CORRECTED}\n\n{table(rows)}"


def _signed(difference: dict[str, float | None]) -> str:
    if difference["value"] is None:
        return "-"
    return "{value:+.3f} [{low:+.3f}, {high:+.3f}]".format(**difference)


def _told_ps(compared: dict[str, Any]) -> dict[str, str]:
    pairs = {"p": compared["p"], "p (Holm)": compared["p_corrected"]}
    return {name: "< 0.001" if p < 0.001 else f"{p:.3f}" for name, p in pairs.items()}


def _protocols(result: dict[str, Any]) -> str:
    """Return a table of who was asked in each set, and how often file order decided."""
    protocols = result.get("protocol")
    if not isinstance(protocols, dict):
        # One that is the same for every set stands in the result in words.
        return ""
    return table([_parting(name, each) for name, each in protocols.items()]) + "\n"


def _parting(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "set": name,
        "people": facts["people"],
        "of": facts["eligible"],
        "least rating": "" if facts["least_rating"] is None else f"{facts['least_rating']:g}",
        "interactions": facts["interactions"],
        "learnt from": facts["learnt_from"],
        "last by the file's order alone": facts["ties"],
        "met before under another id": facts["twins"],
    }


def _parted(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Group rows by what they measure, since those have different columns."""
    shapes: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        shapes.setdefault(str(row["measures"]) if "measures" in row else "", []).append(row)
    return list(shapes.values())


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as a Markdown table; a row may lack columns."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in rows:
        lines.append("| " + " | ".join(_shown(row.get(column, "")) for column in columns) + " |")
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
