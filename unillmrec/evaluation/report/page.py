"""Render an evaluation as one self-contained HTML page: tables, a plot, and example people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from unillmrec.evaluation.data.split import format_time
from unillmrec.evaluation.metrics import ACCURACY
from unillmrec.evaluation.report.definitions import metric_definitions
from unillmrec.evaluation.report.plot import Point, cost_plot
from unillmrec.evaluation.runner import Comparison, Evaluation, SystemResult
from unillmrec.evaluation.statistics import Estimate
from unillmrec.prices import format_amount

PEOPLE_SHOWN = 12
HISTORY_SHOWN = 12
TITLE_LENGTH = 140
SIGNIFICANT = 0.05
CORRECTED = (
    "Paired t-tests on the same people; p is corrected for the number of systems, the 95 % "
    "intervals are not. A dash: neither found anything."
)

# The text of a catalog is untrusted. It is escaped; besides, the policy below allows neither
# scripts nor requests.
_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ --ink: #1c2024; --soft: #60656c; --line: #d8dbe0; --paper: #fff; --card: #f6f7f9;
  --mark: #0b63c5; --hit: #12703c; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #e6e8eb; --soft: #9ba1a8; --line: #33383f;
  --paper: #14171a; --card: #1d2125; --mark: #6cb2ff; --hit: #63d297; }} }}
body {{ font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.15rem; margin-top: 2.2rem; }}
p.note, td small, figcaption {{ color: var(--soft); font-size: .87rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: right; padding: .25rem .7rem; border-bottom: 1px solid var(--line);
  white-space: nowrap; vertical-align: top; }}
th {{ font-weight: 600; color: var(--soft); }}
th:first-child, td:first-child {{ text-align: left; }}
tr.ours td {{ font-weight: 600; }} td small {{ display: block; font-weight: 400; }}
details {{ background: var(--card); border-radius: .5rem; padding: .6rem 1rem; margin: .6rem 0; }}
summary {{ cursor: pointer; }}
.lists {{ display: grid; gap: 1.2rem;
  grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); }}
.lists h3 {{ font-size: .9rem; margin: .6rem 0 .2rem; }}
ol, ul {{ margin: 0; padding-left: 1.6rem; }}
li {{ overflow-wrap: anywhere; }} .hit {{ color: var(--hit); font-weight: 600; }}
svg {{ max-width: 100%; height: auto; }}
svg text {{ fill: var(--ink); font: 13px system-ui, sans-serif; }}
svg .axis {{ stroke: var(--line); }} svg .bar {{ stroke: var(--soft); stroke-width: 1.5; }}
svg .dot {{ fill: var(--paper); stroke: var(--soft); stroke-width: 1.5; }}
svg .ours .dot {{ stroke: var(--mark); fill: var(--mark); }}
svg .ours .bar {{ stroke: var(--mark); }}
svg .ours text {{ fill: var(--paper); }} svg .soft {{ fill: var(--soft); }}
</style>
"""


def render_page(evaluation: Evaluation, about: Mapping[str, str]) -> str:
    """Return the page; *about* are facts for its top, such as the name of the tree."""
    title = f"Evaluation of {about.get('tree', 'a tree')}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(describe_protocol(evaluation))}</p>",
        _facts(about),
        "<h2>Accuracy and cost</h2>",
        _accuracy_table(evaluation),
        _plot(evaluation),
        "<h2>Properties of the lists</h2>",
        _lists_table(evaluation),
        "<h2>Significance of the differences</h2>",
        _comparisons_table(evaluation),
        "<h2>Definitions of the metrics</h2>",
        _definitions(evaluation.at),
        "<h2>Example people</h2>",
        _people(evaluation),
        "<h2>About the systems</h2>",
        _notes(evaluation),
    ]
    return _HEAD.format(title=escape(title)) + "\n".join(body) + "\n</html>\n"


def describe_protocol(evaluation: Evaluation) -> str:
    """Describe who was evaluated, what was held out, and what was left out."""
    facts = evaluation.facts
    people = _count(int(str(facts["people"])), "person", "people")
    held_out = f"the last item of each is held out ({_describe_ties(int(str(facts['ties'])))})"
    if facts["split"] == "time":
        cutoff = format_time(float(str(facts["cutoff"])))
        held_out = f"all their interactions from {cutoff} on are held out"
    text = (
        f"{people} of {facts['eligible']:,}, seed {facts['seed']}; {held_out}, and all unseen "
        f"items of {facts['items']:,} compete."
    )
    if facts["least_rating"] is not None:
        text += f" Items rated below {facts['least_rating']:g} count as seen but not liked:"
        text += " they are neither in a history nor held out."
    if count := int(str(facts["not_on_shelf"])):
        text += f" {_count(count, 'interaction is', 'interactions are')} with items that are not"
        text += " in the tree."
    if count := int(str(facts["twins"])):
        text += f" {_count(count, 'held-out item was', 'held-out items were')} left out, because"
        text += " the person had seen the same item under another id."
    return text


