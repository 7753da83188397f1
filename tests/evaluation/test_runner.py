"""Systems side by side."""

from dataclasses import replace

import pytest

from tests import trees
from tests.evaluation.exams import Scripted, rows_of, shelf
from unillmrec import Recommender
from unillmrec.budget import Budget
from unillmrec.endpoint import CallError, FailureKind
from unillmrec.errors import EvaluationError, ReplyError
from unillmrec.evaluation.data.exam import ItemIndex
from unillmrec.evaluation.data.split import Protocol, split
from unillmrec.evaluation.report.page import page, told_cost, told_p, told_tokens
from unillmrec.evaluation.runner import evaluate
from unillmrec.evaluation.systems.chain import Chain
from unillmrec.evaluation.systems.content import (
    Bm25,
    FlatVectors,
    MostPopular,
    RandomBaseline,
    TfIdf,
    text_rows,
    unit_rows,
)
from unillmrec.evaluation.systems.contract import Answer
from unillmrec.evaluation.systems.registry import (
    ASKING,
    REFERENCE,
    SYSTEMS,
    Means,
    expected_usage,
    make_systems,
)
from unillmrec.evaluation.systems.trained import Als, ItemKnn
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
    return Means(tree, judge or SimilarityJudge(tree), writer)


@pytest.fixture
def tree(tmp_path):
    with trees.tree(tmp_path) as opened:
        yield opened


def test_what_goes_by_content_or_by_others_beats_the_lot(parted, tree):
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
    made = evaluate(parted, [*systems, Chain(Recommender(tree))], at=20)
    found = {each.name: each.estimates["recall@20"].value for each in made.outcomes}

    blind = max(found.pop("random"), found.pop("most popular"))
    assert blind < 0.12
    assert all(value > 0.16 for value in found.values()), found
    assert not any(sum(each.graded.void.as_dict().values()) for each in made.outcomes)


def test_no_system_recommends_what_was_met_and_rated_low(tree):
    """It is excluded everywhere, and counts as seen where it is not."""
    rated = [
        (f"p{n}", f"item-{10 * n + k:03}", float(k), 5 - k % 2) for n in (0, 1) for k in range(7)
    ]
    parted = split(rows_of(*rated), shelf(), Protocol(least_rating=5))
    disliked = {case.number: case.disliked for case in parted.exam.cases}

    def stubborn(case, limit):
        return case.disliked

    systems = [Scripted(stubborn), *make_systems(means(tree))]
    first, *others = evaluate(parted, systems, at=trees.ITEMS).outcomes

    assert {3} == {len(each) for each in disliked.values()}
    assert 6 == first.graded.void.seen
    assert not any(each.graded.void.seen for each in others)


def test_who_learns_from_others_is_marked(tree):
    """Their figures are not those of a zero-shot system."""
    systems = make_systems(means(tree))

    assert {"most popular", "item-kNN", "ALS"} == {s.name for s in systems if not s.zero_shot}
    assert "unillmrec" == systems[-1].name


def test_a_tree_that_was_told_popularity_is_marked(tmp_path):
    """Somebody's interactions are in it."""
    with trees.popular_tree(tmp_path) as popular:
        assert not Chain(Recommender(popular)).zero_shot


def test_an_unknown_system_is_refused(tree):
    """With the names there are."""
    with pytest.raises(EvaluationError, match="there is no system 'tfdif'") as told:
        make_systems(means(tree), ["tfdif"])

    assert all(name in told.value.remedy for name in SYSTEMS)


def test_only_what_asks_is_expected_to_cost(parted, tree):
    """A baseline beside the chain costs nothing more; without names, all that ask do."""
    told = Means.without_model(tree, Settings.resolve({}))
    some = replace(parted, exam=replace(parted.exam, cases=parted.exam.cases[:2]))
    chain = expected_usage(told, some, [REFERENCE])

    assert 0 < chain.calls
    assert chain == expected_usage(told, some, ["tfidf"])
    assert chain.calls < expected_usage(told, some, ["paper"]).calls
    assert expected_usage(told, some).calls == expected_usage(told, some, ASKING).calls


def test_a_comparison_is_paired_and_corrected(parted):
    """The reference finds everything, one system nothing, the other half."""
    truth = parted.truth

    def knowing(case, limit):
        return list(truth.of(case.number))

    systems = [
        Scripted(lambda case, limit: [], "nothing"),
        Scripted(lambda case, limit: knowing(case, limit) if case.number % 2 else [], "half"),
        Scripted(knowing, "all"),
    ]
    made = evaluate(parted, systems)
    told = {(each.system, each.metric): each for each in made.comparisons}

    assert 1 == told["nothing", "recall@10"].difference.value
    half = told["half", "ndcg@10"]
    assert pytest.approx(0.5, abs=0.01) == half.difference.value
    assert half.difference.low < 0.5 < half.difference.high
    assert half.p <= half.p_corrected < 1e-6
    assert {"all"} == {each.reference for each in made.comparisons}


def test_two_systems_that_found_nothing_have_no_difference(parted):
    """Nought with an interval of no width would say that they are known to be alike."""
    empty = [Scripted(lambda case, limit: [], name) for name in ("one", "other")]
    made = evaluate(parted, empty)

    assert {(None, None, None)} == {
        tuple(each.difference.as_dict().values()) for each in made.comparisons
    }
    assert {"-"} == {told_p(each) for each in made.comparisons}


