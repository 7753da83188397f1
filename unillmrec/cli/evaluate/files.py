"""Write the lists and the report page of an evaluation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from unillmrec.cli.evaluate.request import EvaluateRequest
from unillmrec.cli.evaluate.run import EvaluateReport
from unillmrec.cli.shared.command_line import format_command
from unillmrec.errors import SettingsError
from unillmrec.evaluation.report.page import render_page
from unillmrec.evaluation.runner import Evaluation
from unillmrec.system.files import replace_file
from unillmrec.system.json_lines import encode_line, replace_lines


def check_places(request: EvaluateRequest) -> None:
    """Check that the files to write can be written, before anything is paid for.

    Raises:
        SettingsError: one of them exists, or could not be written.
    """
    lists, report = request.lists, request.report
    for flag, path in (("--lists", lists), ("--report", report)):
        if path is None:
            continue
        if path.exists():
            raise SettingsError(f"{path} exists already.", remedy=f"another {flag}.")
        if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
            raise SettingsError(
                f"{path} cannot be written: {path.parent} is not a writable folder.",
                remedy=f"another {flag}.",
            )
    if lists and report and lists.resolve() == report.resolve():
        raise SettingsError(f"--lists and --report both name {lists}.", remedy="two files.")


def write_files(report: EvaluateReport, request: EvaluateRequest) -> None:
    """Write the lists and the page, where the flags name files for them.

    Raises:
        SettingsError: one of them cannot be written.
    """
    if request.lists:
        lines = map(encode_line, _rows(report.evaluation))
        with _write_errors(request.lists):
            replace_lines(request.lists, lines, errors="backslashreplace")
    if request.report:
        about = {
            "tree": report.tree,
            "judge": report.judge,
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "version": f"unillmrec {version('unillmrec')}",
            "command": format_command(request.context),
        }
        page = render_page(report.evaluation, about)
        with _write_errors(request.report):
            replace_file(request.report, [page.encode("utf-8", "backslashreplace")])


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}.") from error


def _rows(evaluation: Evaluation) -> Iterator[dict[str, object]]:
    """Yield what each system recommended to each person."""
    for number, case in enumerate(evaluation.split.data.cases):
        for result in evaluation.results:
            yield {
                "case": case.number,
                "system": result.name,
                "items": list(result.answers[number].items),
                "held_out": sorted(evaluation.split.truth.items_of(case.number)),
                "history": len(case.history),
            }
