"""An evaluation as one page that needs nothing else: tables, a plot, people to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from unillmrec.evaluation.data.split import told_time
from unillmrec.evaluation.metrics import ACCURACY
from unillmrec.evaluation.report.definitions import definitions
from unillmrec.evaluation.report.plot import Point, cost_plot
from unillmrec.evaluation.runner import Comparison, Evaluation, Outcome
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

# A catalog's text is written by strangers: besides being escaped, it could not run or load
# anything here, for there is no script and no address that the page may ask.
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


def page(made: Evaluation, about: Mapping[str, str]) -> str:
    """Return the whole page; *about* are facts to stand at its top, such as the tree."""
    title = f"Evaluation of {about.get('tree', 'a tree')}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(told_protocol(made))}</p>",
        _facts(about),
        "<h2>How good, and at what cost</h2>",
        _accuracy(made),
        _plot(made),
        "<h2>What the lists are like</h2>",
        _lists(made),
        "<h2>How sure the differences are</h2>",
        _comparisons(made),
        "<h2>What the figures mean</h2>",
        _definitions(made.at),
        "<h2>People to look at</h2>",
        _people(made),
        "<h2>What the systems are</h2>",
        _notes(made),
    ]
    return _HEAD.format(title=escape(title)) + "\n".join(body) + "\n</html>\n"


def told_protocol(made: Evaluation) -> str:
    """Say in words who was asked, what was held out, and what had to be set aside."""
    facts = made.facts
    count = int(str(facts["people"]))
    held = f"the last item of each is held out ({_told_ties(int(str(facts['ties'])))})"
    if facts["split"] == "time":
        held = f"all they met from {told_time(float(str(facts['cutoff'])))} on is held out"
    told = (
        f"{_counted(count, 'person', 'people')} of {facts['eligible']:,}, seed "
        f"{facts['seed']}; {held}, and all unseen items of {facts['items']:,} compete."
    )
    if facts["least_rating"] is not None:
        told += f" What is rated below {facts['least_rating']:g} was seen, and is no taste:"
        told += " neither in a history nor held out."
    if count := int(str(facts["not_on_shelf"])):
        told += f" {_counted(count, 'interaction is', 'interactions are')} with items the tree"
        told += " does not have."
    if count := int(str(facts["twins"])):
        told += f" {_counted(count, 'held-out item was', 'held-out items were')} met before under"
        told += " another id, and set aside."
    return told


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _told_ties(count: int) -> str:
    """Say which of two items of the same time is the last, and how often that decides."""
    rule = "of equal times the one further down in the file"
    return f"{rule}, as for {_counted(count, 'person', 'people')}" if count else rule


def with_interval(estimate: Estimate | None, *, signed: bool = False) -> tuple[str, str]:
    """Return a figure and its interval as people write them."""
    if estimate is None or estimate.value is None:
        return "-", ""
    digits = 3 if abs(estimate.value) < 10 else 2
    told = f"{estimate.value:{'+' if signed else ''}.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return told, ""
    return told, f"[{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def told_p(each: Comparison) -> str:
    """Return a corrected p-value as people write it."""
    if each.difference.value is None:
        return "-"
    return "< 0.001" if each.p_corrected < 0.001 else f"{each.p_corrected:.3f}"


def told_tokens(outcome: Outcome) -> tuple[str, str]:
    """Return a person's tokens, as the server counted them or, with a ~, as we estimate them."""
    usage, people = outcome.usage, outcome.priced
    if not people:
        return "unknown", "unknown"
    if not usage.calls:
        return "0", "0"
    pairs = (
        (usage.prompt, usage.estimated_prompt),
        (usage.completion, usage.estimated_completion),
    )
    told = [
        f"~{ours / people:,.0f}" if theirs is None else f"{theirs / people:,.0f}"
        for theirs, ours in pairs
    ]
    return told[0], told[1]


def told_cost(outcome: Outcome) -> str:
    """Return what a person cost; with a ~ by our own count, where the server gave none."""
    if outcome.cost is not None:
        return format_amount(outcome.cost.amount) if outcome.cost.amount else "0"
    estimated = outcome.estimated_cost
    return f"~{format_amount(estimated.amount)}" if estimated else "unknown"


def money_column(made: Evaluation) -> str:
    """Return the heading of the money."""
    return made.price.currency if made.price else "money"


def told_price(made: Evaluation) -> str:
    """Say what money is reckoned from, or why it is not."""
    if made.price:
        return f"Money is that of one person at {made.price.describe()}."
    return "What a person costs is unknown: no model is named, or its price is not known."


def _facts(about: Mapping[str, str]) -> str:
    told = " · ".join(f"{escape(name)}: {escape(value)}" for name, value in about.items())
    return f'<p class="note">{told}</p>'


