"""Systems side by side."""

from dataclasses import replace

import pytest

from tests import trees
from tests.evaluation.scripted import Scripted, index, rows_of
from unillmrec import Recommender
from unillmrec.budget import Budget
from unillmrec.endpoint import CallError, FailureKind
from unillmrec.errors import EvaluationError, ReplyError
from unillmrec.evaluation.data.cases import ItemIndex
from unillmrec.evaluation.data.split import SplitProtocol, split
from unillmrec.evaluation.report.page import (
    format_cost,
    format_p_value,
    format_tokens,
    render_page,
)
from unillmrec.evaluation.runner import evaluate
from unillmrec.evaluation.systems.content import (
    Bm25,
    FlatVectors,
    MostPopular,
    RandomBaseline,
    TfIdf,
    text_rows,
    unit_rows,
)
from unillmrec.evaluation.systems.contract import RankedList
from unillmrec.evaluation.systems.registry import (
    MODEL_SYSTEMS,
    REFERENCE,
    SYSTEMS,
    SystemContext,
    build_systems,
    estimate_total_usage,
)
from unillmrec.evaluation.systems.trained import Als, ItemKnn
from unillmrec.evaluation.systems.unillmrec_system import UnillmrecSystem
from unillmrec.items import Item
from unillmrec.judge import LanguageModelJudge, SimilarityJudge
from unillmrec.judge.prompting.prompt_writer import CONTRACTS, PromptWriter
from unillmrec.prices import Price
from unillmrec.prompts import PromptSet
from unillmrec.settings import Settings
from unillmrec.testing import ScriptedEndpoint
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Usage

PRICE = Price(3.0, 12.0, per=1_000, currency="EUR")


def means(tree, judge=None):
    writer = PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model(None))
    return SystemContext(tree, judge or SimilarityJudge(tree), writer)


@pytest.fixture
def tree(tmp_path):
    with trees.tree(tmp_path) as opened:
        yield opened


def test_what_goes_by_content_or_by_others_beats_the_lot(held_out, tree):
    """The people like one topic each: only the lot and popularity know nothing of it."""
    systems = [
        RandomBaseline(),
        MostPopular(),
        TfIdf(),
        Bm25(),
        FlatVectors(tree),
        ItemKnn(),
        Als(),
    ]
    made = evaluate(held_out, [*systems, UnillmrecSystem(Recommender(tree))], at=20)
    found = {each.name: each.estimates["recall@20"].value for each in made.results}

    blind = max(found.pop("random"), found.pop("most popular"))
    assert blind < 0.12
    assert all(value > 0.16 for value in found.values()), found
    assert not any(sum(each.scored.invalid.as_dict().values()) for each in made.results)


def test_no_system_recommends_what_was_met_and_rated_low(tree):
    """It is excluded everywhere, and counts as seen where it is not."""
    rated = [
        (f"p{n}", f"item-{10 * n + k:03}", float(k), 5 - k % 2) for n in (0, 1) for k in range(7)
    ]
    held_out = split(rows_of(*rated), index(), SplitProtocol(least_rating=5))
    disliked = {case.number: case.disliked for case in held_out.data.cases}

    def stubborn(case, limit):
        return case.disliked

    systems = [Scripted(stubborn), *build_systems(means(tree))]
    first, *others = evaluate(held_out, systems, at=trees.ITEMS).results

    assert {3} == {len(each) for each in disliked.values()}
    assert 6 == first.scored.invalid.seen
    assert not any(each.scored.invalid.seen for each in others)


def test_who_learns_from_others_is_marked(tree):
    """Their figures are not those of a zero-shot system."""
    systems = build_systems(means(tree))

    assert {"most popular", "item-kNN", "ALS"} == {s.name for s in systems if not s.zero_shot}
    assert "unillmrec" == systems[-1].name


def test_a_tree_that_was_told_popularity_is_marked(tmp_path):
    """Somebody's interactions are in it."""
    with trees.popular_tree(tmp_path) as popular:
        assert not UnillmrecSystem(Recommender(popular)).zero_shot


def test_an_unknown_system_is_refused(tree):
    """With the names there are."""
    with pytest.raises(EvaluationError, match="there is no system 'tfdif'") as told:
        build_systems(means(tree), ["tfdif"])

    assert all(name in told.value.remedy for name in SYSTEMS)


