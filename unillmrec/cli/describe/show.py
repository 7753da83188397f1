"""Print what was described, as text or JSON."""

from __future__ import annotations

from rich.text import Text

from unillmrec.cli.describe.files import FilesOutcome
from unillmrec.cli.describe.run import DescribeOutcome
from unillmrec.cli.shared.output import (
    Page,
    format_count,
    format_seconds,
    grid,
    printable,
    show_bill,
    show_json,
)

MOST_LINES = 20


def show_described(outcome: DescribeOutcome, *, as_json: bool) -> None:
    """Print how many nodes were described, which were not, and the cost."""
    report = outcome.report
    if as_json:
        show_json(_as_dict(outcome))
        return
    page = Page()
    if not report.questions and not report.undescribed:
        page.show(Text(_nothing_to_do(outcome)))
        return
    done = f"Described {format_count(report.described, 'node')} of {outcome.tree.name}"
    page.show(Text(" ".join([f"{done} in {format_seconds(report.seconds)}.", *_remarks(outcome)])))
    if report.undescribed:
        _show_undescribed(page, outcome)
    if report.usage.calls:
        page.blank()
        show_bill(page, {"describe": report.usage}, report.usage)


def _nothing_to_do(outcome: DescribeOutcome) -> str:
    name = outcome.tree.name
    return {
        "missing": f"Every branch of {name} is described; --stale or --all writes them again.",
        "stale": f"No description of {name} is outdated.",
        "all": f"{name} has no branches to describe.",
    }[outcome.options.which]


def _remarks(outcome: DescribeOutcome) -> list[str]:
    report = outcome.report
    remarks = []
    if report.shortened:
        remarks.append(f"{format_count(report.shortened, 'line')} had to be shortened.")
    if report.dropped.asked_again:
        remarks.append(
            f"{format_count(report.dropped.asked_again, 'question')} had to be asked again."
        )
    if report.gone:
        remarks.append(f"{format_count(report.gone, 'node')} left the tree in the meantime.")
    if report.stopped:
        remarks.append("The run ended early; what was described is kept.")
    elif not report.finished:
        remarks.append("There may be more to describe.")
    return remarks


def _show_undescribed(page: Page, outcome: DescribeOutcome) -> None:
    left = outcome.report.undescribed
    page.show(Text(f"{format_count(len(left), 'node')} could not be described:", style="yellow"))
    table = grid(columns=3, right=(0,))
    for each in left[:MOST_LINES]:
        table.add_row(str(each.node), printable(each.label, 60), printable(each.reason, 120))
    page.show(table)
    if len(left) > MOST_LINES:
        page.show(Text(f"and {len(left) - MOST_LINES:,} more; --json has all.", style="dim"))
    page.show(Text(f"The next `unillmrec describe {outcome.tree}` asks about them again."))


def show_files(done: FilesOutcome, *, as_json: bool) -> None:
    """Print which files were written, or what the imported results contained."""
    report = done.report
    if as_json:
        show_json(_files_as_dict(done))
        return
    page = Page()
    if done.exported is not None:
        page.show(Text(_format_exported(done)))
        return
    parts = [f"Described {format_count(report.described, 'node')} of {done.tree.name}"]
    if report.failed:
        parts.append(f"{format_count(report.failed, 'request')} failed")
    if report.foreign:
        parts.append(f"ignored {format_count(report.foreign, 'result')} of unknown requests")
    if report.waiting:
        parts.append(f"still waiting for {format_count(report.waiting, 'result')}")
    page.show(Text("; ".join(parts) + "."))
    for problem in report.problems[:MOST_LINES]:
        page.show(Text(f"  {printable(problem, 200)}", style="yellow"))
    if report.usage.calls:
        page.blank()
        show_bill(page, {"describe": report.usage}, report.usage)


def _format_exported(done: FilesOutcome) -> str:
    assert done.exported is not None
    if not done.exported and done.report.waiting:
        waiting = format_count(done.report.waiting, "result")
        return f"Nothing to write: still waiting for {waiting} (`--import-results FILE`)."
    if not done.exported:
        return f"Nothing to write: every selected branch of {done.tree.name} is described."
    files = ", ".join(str(each) for each in done.exported)
    requests = format_count(done.requests, "request")
    return f"Wrote {requests} to {files}; import the results with `--import-results FILE`."


def _files_as_dict(done: FilesOutcome) -> dict[str, object]:
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


def _as_dict(outcome: DescribeOutcome) -> dict[str, object]:
    report = outcome.report
    usage = report.usage.as_dict()
    return {
        "tree": str(outcome.tree),
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
        "prompts": dict(outcome.prompts),
        "seconds": round(report.seconds, 3),
        "run": outcome.run,
        **({"cache": outcome.cache} if outcome.cache else {}),
    }