def test_lists_that_the_embedded_judge_finished_are_told(parted):
    """In the remarks, in JSON and on the page: they are not the model's."""

    def cut_short(case, limit):
        return Answer((), partial="deadline" if case.number < 3 else "")

    made = evaluate(parted, [Scripted(cut_short)])

    assert 3 == made.as_dict()["systems"][0]["partial"]
    assert "3 of 36 people partial" in made.outcomes[0].remarks[0]
    assert "3 of 36 people partial" in page(made, {})


def test_a_walk_that_was_cut_short_is_partial(parted, tree):
    """The chain says so of its answer."""

    class Poor(Recommender):
        def recommend(self, *person, **how):
            return super().recommend(*person, **how, budget=Budget(calls=0))

    judge = LanguageModelJudge(ScriptedEndpoint([]), means(tree).writer, SimilarityJudge(tree))
    chain = Chain(Poor(tree, judge))

    assert "calls" == chain.answer(parted.exam.cases[0], 5).partial


def test_where_nobody_or_everybody_hits_the_figure_is_not_certain(parted):
    """Thirty-six people leave room for the next one to differ."""
    blind = Scripted(lambda case, limit: [], "blind")
    knowing = Scripted(lambda case, limit: list(parted.truth.of(case.number)), "knowing")
    none, every = (each.estimates for each in evaluate(parted, [blind, knowing]).outcomes)

    for metric in ("recall@10", "hit@10", "ndcg@10"):
        assert (0.0, 0.0) == (none[metric].value, none[metric].low)
        assert 0.05 < none[metric].high < 0.15
        assert 0.85 < every[metric].low < 0.95
        assert (1.0, 1.0) == (every[metric].value, every[metric].high)


def failing(parted, error, number):
    """A system that finds everything, and of one person learns only that a call failed."""

    def answer(case, limit):
        if case.number == number:
            raise error
        items = tuple(parted.truth.of(case.number))
        return Answer(items, recalled=items)

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
def test_one_failure_leaves_the_others_their_answers(parted, error, number):
    """It counts as a miss, and is told."""
    made = evaluate(parted, [failing(parted, error, number)])
    (outcome,) = made.outcomes

    assert pytest.approx(35 / 36) == outcome.estimates["recall@10"].value
    assert pytest.approx(35 / 36) == outcome.estimates["recalled"].value
    assert (1, 35) == (made.as_dict()["systems"][0]["failed"], outcome.priced)
    assert "1 of 36 people failed" in outcome.remarks[0]
    assert "the call failed" in page(made, {})


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (FailureKind.KEY, 5),
        (FailureKind.MONEY, 5),
        (FailureKind.MODEL, 5),
        (FailureKind.UNREACHABLE, 0),
    ],
)
def test_what_nobody_would_be_spared_ends_the_evaluation(parted, kind, number):
    """A wrong key is for the user to mend, and so is a server that was never there."""
    with pytest.raises(CallError):
        evaluate(parted, [failing(parted, call_error(kind), number)])


def test_systems_need_names_of_their_own(parted):
    """Otherwise nobody could tell their rows apart."""
    with pytest.raises(EvaluationError, match="names of their own"):
        evaluate(parted, [RandomBaseline(), RandomBaseline()])


def test_the_same_seed_gives_the_same_figures(parted, tree):
    """All of them."""
    once, again = (
        evaluate(parted, [RandomBaseline(), Als(), Chain(Recommender(tree))]).as_dict()
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
    return Scripted(lambda case, limit: Answer(("item-001",), usage))


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
    parted, usage, price, cost, estimated
):
    """By what the server counted; our own count stands beside it, and nothing costs nothing."""
    (outcome,) = evaluate(parted, [paid(usage)], price=price).outcomes

    told = outcome.as_dict()
    assert (cost, estimated) == tuple(
        money and money["EUR"] for money in (told["cost"], told["estimated_cost"])
    )


def test_what_asks_no_model_costs_nothing_where_no_price_is_known(parted):
    """Which is not the same as a price that nobody knows."""
    (outcome,) = evaluate(parted, [paid(Usage())]).outcomes

    assert {} == outcome.as_dict()["cost"]


def broken(case, limit):
    raise ReplyError("the call failed.")


def test_what_failed_calls_took_is_unknown_and_not_nothing(parted):
    """They were billed all the same."""
    made = evaluate(parted, [Scripted(broken)], price=PRICE)
    (outcome,) = made.outcomes
    told = outcome.as_dict()

    assert (0, None, None, None) == tuple(
        told[name] for name in ("priced", "usage", "cost", "estimated_cost")
    )
    assert ("unknown", "unknown", "unknown") == (*told_tokens(outcome), told_cost(outcome))
    assert "what the failed people took is unknown" in outcome.remarks
    assert "is unknown of every system" in page(made, {})


def test_what_has_no_bill_is_not_drawn_as_free(parted):
    """Its place on the axis of tokens is nowhere."""
    free = Scripted(lambda case, limit: [], "free")
    drawn = page(evaluate(parted, [Scripted(broken), free]), {})

    assert ">2</text>" in drawn
    assert ">1</text>" not in drawn


def test_tokens_without_those_of_failed_people_are_told(parted):
    """Their calls may have been paid for."""
    (outcome,) = evaluate(parted, [failing(parted, ReplyError("no."), 3)]).outcomes

    assert "without the tokens of 1 failed person" in outcome.remarks