def test_only_what_asks_is_expected_to_cost(held_out, tree):
    """A baseline beside the chain costs nothing more; without names, all that ask do."""
    told = SystemContext.without_model(tree, Settings.resolve({}))
    some = replace(held_out, data=replace(held_out.data, cases=held_out.data.cases[:2]))
    chain = estimate_total_usage(told, some, [REFERENCE])

    assert 0 < chain.calls
    assert chain == estimate_total_usage(told, some, ["tfidf"])
    assert chain.calls < estimate_total_usage(told, some, ["paper"]).calls
    assert (
        estimate_total_usage(told, some).calls
        == estimate_total_usage(told, some, MODEL_SYSTEMS).calls
    )


def test_a_comparison_is_paired_and_corrected(held_out):
    """The reference finds everything, one system nothing, the other half."""
    truth = held_out.truth

    def knowing(case, limit):
        return list(truth.items_of(case.number))

    systems = [
        Scripted(lambda case, limit: [], "nothing"),
        Scripted(lambda case, limit: knowing(case, limit) if case.number % 2 else [], "half"),
        Scripted(knowing, "all"),
    ]
    made = evaluate(held_out, systems)
    told = {(each.system, each.metric): each for each in made.comparisons}

    assert 1 == told["nothing", "recall@10"].difference.value
    half = told["half", "ndcg@10"]
    assert pytest.approx(0.5, abs=0.01) == half.difference.value
    assert half.difference.low < 0.5 < half.difference.high
    assert half.p <= half.p_corrected < 1e-6
    assert {"all"} == {each.reference for each in made.comparisons}


def test_two_systems_that_found_nothing_have_no_difference(held_out):
    """Nought with an interval of no width would say that they are known to be alike."""
    empty = [Scripted(lambda case, limit: [], name) for name in ("one", "other")]
    made = evaluate(held_out, empty)

    assert {(None, None, None)} == {
        tuple(each.difference.as_dict().values()) for each in made.comparisons
    }
    assert {"-"} == {format_p_value(each) for each in made.comparisons}


def test_lists_that_the_embedded_judge_finished_are_told(held_out):
    """In the remarks, in JSON and on the page: they are not the model's."""

    def cut_short(case, limit):
        return RankedList((), partial="deadline" if case.number < 3 else "")

    made = evaluate(held_out, [Scripted(cut_short)])

    assert 3 == made.as_dict()["systems"][0]["partial"]
    assert "3 of 36 people partial" in made.results[0].remarks[0]
    assert "3 of 36 people partial" in render_page(made, {})


def test_a_walk_that_was_cut_short_is_partial(held_out, tree):
    """The chain says so of its answer."""

    class Poor(Recommender):
        def recommend(self, *person, **how):
            return super().recommend(*person, **how, budget=Budget(calls=0))

    judge = LanguageModelJudge(ScriptedEndpoint([]), means(tree).writer, SimilarityJudge(tree))
    chain = UnillmrecSystem(Poor(tree, judge))

    assert "calls" == chain.answer(held_out.data.cases[0], 5).partial


def test_where_nobody_or_everybody_hits_the_figure_is_not_certain(held_out):
    """Thirty-six people leave room for the next one to differ."""
    blind = Scripted(lambda case, limit: [], "blind")
    knowing = Scripted(lambda case, limit: list(held_out.truth.items_of(case.number)), "knowing")
    none, every = (each.estimates for each in evaluate(held_out, [blind, knowing]).results)

    for metric in ("recall@10", "hit@10", "ndcg@10"):
        assert (0.0, 0.0) == (none[metric].value, none[metric].low)
        assert 0.05 < none[metric].high < 0.15
        assert 0.85 < every[metric].low < 0.95
        assert (1.0, 1.0) == (every[metric].value, every[metric].high)


def failing(held_out, error, number):
    """A system that finds everything, and of one person learns only that a call failed."""

    def answer(case, limit):
        if case.number == number:
            raise error
        items = tuple(held_out.truth.items_of(case.number))
        return RankedList(items, recalled=items)

    return Scripted(answer)


def call_error(kind):
    error = CallError("the call failed.")
    error.kind = kind
    return error


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (ReplyError("the call failed."), 0),
        (call_error(FailureKind.SERVER), 0),
        (call_error(FailureKind.UNREACHABLE), 1),
    ],
)
def test_one_failure_leaves_the_others_their_answers(held_out, error, number):
    """It counts as a miss, and is told."""
    made = evaluate(held_out, [failing(held_out, error, number)])
    (outcome,) = made.results

    assert pytest.approx(35 / 36) == outcome.estimates["recall@10"].value
    assert pytest.approx(35 / 36) == outcome.estimates["recalled"].value
    assert (1, 35) == (made.as_dict()["systems"][0]["failed"], outcome.priced)
    assert "1 of 36 people failed" in outcome.remarks[0]
    assert "the call failed" in render_page(made, {})


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (FailureKind.KEY, 5),
        (FailureKind.MONEY, 5),
        (FailureKind.MODEL, 5),
        (FailureKind.UNREACHABLE, 0),
    ],
)
def test_what_nobody_would_be_spared_ends_the_evaluation(held_out, kind, number):
    """A wrong key is for the user to mend, and so is a server that was never there."""
    with pytest.raises(CallError):
        evaluate(held_out, [failing(held_out, call_error(kind), number)])


