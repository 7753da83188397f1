"""What describing did, or would cost, for people and as JSON."""

from __future__ import annotations

from rich.text import Text

from unillmrec.cli.describe.files import ByFiles
from unillmrec.cli.describe.run import Described
from unillmrec.cli.shared.output import (
    Page,
    format_count,
    format_seconds,
    grid,
    printable,
    show_bill,
    show_json,
)

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
    told = f"Described {format_count(report.described, 'node')} of {described.tree.name}"
    page.show(
        Text(" ".join([f"{told} in {format_seconds(report.seconds)}.", *_told_mended(described)]))
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
        told.append(f"{format_count(report.shortened, 'line')} had to be shortened.")
    if report.dropped.asked_again:
        told.append(
            f"{format_count(report.dropped.asked_again, 'question')} had to be asked again."
        )
    if report.gone:
        told.append(f"{format_count(report.gone, 'node')} had left the tree in the meantime.")
    if report.stopped:
        told.append("The run ended early; what was described is kept.")
    elif not report.finished:
        told.append("There may be more to describe.")
    return told


def _show_undescribed(page: Page, described: Described) -> None:
    left = described.report.undescribed
    page.show(Text(f"{format_count(len(left), 'node')} could not be described:", style="yellow"))
    table = grid(columns=3, right=(0,))
    for each in left[:SHOWN]:
        table.add_row(str(each.node), printable(each.label, 60), printable(each.reason, 120))
    page.show(table)
    if len(left) > SHOWN:
        page.show(Text(f"and {len(left) - SHOWN:,} more; --json has all.", style="dim"))
    page.show(Text(f"The next `unillmrec describe {described.tree}` asks about them again."))


def show_by_files(done: ByFiles, *, as_json: bool) -> None:
    """Say which files were written, or what came of those that were read."""
    report = done.report
    if as_json:
        show_json(_by_files_as_dict(done))
        return
    page = Page()
    if done.exported is not None:
        page.show(Text(_told_exported(done)))
        return
    told = [f"Described {format_count(report.described, 'node')} of {done.tree.name}"]
    if report.failed:
        told.append(f"{format_count(report.failed, 'request')} came to nothing")
    if report.foreign:
        told.append(
            f"{format_count(report.foreign, 'result')} belong to nothing that is waited for"
        )
    if report.waiting:
        told.append(f"{format_count(report.waiting, 'result')} are still waited for")
    page.show(Text("; ".join(told) + "."))
    for problem in report.problems[:SHOWN]:
        page.show(Text(f"  {printable(problem, 200)}", style="yellow"))
    if report.usage.calls:
        page.blank()
        show_bill(page, {"describe": report.usage}, report.usage)


def _told_exported(done: ByFiles) -> str:
    assert done.exported is not None
    if not done.exported and done.report.waiting:
        waiting = format_count(done.report.waiting, "result")
        return f"Nothing to write: {waiting} are waited for (`--import-results FILE`)."
    if not done.exported:
        return f"Nothing to write: what is wanted of {done.tree.name} is described."
    files = ", ".join(str(each) for each in done.exported)
    requests = format_count(done.requests, "request")
    return f"Wrote {requests} to {files}; `--import-results FILE` takes in what comes back."


def _by_files_as_dict(done: ByFiles) -> dict[str, object]:
    report = done.report
    usage = report.usage.as_dict()
    return {
        "tree": str(done.tree),
        "requests": done.requests,
        "files": [str(each) for each in done.exported or ()],
        "waiting": report.waiting,
        "described": report.described,
        "shortened": report.shortened,
        "gone": report.gone,
        "vain": report.failed,
        "foreign": report.foreign,
        "problems": report.problems,
        "usage": {"describe": usage, "total": usage},
        "run": done.run,
    }


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
