"""An evaluation, for people and as JSON."""

from __future__ import annotations

from rich.text import Text

from unillmrec.cli.evaluate.run import Evaluated
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
    money_column,
    told_cost,
    told_p,
    told_price,
    told_protocol,
    told_tokens,
    with_interval,
)
from unillmrec.evaluation.runner import Evaluation
from unillmrec.evaluation.statistics import Estimate


def show_evaluation(made: Evaluated, *, as_json: bool) -> None:
    """Show accuracy and cost, then what lists are like, then how sure the differences are."""
    evaluation = made.evaluation
    if as_json:
        about = {"tree": made.tree, "judge": made.judge}
        show_json({**evaluation.as_dict(), **about})
        return
    page = Page()
    page.show(Text(told_protocol(evaluation)))
    page.show(Text(f"Judge: {made.judge}.", style="dim"))
    page.blank()
    _show_accuracy(page, evaluation)
    page.blank()
    _show_lists(page, evaluation)
    page.blank()
    _show_comparisons(page, evaluation)
    page.blank()
    _show_notes(page, evaluation)


def _show_accuracy(page: Page, made: Evaluation) -> None:
    at = made.at
    names = [f"recall@{at}", f"ndcg@{at}", f"mrr@{at}", f"hit@{at}"]
    kept = names[:2] if page.is_narrow else names
    table = numbers_table("system", [*kept, "prompt", "completion", money_column(made)])
    for outcome in made.outcomes:
        figures = [_with_interval(outcome.estimates[name]) for name in kept]
        cells = [*figures, *told_tokens(outcome), told_cost(outcome)]
        mark = "" if outcome.zero_shot else " *"
        bold = "bold" if outcome.name == made.reference else ""
        table.add_row(Text(outcome.name + mark), *map(Text, cells), style=bold)
    page.show(table)
    told = "tokens per person; ~ estimated, nothing was sent"
    page.show(Text(f"* learns from other people's interactions. {told}", style="dim"))
    page.show(Text(told_price(made), style="dim"))


def _show_lists(page: Page, made: Evaluation) -> None:
    at = made.at
    names = ["recalled", f"coverage@{at}", "intra-list distance", "novelty", "popularity lift"]
    kept = names[:3] if page.is_narrow else names
    table = numbers_table("system", kept)
    for outcome in made.outcomes:
        cells = [_with_interval(outcome.estimates.get(name)) for name in kept]
        table.add_row(Text(outcome.name), *map(Text, cells))
    page.show(table)


def _show_comparisons(page: Page, made: Evaluation) -> None:
    if not made.comparisons:
        return
    metric = f"ndcg@{made.at}"
    table = numbers_table(f"{made.comparisons[0].reference} less", [metric, "p (Holm)"])
    for each in made.comparisons:
        if each.metric == metric:
            cells = [_with_interval(each.difference, signed=True), told_p(each)]
            bold = "bold" if each.p_corrected < SIGNIFICANT else ""
            table.add_row(Text(each.system), *map(Text, cells), style=bold)
    page.show(table)
    page.show(Text(CORRECTED, style="dim"))


def _show_notes(page: Page, made: Evaluation) -> None:
    for outcome in made.outcomes:
        if outcome.remarks:
            told = printable("; ".join(outcome.remarks))
            page.show(Text(f"{outcome.name}: {told}", style="dim"))
    learning = sum(each.learning for each in made.outcomes)
    answering = sum(each.answering for each in made.outcomes)
    page.show(
        Text(
            f"{format_seconds(learning)} learning, {format_seconds(answering)} recommending, "
            f"{format_seconds(made.measuring)} measuring; {format_seconds(made.seconds)} in all.",
            style="dim",
        )
    )


def _with_interval(estimate: Estimate | None, *, signed: bool = False) -> str:
    return " ".join(filter(None, with_interval(estimate, signed=signed)))