def _count(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _describe_ties(count: int) -> str:
    """Describe which item is the last if two have the same time, and for how many people."""
    rule = "if times are equal, the one further down in the file"
    return f"{rule}, as for {_count(count, 'person', 'people')}" if count else rule


def format_estimate(estimate: Estimate | None, *, signed: bool = False) -> tuple[str, str]:
    """Format a metric and its interval; the interval may be empty."""
    if estimate is None or estimate.value is None:
        return "-", ""
    digits = 3 if abs(estimate.value) < 10 else 2
    value = f"{estimate.value:{'+' if signed else ''}.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return value, ""
    return value, f"[{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def format_p_value(comparison: Comparison) -> str:
    """Format the corrected p-value of a comparison."""
    if comparison.difference.value is None:
        return "-"
    return "< 0.001" if comparison.p_corrected < 0.001 else f"{comparison.p_corrected:.3f}"


def format_tokens(result: SystemResult) -> tuple[str, str]:
    """Format prompt and completion tokens per person; ~ marks our own estimates."""
    usage, people = result.usage, result.priced
    if not people:
        return "unknown", "unknown"
    if not usage.calls:
        return "0", "0"

    def per_person(reported: int | None, estimated: int) -> str:
        return f"~{estimated / people:,.0f}" if reported is None else f"{reported / people:,.0f}"

    return (
        per_person(usage.prompt, usage.estimated_prompt),
        per_person(usage.completion, usage.estimated_completion),
    )


def format_cost(result: SystemResult) -> str:
    """Format the cost per person; ~ marks an estimate, if the server reported no tokens."""
    if result.cost is not None:
        return format_amount(result.cost.amount) if result.cost.amount else "0"
    estimated = result.estimated_cost
    return f"~{format_amount(estimated.amount)}" if estimated else "unknown"


def cost_heading(evaluation: Evaluation) -> str:
    """Return the heading of the cost column: the currency, if there is a price."""
    return evaluation.price.currency if evaluation.price else "money"


def describe_price(evaluation: Evaluation) -> str:
    """Describe the price that costs are based on, or why there are none."""
    if evaluation.price:
        return f"Money is per person, at {evaluation.price.describe()}."
    return "The cost per person is unknown: no model is named, or its price is not known."


def _facts(about: Mapping[str, str]) -> str:
    facts = " · ".join(f"{escape(name)}: {escape(value)}" for name, value in about.items())
    return f'<p class="note">{facts}</p>'


def _table(header: Sequence[str], rows: Iterable[tuple[bool, Sequence[str]]]) -> str:
    """Return a table from rows of HTML cells; true marks a row as ours."""
    head = "".join(f"<th>{escape(each)}</th>" for each in header)
    body = "".join(
        f"<tr{' class=ours' if ours else ''}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for ours, cells in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _cell(estimate: Estimate | None, *, signed: bool = False) -> str:
    value, interval = format_estimate(estimate, signed=signed)
    return f"{value}<small>{interval}</small>"


def _accuracy_table(evaluation: Evaluation) -> str:
    names = [f"{name}@{evaluation.at}" for name in ACCURACY]
    rows = []
    for number, result in enumerate(evaluation.results, start=1):
        mark = "" if result.zero_shot else " *"
        name = f"{number}. {escape(result.name)}{mark}"
        metrics = [_cell(result.estimates[each]) for each in names]
        cells = [name, *metrics, *format_tokens(result), format_cost(result)]
        rows.append((result.name == evaluation.reference, cells))
    header = ["system", *names, "prompt", "completion", cost_heading(evaluation)]
    note = "Intervals cover 95 %. Tokens are per person; ~ estimated, nothing was sent. "
    for each in evaluation.results:
        if count := each.counted_only:
            note += f"Of {escape(each.name)} they are those of the first {count:,} people. "
    note += escape(describe_price(evaluation))
    learns = "* learns from other people's interactions."
    return f'{_table(header, rows)}<p class="note">{learns} {note}</p>'


def _lists_table(evaluation: Evaluation) -> str:
    at = evaluation.at
    names = ["recalled", f"coverage@{at}", "intra-list distance", "novelty", "popularity lift"]
    rows = [
        (
            result.name == evaluation.reference,
            [escape(result.name), *(_cell(result.estimates.get(name)) for name in names)],
        )
        for result in evaluation.results
    ]
    return _table(["system", *names], rows)


def _plot(evaluation: Evaluation) -> str:
    metric = f"ndcg@{evaluation.at}"
    points = []
    for number, result in enumerate(evaluation.results, start=1):
        usage, people = result.usage, result.priced
        if not people:
            continue
        prompt = usage.estimated_prompt if usage.prompt is None else usage.prompt
        ours = result.name == evaluation.reference
        points.append(Point(str(number), prompt / people, result.estimates[metric], ours))
    if not points:
        return '<p class="note">The tokens per person are unknown for every system.</p>'
    caption = f"{metric} against the prompt tokens per person; numbers are those of the table"
    return f"<figure>{cost_plot(points, metric)}<figcaption>{caption}</figcaption></figure>"


def _comparisons_table(evaluation: Evaluation) -> str:
    rows = [
        (
            each.p_corrected < SIGNIFICANT,
            [
                escape(each.system),
                each.metric,
                _cell(each.difference, signed=True),
                format_p_value(each),
            ],
        )
        for each in evaluation.comparisons
    ]
    header = [f"{evaluation.reference} minus", "metric", "difference", "p (Holm)"]
    return f'{_table(header, rows)}<p class="note">{CORRECTED}</p>'


def _definitions(at: int) -> str:
    entries = (
        f"<li>{escape(name)}: {escape(meaning)}.</li>" for name, meaning in metric_definitions(at)
    )
    return f"<ul>{''.join(entries)}</ul>"


def _people(evaluation: Evaluation) -> str:
    """Show the people for whom the reference and the best other system differ most."""
    others = [each for each in evaluation.results if each.name != evaluation.reference]
    if not others:
        return '<p class="note">There is no other system to compare with.</p>'
    column = ACCURACY.index("ndcg")
    ours = evaluation.result_of(evaluation.reference)
    other = max(others, key=lambda each: float(each.scored.accuracy[:, column].mean()))
    gap = np.abs(ours.scored.accuracy[:, column] - other.scored.accuracy[:, column])
    different = [
        len(set(mine.items[: evaluation.at]) - set(theirs.items[: evaluation.at]))
        for mine, theirs in zip(ours.answers, other.answers, strict=True)
    ]
    order = np.lexsort((-np.array(different), -gap))[:PEOPLE_SHOWN]
    note = f"Where {escape(ours.name)} and {escape(other.name)} differ most."
    people = [_person(evaluation, int(number), (ours, other)) for number in order]
    return f'<p class="note">{note}</p>' + "".join(people)


def _person(evaluation: Evaluation, number: int, pair: Sequence[SystemResult]) -> str:
    index, case = evaluation.split.data.index, evaluation.split.data.cases[number]
    targets = evaluation.split.truth.items_of(case.number)

    def entry(item_id: str) -> str:
        position = index.positions.get(item_id)
        title = index.items[position].title if position is not None else item_id
        short = title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1] + "…"
        mark = ' class="hit"' if item_id in targets else ""
        return f"<li{mark}>{escape(short)}</li>"

    history = "".join(map(entry, case.history[-HISTORY_SHOWN:]))
    earlier = max(len(case.history) - HISTORY_SHOWN, 0)
    before = f" (and {earlier:,} before)" if earlier else ""
    blocks = [f"<div><h3>History{before}</h3><ul>{history}</ul></div>"]
    blocks.append(f"<div><h3>Held out</h3><ul>{''.join(map(entry, sorted(targets)))}</ul></div>")
    scores = []
    for result in pair:
        listed = "".join(map(entry, result.answers[number].items[: evaluation.at]))
        blocks.append(f"<div><h3>{escape(result.name)}</h3><ol>{listed}</ol></div>")
        ndcg = result.scored.accuracy[number, ACCURACY.index("ndcg")]
        scores.append(f"{escape(result.name)}: {ndcg:.2f}")
    summary = f"<summary>Person {case.number + 1} · ndcg {' · '.join(scores)}</summary>"
    return f'<details>{summary}<div class="lists">{"".join(blocks)}</div></details>'


def _notes(evaluation: Evaluation) -> str:
    notes = [
        f"<li>{escape(result.name)}: {escape('; '.join(result.remarks))}</li>"
        for result in evaluation.results
        if result.remarks
    ]
    return f"<ul>{''.join(notes)}</ul>"
