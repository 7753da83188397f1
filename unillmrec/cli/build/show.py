"""Print the outcome of a build, as text or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from rich.text import Text

from unillmrec.catalog import Columns
from unillmrec.cli.build.run import BuildOutcome
from unillmrec.cli.shared.output import (
    Page,
    facts_table,
    format_bytes,
    format_count,
    format_seconds,
    format_shape,
    printable,
    show_bill,
    show_json,
    show_skipped,
)
from unillmrec.tree.category_paths import PathsRead


def show_build(outcome: BuildOutcome, *, as_json: bool) -> None:
    """Print the size of the tree, its cost, and skipped rows."""
    if as_json:
        show_json(build_as_dict(outcome))
        return
    page = Page()
    report = outcome.report
    page.show(Text.assemble((str(report.path), "bold"), f"  {format_count(report.items, 'item')}"))
    page.show(facts_table(_facts(outcome)))
    if outcome.bill.by_stage():
        lines = {str(stage): usage for stage, usage in outcome.bill.by_stage().items()}
        page.blank()
        show_bill(page, lines, outcome.bill.total())
    show_skipped(page, outcome.reader)
    page.blank()
    page.show(Text.assemble("Next: ", (f'unillmrec recommend {report.path} --like "…"', "bold")))


def build_as_dict(outcome: BuildOutcome) -> dict[str, object]:
    """Return the outcome as a JSON object."""
    report, reader = outcome.report, outcome.reader
    columns = reader.columns or Columns()
    return {
        "path": str(report.path),
        "bytes": outcome.size,
        "items": report.items,
        "leaves": report.leaves,
        "branches": report.branches,
        "depth": report.depth,
        "smallest_leaf": report.smallest_leaf,
        "largest_leaf": report.largest_leaf,
        "most_children": report.most_children,
        "terms": report.terms,
        "paths": None if report.paths is None else asdict(report.paths),
        "seconds": {**report.seconds, "total": round(sum(report.seconds.values()), 3)},
        "catalog": {
            "name": reader.name,
            "columns": {name: getattr(columns, name) for name in Columns.__slots__},
            "skipped_count": reader.skipped_count,
            "skipped": [{"line": each.line, "problem": each.problem} for each in reader.skipped],
        },
        "embedded_by": outcome.embedded_by,
        "usage": {
            **{str(stage): usage.as_dict() for stage, usage in outcome.bill.by_stage().items()},
            "total": outcome.bill.total().as_dict(),
        },
    }


def _facts(outcome: BuildOutcome) -> Iterator[tuple[str, str]]:
    report = outcome.report
    yield "columns", _format_columns(outcome.reader.columns or Columns())
    yield "tree", format_shape(report)
    if report.paths is not None:
        yield "paths", _format_paths(report.paths)
    if outcome.embedded_by:
        yield "vectors", outcome.embedded_by
    seconds = [f"{phase} {format_seconds(spent)}" for phase, spent in report.seconds.items()]
    yield "time", f"{format_seconds(sum(report.seconds.values()))} ({', '.join(seconds)})"
    yield "file", format_bytes(outcome.size)


def _format_paths(paths: PathsRead) -> str:
    cleaned = {
        "with HTML": paths.html,
        "too long": paths.cut,
        "empty": paths.empty,
        "spelled differently": paths.spellings,
        "too deep": paths.deep,
    }
    labels = [f"{count:,} {what}" for what, count in cleaned.items() if count]
    categories = format_count(paths.categories, "category", "categories")
    text = f"{categories}, {format_count(paths.without, 'item')} without one"
    return f"{text}; cleaned: {', '.join(labels)}" if labels else text


def _format_columns(columns: Columns) -> str:
    parts = []
    for name in ("id", "title", "text", "path"):
        value = getattr(columns, name)
        found = " + ".join((value,) if isinstance(value, str) else value or ("none",))
        parts.append(f"{name}: {printable(found, 80)}")
    return ", ".join(parts)
