"""What a build has made, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from rich.text import Text

from unillmrec.catalog import Columns
from unillmrec.cli.build.run import Built
from unillmrec.cli.shared.output import (
    Page,
    counted,
    facts,
    hanging,
    in_bytes,
    in_seconds,
    show_bill,
    show_json,
    shown,
    told_shape,
)
from unillmrec.tree.category_paths import PathsRead

SHOWN_SKIPPED = 10


def show_build(built: Built, *, as_json: bool) -> None:
    """Show what was built and what was skipped."""
    if as_json:
        show_json(build_as_dict(built))
        return
    page = Page()
    report = built.report
    page.show(Text.assemble((str(report.path), "bold"), f"  {counted(report.items, 'item')}"))
    page.show(facts(_facts(built)))
    if built.bill.by_stage():
        lines = {str(stage): usage for stage, usage in built.bill.by_stage().items()}
        page.blank()
        show_bill(page, lines, built.bill.total())
    if built.reader.skipped_count:
        page.blank()
        _show_skipped(page, built)
    page.blank()
    page.show(Text.assemble("Next: ", (f'unillmrec recommend {report.path} --like "…"', "bold")))


def build_as_dict(built: Built) -> dict[str, object]:
    """Return a build as the JSON output gives it."""
    report, reader = built.report, built.reader
    columns = reader.columns or Columns()
    return {
        "path": str(report.path),
        "bytes": built.size,
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
        "embedded_by": built.embedded_by,
        "usage": {
            **{str(stage): usage.as_dict() for stage, usage in built.bill.by_stage().items()},
            "total": built.bill.total().as_dict(),
        },
    }


def _facts(built: Built) -> Iterator[tuple[str, str]]:
    report = built.report
    yield "columns", _told_columns(built.reader.columns or Columns())
    yield "tree", told_shape(report)
    if report.paths is not None:
        yield "paths", _told_paths(report.paths)
    if built.embedded_by:
        yield "vectors", built.embedded_by
    seconds = [f"{phase} {in_seconds(spent)}" for phase, spent in report.seconds.items()]
    yield "time", f"{in_seconds(sum(report.seconds.values()))} ({', '.join(seconds)})"
    yield "file", in_bytes(built.size)


def _told_paths(paths: PathsRead) -> str:
    cleaned = {
        "with HTML": paths.html,
        "too long": paths.cut,
        "empty": paths.empty,
        "spelled in another way": paths.spellings,
        "too deep": paths.deep,
    }
    labels = [f"{count:,} {what}" for what, count in cleaned.items() if count]
    told = f"{counted(paths.categories, 'category', 'categories')}, "
    told += f"{counted(paths.without, 'item')} without one"
    return f"{told}; cleaned: {', '.join(labels)}" if labels else told


def _told_columns(columns: Columns) -> str:
    parts = []
    for name in ("id", "title", "text", "path"):
        value = getattr(columns, name)
        told = " + ".join((value,) if isinstance(value, str) else value or ("none",))
        parts.append(f"{name}: {shown(told, 80)}")
    return ", ".join(parts)


def _show_skipped(page: Page, built: Built) -> None:
    reader = built.reader
    page.show(Text(f"Skipped {counted(reader.skipped_count, 'row')}:", style="yellow"))
    for each in reader.skipped[:SHOWN_SKIPPED]:
        page.show(hanging(f"{reader.name}:{each.line}: {shown(each.problem, 200)}", 2))
    more = reader.skipped_count - SHOWN_SKIPPED
    if more > 0:
        page.show(hanging(Text(f"and {more:,} more; --json lists them", style="dim"), 2))
