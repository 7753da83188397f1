"""Print an evaluation, as text or JSON."""

from __future__ import annotations

from rich.text import Text

from unillmrec.cli.evaluate.run import EvaluateReport
from unillmrec.cli.shared.output import (
    Page,
    format_seconds,
    numbers_table,
    printable,
    show_json,
)
from unillmrec.evaluation.report.page import (
    CORRECTED,
    SIGNIFICANT,
    cost_heading,
    describe_price,
    describe_protocol,
    format_cost,
    format_estimate,
    format_p_value,
    format_tokens,
)
from unillmrec.evaluation.runner import Evaluation
from unillmrec.evaluation.statistics import Estimate


def show_evaluation(report: EvaluateReport, *, as_json: bool) -> None:
    """Print accuracy and cost, then list properties, then the significance of differences."""
    evaluation = report.evaluation
    if as_json:
        about = {"tree": report.tree, "judge": report.judge}
        show_json({**evaluation.as_dict(), **about})
        return
    page = Page()
    page.show(Text(describe_protocol(evaluation)))
    page.show(Text(f"Judge: {report.judge}.", style="dim"))
    page.blank()
    _show_accuracy(page, evaluation)
    page.blank()
    _show_lists(page, evaluation)
    page.blank()
    _show_comparisons(page, evaluation)
    page.blank()
    _show_notes(page, evaluation)


def _show_accuracy(page: Page, evaluation: Evaluation) -> None:
    at = evaluation.at
    names = [f"recall@{at}", f"ndcg@{at}", f"mrr@{at}", f"hit@{at}"]
    columns = names[:2] if page.is_narrow else names
    table = numbers_table("system", [*columns, "prompt", "completion", cost_heading(evaluation)])
    for result in evaluation.results:
        figures = [_with_interval(result.estimates[name]) for name in columns]
        cells = [*figures, *format_tokens(result), format_cost(result)]
        mark = "" if result.zero_shot else " *"
        bold = "bold" if result.name == evaluation.reference else ""
        table.add_row(Text(result.name + mark), *map(Text, cells), style=bold)
    page.show(table)
    tokens = "tokens per person; ~ estimated, nothing was sent"
    page.show(Text(f"* learns from other people's interactions. {tokens}", style="dim"))
    page.show(Text(describe_price(evaluation), style="dim"))


def _show_lists(page: Page, evaluation: Evaluation) -> None:
    at = evaluation.at
    names = ["recalled", f"coverage@{at}", "intra-list distance", "novelty", "popularity lift"]
    columns = names[:3] if page.is_narrow else names
    table = numbers_table("system", columns)
    for result in evaluation.results:
        cells = [_with_interval(result.estimates.get(name)) for name in columns]
        table.add_row(Text(result.name), *map(Text, cells))
    page.show(table)


def _show_comparisons(page: Page, evaluation: Evaluation) -> None:
    if not evaluation.comparisons:
        return
    metric = f"ndcg@{evaluation.at}"
    table = numbers_table(f"{evaluation.comparisons[0].reference} minus", [metric, "p (Holm)"])
    for each in evaluation.comparisons:
        if each.metric == metric:
            cells = [_with_interval(each.difference, signed=True), format_p_value(each)]
            bold = "bold" if each.p_corrected < SIGNIFICANT else ""
            table.add_row(Text(each.system), *map(Text, cells), style=bold)
    page.show(table)
    page.show(Text(CORRECTED, style="dim"))


def _show_notes(page: Page, evaluation: Evaluation) -> None:
    for result in evaluation.results:
        if result.remarks:
            remarks = printable("; ".join(result.remarks))
            page.show(Text(f"{result.name}: {remarks}", style="dim"))
    learning = sum(each.learning for each in evaluation.results)
    answering = sum(each.answering for each in evaluation.results)
    page.show(
        Text(
            f"{format_seconds(learning)} learning, {format_seconds(answering)} recommending, "
            f"{format_seconds(evaluation.measuring)} measuring; "
            f"{format_seconds(evaluation.seconds)} in total.",
            style="dim",
        )
    )


def _with_interval(estimate: Estimate | None, *, signed: bool = False) -> str:
    return " ".join(filter(None, format_estimate(estimate, signed=signed)))
