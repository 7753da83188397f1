"""Print the result of a check, as text or JSON."""

from __future__ import annotations

from rich.text import Text

from unillmrec.checking.description_check import DescriptionCheck
from unillmrec.checking.tree_check import TreeCheck
from unillmrec.cli.shared.output import (
    Page,
    facts_table,
    format_count,
    grid,
    numbers_table,
    printable,
    show_json,
)
from unillmrec.cli.tree.check.run import CheckOutcome


def show_check(outcome: CheckOutcome, *, as_json: bool) -> None:
    """Print one line per violated invariant and a verdict, then how well descriptions lead."""
    checked = outcome.checked
    if as_json:
        routing = {"routing": outcome.routing.as_dict()} if outcome.routing else {}
        show_json({"tree": str(outcome.tree), **checked.as_dict(), **routing})
        return
    page = Page()
    for breach in checked.breaches:
        page.show(Text(breach))
    if checked.breaches:
        page.blank()
    held = f"{format_count(checked.items, 'item')} in {format_count(checked.nodes, 'node')}"
    problems = format_count(len(checked.breaches), "thing")
    verb = "is" if len(checked.breaches) == 1 else "are"
    verdict = f"{problems} {verb} wrong" if checked.breaches else "nothing is wrong"
    style = "bold red" if checked.breaches else "bold"
    page.show(Text.assemble(f"{outcome.tree.name}: {held}; ", (verdict, style), "."))
    page.show(
        facts_table(
            [("prompts", _format_prompts(checked)), ("descriptions", _format_ages(outcome))]
        )
    )
    if outcome.routing:
        page.blank()
        _show_routing(page, outcome.routing)


def _format_prompts(checked: TreeCheck) -> str:
    if checked.longest_node is None:
        return f"none; {checked.ceiling:,} tokens are allowed"
    node = f"about the branches of node {checked.longest_node}"
    return f"{checked.longest:,} of {checked.ceiling:,} tokens at most ({node})"


def _format_ages(outcome: CheckOutcome) -> str:
    checked = outcome.checked
    if not checked.described:
        return "from keywords, always up to date; none by a model"
    origin = f"{format_count(checked.described, 'node')} by a model, the others from keywords"
    if not checked.stale:
        return f"{origin}; none out of date"
    return f"{origin}; {checked.stale:,} out of date (`unillmrec describe {outcome.tree} --stale`)"


def _show_routing(page: Page, routing: DescriptionCheck) -> None:
    hidden = format_count(routing.items, "hidden item")
    page.show(Text(f"{hidden}, looked for by the {routing.judge}:"))
    table = numbers_table("level", ["asked", "found", "among three", "by chance"])
    for each in routing.levels:
        shares = (each.first, each.among_three, each.by_chance)
        table.add_row(str(each.depth), f"{each.asked:,}", *(f"{share:.1%}" for share in shares))
    page.show(table)
    page.show(Text(f"{routing.whole_way:.1%} were found without a wrong turn."))
    if routing.worst:
        page.blank()
        page.show(Text("Most wrong turns"))
        _show_worst(page, routing)
    if routing.usage.calls:
        usage = routing.usage
        spent = f"{format_count(usage.calls, 'call')}; `unillmrec usage` has the tokens."
        page.show(Text(spent, style="dim"))


def _show_worst(page: Page, routing: DescriptionCheck) -> None:
    rows = grid(columns=4, right=(0, 1))
    for each in routing.worst:
        turns = f"{each.wrong:.0f} of {each.asked}"
        mixed = f"{each.meant} taken for {each.taken}" if each.taken is not None else ""
        rows.add_row(str(each.node), turns, printable(each.label, 60), Text(mixed, style="dim"))
    page.show(rows)
