"""What describing did, or would cost, for people and as JSON."""

from __future__ import annotations

from rich.text import Text

from unillmrec.cli.describing import Described
from unillmrec.cli.render import Page, counted, grid, in_seconds, show_bill, show_json, shown

SHOWN = 20


def show_described(described: Described, *, as_json: bool) -> None:
    """Say how many nodes were described, which were not, and what it cost."""
    report = described.report
    if as_json:
        show_json(_as_dict(described))
        return
    page = Page()
    if not report.questions and not report.undescribed:
        page.show(Text(_told_nothing(described)))
        return
    told = f"Described {counted(report.described, 'node')} of {described.tree.name}"
    page.show(
        Text(" ".join([f"{told} in {in_seconds(report.seconds)}.", *_told_mended(described)]))
    )
    if report.undescribed:
        _show_undescribed(page, described)
    if report.usage.calls:
        page.blank()
        show_bill(page, {"describe": report.usage}, report.usage)


def _told_nothing(described: Described) -> str:
    name = described.tree.name
    return {
        "missing": f"Every branch of {name} is described; --stale or --all writes anew.",
        "stale": f"No description of {name} is out of date.",
        "all": f"{name} has no branches to describe.",
    }[described.options.which]


def _told_mended(described: Described) -> list[str]:
    report = described.report
    told = []
    if report.shortened:
        told.append(f"{counted(report.shortened, 'line')} had to be shortened.")
    if report.dropped.asked_again:
        told.append(f"{counted(report.dropped.asked_again, 'question')} had to be asked again.")
    if report.gone:
        told.append(f"{counted(report.gone, 'node')} had left the tree in the meantime.")
    if report.stopped:
        told.append("The run ended early; what was described is kept.")
    elif not report.finished:
        told.append("There may be more to describe.")
    return told


def _show_undescribed(page: Page, described: Described) -> None:
    left = described.report.undescribed
    page.show(Text(f"{counted(len(left), 'node')} could not be described:", style="yellow"))
    table = grid(columns=3, right=(0,))
    for each in left[:SHOWN]:
        table.add_row(str(each.node), shown(each.label, 60), shown(each.reason, 120))
    page.show(table)
    if len(left) > SHOWN:
        page.show(Text(f"and {len(left) - SHOWN:,} more; --json has all.", style="dim"))
    page.show(Text(f"The next `unillmrec describe {described.tree}` asks about them again."))


def _as_dict(described: Described) -> dict[str, object]:
    report = described.report
    usage = report.usage.as_dict()
    return {
        "tree": str(described.tree),
        "describer": report.describer,
        "described": report.described,
        "shortened": report.shortened,
        "gone": report.gone,
        "undescribed": [
            {"node": each.node, "label": each.label, "reason": each.reason}
            for each in report.undescribed
        ],
        "questions": report.questions,
        "usage": {"describe": usage, "total": usage},
        "dropped": report.dropped.as_dict(),
        "finished": report.finished,
        "stopped": report.stopped.problem if report.stopped else None,
        "prompts": dict(described.prompts),
        "seconds": round(report.seconds, 3),
        "run": described.run,
        **described.cache,
    }