def test_systems_need_names_of_their_own(held_out):
    """Otherwise nobody could tell their rows apart."""
    with pytest.raises(EvaluationError, match="unique names"):
        evaluate(held_out, [RandomBaseline(), RandomBaseline()])


def test_the_same_seed_gives_the_same_figures(held_out, tree):
    """All of them."""
    once, again = (
        evaluate(held_out, [RandomBaseline(), Als(), UnillmrecSystem(Recommender(tree))]).as_dict()
        for _ in range(2)
    )
    for made in (once, again):
        del made["seconds"]
        for system in made["systems"]:
            del system["seconds"]

    assert once == again


def test_a_catalog_without_a_word_is_compared():
    """Titles may be emoji, every one of them."""
    emoji = ItemIndex(tuple(Item(id=str(n), title="🐳" * (n + 1)) for n in range(3)))

    assert (3, 1) == text_rows(emoji).shape


def test_rows_without_weight_stay_as_they_are():
    """An item without a known word is like nothing."""
    import numpy as np
    from scipy.sparse import csr_matrix

    rows = np.array([[3.0, 4.0], [0.0, 0.0]])
    expected = [[0.6, 0.8], [0, 0]]

    np.testing.assert_allclose(expected, unit_rows(rows))
    np.testing.assert_allclose(expected, unit_rows(csr_matrix(rows)).toarray())


def paid(usage):
    return Scripted(lambda case, limit: RankedList(("item-001",), usage))


@pytest.mark.parametrize(
    ("usage", "price", "cost", "estimated"),
    [
        (Usage(2, 1_000, 100, estimated_prompt=900, estimated_completion=90), PRICE, 4.2, 3.78),
        (Usage(2, None, None, estimated_prompt=900, estimated_completion=90), PRICE, None, 3.78),
        (Usage(2, 1_000, 100, estimated_prompt=900, estimated_completion=90), None, None, None),
        (Usage(), PRICE, 0.0, 0.0),
    ],
)
def test_money_is_that_of_one_person_and_unknown_stays_unknown(
    held_out, usage, price, cost, estimated
):
    """By what the server counted; our own count stands beside it, and nothing costs nothing."""
    (outcome,) = evaluate(held_out, [paid(usage)], price=price).results

    told = outcome.as_dict()
    assert (cost, estimated) == tuple(
        money and money["EUR"] for money in (told["cost"], told["estimated_cost"])
    )


def test_what_asks_no_model_costs_nothing_where_no_price_is_known(held_out):
    """Which is not the same as a price that nobody knows."""
    (outcome,) = evaluate(held_out, [paid(Usage())]).results

    assert {} == outcome.as_dict()["cost"]


def broken(case, limit):
    raise ReplyError("the call failed.")


def test_what_failed_calls_took_is_unknown_and_not_nothing(held_out):
    """They were billed all the same."""
    made = evaluate(held_out, [Scripted(broken)], price=PRICE)
    (outcome,) = made.results
    told = outcome.as_dict()

    assert (0, None, None, None) == tuple(
        told[name] for name in ("priced", "usage", "cost", "estimated_cost")
    )
    assert ("unknown", "unknown", "unknown") == (*format_tokens(outcome), format_cost(outcome))
    assert "the tokens of the failed people are unknown" in outcome.remarks
    assert "are unknown for every system" in render_page(made, {})


def test_what_has_no_bill_is_not_drawn_as_free(held_out):
    """Its place on the axis of tokens is nowhere."""
    free = Scripted(lambda case, limit: [], "free")
    drawn = render_page(evaluate(held_out, [Scripted(broken), free]), {})

    assert ">2</text>" in drawn
    assert ">1</text>" not in drawn


def test_tokens_without_those_of_failed_people_are_told(held_out):
    """Their calls may have been paid for."""
    (outcome,) = evaluate(held_out, [failing(held_out, ReplyError("no."), 3)]).results

    assert "without the tokens of 1 failed person" in outcome.remarks
