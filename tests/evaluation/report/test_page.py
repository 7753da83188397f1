"""The report page: self-contained, and safe with hostile catalogs."""

import re
from html.parser import HTMLParser

import pytest

from tests.evaluation.scripted import Scripted, rows_of
from unillmrec.evaluation.data.cases import ItemIndex
from unillmrec.evaluation.data.split import SplitProtocol, split
from unillmrec.evaluation.report.page import describe_protocol, render_page
from unillmrec.evaluation.report.plot import Point, cost_plot
from unillmrec.evaluation.runner import evaluate
from unillmrec.evaluation.statistics import Estimate
from unillmrec.evaluation.systems.contract import RankedList
from unillmrec.items import Item
from unillmrec.prices import Price
from unillmrec.usage import Usage

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style><iframe src=https://x.example>",
    "{title} $choices &lt;b&gt;",
)


EMPTY = Scripted(lambda case, limit: [], "empty")


class Tags(HTMLParser):
    """Collects the tags, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def evaluation():
    """An evaluation of two systems on a catalog with hostile titles."""
    items = [Item(f"<i>{n}", f"{HOSTILE[n % 4]} {n}") for n in range(12)]
    rows = [(f"p{p}", f"<i>{(p * 5 + n) % 12}", n) for p in range(2) for n in range(4)]
    held_out = split(rows_of(*rows), ItemIndex(tuple(items)), SplitProtocol())
    truth = held_out.truth
    usage = Usage(2, None, None, None, None, 1_200, 90)
    systems = [
        Scripted(lambda case, limit: ["<i>9", "<b>unknown"], "<b>less</b>"),
        Scripted(
            lambda case, limit: RankedList(tuple(truth.items_of(case.number)), usage), "unillmrec"
        ),
    ]
    return evaluate(held_out, systems)


def test_text_of_the_catalog_is_escaped(evaluation):
    """Titles, ids, and names of systems and files stay text."""
    found = Tags(render_page(evaluation, {"tree": "<script>x</script>.tree"}))

    assert not {"script", "img", "iframe", "i", "b", "object", "link"} & set(found.tags)
    assert 1 == found.tags.count("title")
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert any("<script>alert(1)</script>" in each for each in found.text)


def test_the_page_is_self_contained(evaluation):
    """It has no external address, and a policy that forbids requests."""
    text = render_page(evaluation, {"tree": "shop.tree"})
    found = Tags(text)

    assert not [value for name, value in found.attributes if name in ("src", "href")]
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text
    assert "url(" not in text


def test_the_page_shows_metrics_tokens_and_people(evaluation):
    """It has every system with intervals and tokens, and people with both lists."""
    text = render_page(evaluation, {"tree": "shop.tree", "judge": "nobody"})

    assert "~600" not in text
    assert "~1,200" in text
    assert 2 == text.count("<details>")
    assert text.count('class="hit"') >= 2
    assert 2 == len(re.findall(r'<circle class="dot"', text))
    assert "[1.000, 1.000]" in text


def test_the_page_defines_its_metrics(evaluation):
    """All metrics of the tables are defined, ndcg by its formula."""
    text = render_page(evaluation, {})
    _, _, definitions = text.partition("Definitions of the metrics")

    for name in (*evaluation.results[0].estimates, "prompt, completion, money"):
        assert f"<li>{name}: " in definitions, name
    assert "1/log2(rank + 1)" in definitions


def test_the_protocol_is_described():
    """With the least rating, the rule for equal times, and the number of people affected."""
    same = [("anna", item, 7.0, 4.0) for item in "abcd"] + [("anna", "low", 6.0, 3.0)]
    clear = [("ben", item, float(day), 4.0) for day, item in enumerate("abc")]
    twin = [
        *(("cleo", item, float(day), 4.0) for day, item in enumerate("abd")),
        ("cleo", "D", 9, 5),
    ]
    items = [Item(each, f"The word {each * 3}") for each in ("a", "b", "c", "d", "low", "more")]
    index = ItemIndex((*items, Item("D", "The word ddd")))

    def description(rows, least=4.0):
        return describe_protocol(
            evaluate(split(rows_of(*rows), index, SplitProtocol(least_rating=least)), [EMPTY])
        )

    assert "(if times are equal, the one further down in the file, as for 1 person)" in description(
        same + clear
    )
    assert "(if times are equal, the one further down in the file)" in description(clear)
    assert "Items rated below 4 count as seen but not liked" in description(clear)
    assert "rated below" not in description(clear, None)
    assert "1 held-out item was left out, because the person had seen the same item" in description(
        clear + twin
    )


def test_an_evaluation_of_one_system_has_a_page(evaluation):
    """There is no other system to compare with."""
    alone = evaluate(evaluation.split, [Scripted(lambda case, limit: [])])

    assert "no other system" in render_page(alone, {})


def test_the_plot_orders_systems_by_tokens_and_accuracy():
    """Systems without tokens are on the left."""
    points = [
        Point("1", 0, Estimate(0.2, 0.1, 0.3)),
        Point("2", 1_000, Estimate(0.1, 0.05, 0.15)),
        Point("3", 200_000, Estimate(0.4, 0.3, 0.5), ours=True),
    ]
    svg = cost_plot(points, "ndcg@10")
    found = re.findall(r'<circle class="dot" cx="([\d.]+)" cy="([\d.]+)"', svg)
    across, down = zip(*((float(x), float(y)) for x, y in found), strict=True)

    assert sorted(across) == list(across)
    assert down[2] < down[0] < down[1]
    assert 1 == svg.count('class="ours"')


def test_a_plot_of_zeros_is_drawn():
    """All metrics and all tokens are zero."""
    assert "<circle" in cost_plot([Point("1", 0, Estimate(0.0, 0.0, 0.0))], "ndcg@10")


def test_the_page_shows_the_cost_per_person():
    """It is estimated if the server reported no tokens, and unknown without a price."""
    index = ItemIndex((Item("a", "A"), Item("b", "B"), Item("c", "C"), Item("d", "D")))
    met = rows_of(*((person, item, day, 5.0) for person in "xy" for day, item in enumerate("abc")))
    held_out = split(met, index, SplitProtocol(people=0))
    usage = Usage(1, None, None, estimated_prompt=1_000, estimated_completion=10)
    system = Scripted(lambda case, limit: RankedList(("d",), usage))
    price = Price(0.5, 2.0, per=1_000, source="your prices")

    priced, unpriced = (
        render_page(evaluate(held_out, [system], price=p), {}) for p in (price, None)
    )
    assert "<td>~0.52</td>" in priced
    assert "USD 0.5 for 1,000 prompt tokens, 2 for completion (your prices)" in priced
    assert "<td>unknown</td>" in unpriced
