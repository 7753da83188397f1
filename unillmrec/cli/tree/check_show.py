"""What a check found, for people and as JSON."""

from __future__ import annotations

from rich.text import Text

from unillmrec.checking.description_check import DescriptionCheck
from unillmrec.checking.tree_check import Checked
from unillmrec.cli.shared.output import (
    Page,
    facts_table,
    format_count,
    grid,
    numbers_table,
    printable,
    show_json,
)
from unillmrec.cli.tree.check_run import CheckedTree


def show_checked(done: CheckedTree, *, as_json: bool) -> None:
    """Show what is wrong, one breach a line, or that nothing is; then how well it leads."""
    checked = done.checked
    if as_json:
        routing = {"routing": done.routing.as_dict()} if done.routing else {}
        show_json({"tree": str(done.tree), **checked.as_dict(), **routing})
        return
    page = Page()
    for breach in checked.breaches:
        page.show(Text(breach))
    if checked.breaches:
        page.blank()
    held = f"{format_count(checked.items, 'item')} in {format_count(checked.nodes, 'node')}"
    found = format_count(len(checked.breaches), "thing")
    verb = "is" if len(checked.breaches) == 1 else "are"
    verdict = f"{found} {verb} wrong" if checked.breaches else "nothing is wrong"
    style = "bold red" if checked.breaches else "bold"
    page.show(Text.assemble(f"{done.tree.name}: {held}; ", (verdict, style), "."))
    page.show(
        facts_table([("prompts", _told_prompts(checked)), ("descriptions", _told_ages(done))])
    )
    if done.routing:
        page.blank()
        _show_routing(page, done.routing)


def _told_prompts(checked: Checked) -> str:
    if checked.longest_node is None:
        return f"none; {checked.ceiling:,} tokens are allowed"
    node = f"about the branches of node {checked.longest_node}"
    return f"{checked.longest:,} of {checked.ceiling:,} tokens at most ({node})"


def _told_ages(done: CheckedTree) -> str:
    checked = done.checked
    if not checked.described:
        return "from words, always up to date; none by a model"
    told = f"{format_count(checked.described, 'node')} by a model, the others from words"
    if not checked.stale:
        return f"{told}; none out of date"
    return f"{told}; {checked.stale:,} out of date (`unillmrec describe {done.tree} --stale`)"


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