def _table(header: Sequence[str], rows: Iterable[tuple[bool, Sequence[str]]]) -> str:
    """Return a table; cells are HTML already."""
    head = "".join(f"<th>{escape(each)}</th>" for each in header)
    body = "".join(
        f"<tr{' class=ours' if ours else ''}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for ours, cells in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _cell(estimate: Estimate | None, *, signed: bool = False) -> str:
    told, interval = with_interval(estimate, signed=signed)
    return f"{told}<small>{interval}</small>"


def _accuracy(made: Evaluation) -> str:
    names = [f"{name}@{made.at}" for name in ACCURACY]
    rows = []
    for number, outcome in enumerate(made.outcomes, start=1):
        mark = "" if outcome.zero_shot else " *"
        figures = [_cell(outcome.estimates[name]) for name in names]
        name = f"{number}. {escape(outcome.name)}{mark}"
        rows.append((outcome.name == made.reference, [name, *figures, *told_tokens(outcome)]))
        rows[-1][1].append(told_cost(outcome))
    table = _table(["system", *names, "prompt", "completion", money_column(made)], rows)
    told = "Intervals cover 95 %. Tokens are those of one person; ~ estimated, nothing was sent. "
    for each in made.outcomes:
        if count := each.counted_only:
            told += f"Of {escape(each.name)} they are those of the first {count:,} people. "
    told += escape(told_price(made))
    return f'{table}<p class="note">* learns from other people\'s interactions. {told}</p>'


def _lists(made: Evaluation) -> str:
    at = made.at
    names = ["recalled", f"coverage@{at}", "intra-list distance", "novelty", "popularity lift"]
    rows = [
        (
            outcome.name == made.reference,
            [escape(outcome.name), *(_cell(outcome.estimates.get(name)) for name in names)],
        )
        for outcome in made.outcomes
    ]
    return _table(["system", *names], rows)


def _plot(made: Evaluation) -> str:
    points = []
    for number, outcome in enumerate(made.outcomes, start=1):
        usage, people = outcome.usage, outcome.priced
        if not people:
            continue
        prompt = usage.estimated_prompt if usage.prompt is None else usage.prompt
        figure = outcome.estimates[f"ndcg@{made.at}"]
        ours = outcome.name == made.reference
        points.append(Point(str(number), prompt / people, figure, ours))
    if not points:
        return '<p class="note">What a person took is unknown of every system.</p>'
    told = f"ndcg@{made.at} against the prompt tokens of one person; numbers are those of the table"
    return f"<figure>{cost_plot(points, f'ndcg@{made.at}')}<figcaption>{told}</figcaption></figure>"


def _comparisons(made: Evaluation) -> str:
    rows = [
        (
            each.p_corrected < SIGNIFICANT,
            [escape(each.system), each.metric, _cell(each.difference, signed=True), told_p(each)],
        )
        for each in made.comparisons
    ]
    header = [f"{made.reference} less", "metric", "difference", "p (Holm)"]
    return f'{_table(header, rows)}<p class="note">{CORRECTED}</p>'


def _definitions(at: int) -> str:
    told = (f"<li>{escape(name)}: {escape(what)}.</li>" for name, what in definitions(at))
    return f"<ul>{''.join(told)}</ul>"


def _people(made: Evaluation) -> str:
    """Show those for whom the reference and the best of the others differ most."""
    others = [each for each in made.outcomes if each.name != made.reference]
    if not others:
        return '<p class="note">There is no other system to differ from.</p>'
    column = ACCURACY.index("ndcg")
    ours = made.named(made.reference)
    other = max(others, key=lambda each: float(each.graded.accuracy[:, column].mean()))
    gap = np.abs(ours.graded.accuracy[:, column] - other.graded.accuracy[:, column])
    apart = [
        len(set(mine.items[: made.at]) - set(theirs.items[: made.at]))
        for mine, theirs in zip(ours.answers, other.answers, strict=True)
    ]
    order = np.lexsort((-np.array(apart), -gap))[:PEOPLE_SHOWN]
    told = f"Where {escape(ours.name)} and {escape(other.name)} differ most."
    people = [_person(made, int(place), (ours, other)) for place in order]
    return f'<p class="note">{told}</p>' + "".join(people)


def _person(made: Evaluation, place: int, pair: Sequence[Outcome]) -> str:
    shelf, case = made.split.exam.shelf, made.split.exam.cases[place]
    targets = made.split.truth.of(case.number)

    def title(item_id: str) -> str:
        found = shelf.places.get(item_id)
        told = shelf.items[found].title if found is not None else item_id
        kept = told if len(told) <= TITLE_LENGTH else told[: TITLE_LENGTH - 1] + "…"
        mark = ' class="hit"' if item_id in targets else ""
        return f"<li{mark}>{escape(kept)}</li>"

    met = "".join(map(title, case.history[-HISTORY_SHOWN:]))
    more = max(len(case.history) - HISTORY_SHOWN, 0)
    before = f" (and {more:,} before)" if more else ""
    blocks = [f"<div><h3>Met{before}</h3><ul>{met}</ul></div>"]
    blocks.append(f"<div><h3>Held out</h3><ul>{''.join(map(title, sorted(targets)))}</ul></div>")
    for outcome in pair:
        listed = "".join(map(title, outcome.answers[place].items[: made.at]))
        blocks.append(f"<div><h3>{escape(outcome.name)}</h3><ol>{listed}</ol></div>")
    hits = [
        f"{escape(outcome.name)}: {outcome.graded.accuracy[place, ACCURACY.index('ndcg')]:.2f}"
        for outcome in pair
    ]
    head = f"<summary>Person {case.number + 1} · ndcg {' · '.join(hits)}</summary>"
    return f'<details>{head}<div class="lists">{"".join(blocks)}</div></details>'


def _notes(made: Evaluation) -> str:
    told = []
    for outcome in made.outcomes:
        if outcome.remarks:
            told.append(f"<li>{escape(outcome.name)}: {escape('; '.join(outcome.remarks))}</li>")
    return f"<ul>{''.join(told)}</ul>"
