"""Systems, evaluated and compared."""

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


def test_content_and_collaborative_systems_beat_random(held_out, tree):
    """Each person likes one topic, which random and popularity ignore."""
    systems = [
        RandomBaseline(),
        MostPopular(),
        TfIdf(),
        Bm25(),
        FlatVectors(tree),
        ItemKnn(),
        Als(),
    ]
    evaluation = evaluate(held_out, [*systems, UnillmrecSystem(Recommender(tree))], at=20)
    found = {each.name: each.estimates["recall@20"].value for each in evaluation.results}

    blind = max(found.pop("random"), found.pop("most popular"))
    assert blind < 0.12
    assert all(value > 0.16 for value in found.values()), found
    assert not any(sum(each.scored.invalid.as_dict().values()) for each in evaluation.results)


def test_no_system_recommends_items_that_were_rated_low(tree):
    """They are excluded, and count as seen if they are listed."""
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


def test_systems_that_learn_from_others_are_marked(tree):
    """They are not zero-shot."""
    systems = build_systems(means(tree))

    assert {"most popular", "item-kNN", "ALS"} == {s.name for s in systems if not s.zero_shot}
    assert "unillmrec" == systems[-1].name


def test_a_tree_with_popularity_is_marked(tmp_path):
    """It contains other people's interactions."""
    with trees.popular_tree(tmp_path) as popular:
        assert not UnillmrecSystem(Recommender(popular)).zero_shot


def test_an_unknown_system_is_rejected(tree):
    """The error lists the known ones."""
    with pytest.raises(EvaluationError, match="there is no system 'tfdif'") as raised:
        build_systems(means(tree), ["tfdif"])

    assert all(name in raised.value.remedy for name in SYSTEMS)


def test_only_systems_that_ask_a_model_have_estimated_usage(held_out, tree):
    """Baselines add nothing; without names, all that ask a model count."""
    context = SystemContext.without_model(tree, Settings.resolve({}))
    some = replace(held_out, data=replace(held_out.data, cases=held_out.data.cases[:2]))
    chain = estimate_total_usage(context, some, [REFERENCE])

    assert 0 < chain.calls
    assert chain == estimate_total_usage(context, some, ["tfidf"])
    assert chain.calls < estimate_total_usage(context, some, ["paper"]).calls
    assert (
        estimate_total_usage(context, some).calls
        == estimate_total_usage(context, some, MODEL_SYSTEMS).calls
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
    evaluation = evaluate(held_out, systems)
    comparisons = {(each.system, each.metric): each for each in evaluation.comparisons}

    assert 1 == comparisons["nothing", "recall@10"].difference.value
    half = comparisons["half", "ndcg@10"]
    assert pytest.approx(0.5, abs=0.01) == half.difference.value
    assert half.difference.low < 0.5 < half.difference.high
    assert half.p <= half.p_corrected < 1e-6
    assert {"all"} == {each.reference for each in evaluation.comparisons}


def test_the_difference_of_two_systems_without_hits_is_unknown(held_out):
    """An interval of zero width would mean that they are known to be alike."""
    empty = [Scripted(lambda case, limit: [], name) for name in ("one", "other")]
    evaluation = evaluate(held_out, empty)

    assert {(None, None, None)} == {
        tuple(each.difference.as_dict().values()) for each in evaluation.comparisons
    }
    assert {"-"} == {format_p_value(each) for each in evaluation.comparisons}


def test_lists_finished_by_the_embedded_judge_are_reported(held_out):
    """In the remarks, in JSON and on the page."""

    def cut_short(case, limit):
        return RankedList((), partial="deadline" if case.number < 3 else "")

    evaluation = evaluate(held_out, [Scripted(cut_short)])

    assert 3 == evaluation.as_dict()["systems"][0]["partial"]
    assert "3 of 36 people partial" in evaluation.results[0].remarks[0]
    assert "3 of 36 people partial" in render_page(evaluation, {})


def test_an_incomplete_walk_is_partial(held_out, tree):
    """The list has the reason."""

    class Poor(Recommender):
        def recommend(self, *person, **how):
            return super().recommend(*person, **how, budget=Budget(calls=0))

    judge = LanguageModelJudge(ScriptedEndpoint([]), means(tree).writer, SimilarityJudge(tree))
    chain = UnillmrecSystem(Poor(tree, judge))

    assert "calls" == chain.answer(held_out.data.cases[0], 5).partial


def test_a_metric_of_zero_or_one_has_an_interval(held_out):
    """The next person could differ from the thirty-six."""
    blind = Scripted(lambda case, limit: [], "blind")
    knowing = Scripted(lambda case, limit: list(held_out.truth.items_of(case.number)), "knowing")
    none, every = (each.estimates for each in evaluate(held_out, [blind, knowing]).results)

    for metric in ("recall@10", "hit@10", "ndcg@10"):
        assert (0.0, 0.0) == (none[metric].value, none[metric].low)
        assert 0.05 < none[metric].high < 0.15
        assert 0.85 < every[metric].low < 0.95
        assert (1.0, 1.0) == (every[metric].value, every[metric].high)


def failing(held_out, error, number):
    """A system that finds everything, except that the call for one person fails."""

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
def test_one_failure_does_not_end_the_evaluation(held_out, error, number):
    """It counts as a miss, and is reported."""
    evaluation = evaluate(held_out, [failing(held_out, error, number)])
    (result,) = evaluation.results

    assert pytest.approx(35 / 36) == result.estimates["recall@10"].value
    assert pytest.approx(35 / 36) == result.estimates["recalled"].value
    assert (1, 35) == (evaluation.as_dict()["systems"][0]["failed"], result.priced)
    assert "1 of 36 people failed" in result.remarks[0]
    assert "the call failed" in render_page(evaluation, {})


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (FailureKind.KEY, 5),
        (FailureKind.MONEY, 5),
        (FailureKind.MODEL, 5),
        (FailureKind.UNREACHABLE, 0),
    ],
)
def test_failures_that_would_repeat_end_the_evaluation(held_out, kind, number):
    """Such as a wrong key, or a server that cannot be reached."""
    with pytest.raises(CallError):
        evaluate(held_out, [failing(held_out, call_error(kind), number)])


def test_systems_need_unique_names(held_out):
    """Otherwise their rows could not be distinguished."""
    with pytest.raises(EvaluationError, match="unique names"):
        evaluate(held_out, [RandomBaseline(), RandomBaseline()])


def test_the_same_seed_gives_the_same_metrics(held_out, tree):
    """All of them."""
    once, again = (
        evaluate(held_out, [RandomBaseline(), Als(), UnillmrecSystem(Recommender(tree))]).as_dict()
        for _ in range(2)
    )
    for evaluation in (once, again):
        del evaluation["seconds"]
        for system in evaluation["systems"]:
            del system["seconds"]

    assert once == again


def test_a_catalog_without_words_has_vectors():
    """All titles may be emoji."""
    emoji = ItemIndex(tuple(Item(id=str(n), title="🐳" * (n + 1)) for n in range(3)))

    assert (3, 1) == text_rows(emoji).shape


def test_rows_of_zeros_stay_as_they_are():
    """An item without known words is similar to nothing."""
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
def test_costs_are_per_person_and_unknown_stays_unknown(held_out, usage, price, cost, estimated):
    """By the server's counts, with our estimate beside them; no calls cost nothing."""
    (result,) = evaluate(held_out, [paid(usage)], price=price).results

    plain = result.as_dict()
    assert (cost, estimated) == tuple(
        money and money["EUR"] for money in (plain["cost"], plain["estimated_cost"])
    )


def test_a_system_without_calls_is_free_without_a_price(held_out):
    """An unknown price is not the same as no cost."""
    (result,) = evaluate(held_out, [paid(Usage())]).results

    assert {} == result.as_dict()["cost"]


def broken(case, limit):
    raise ReplyError("the call failed.")


def test_the_tokens_of_failed_calls_are_unknown(held_out):
    """They may have been billed."""
    evaluation = evaluate(held_out, [Scripted(broken)], price=PRICE)
    (result,) = evaluation.results
    plain = result.as_dict()

    assert (0, None, None, None) == tuple(
        plain[name] for name in ("priced", "usage", "cost", "estimated_cost")
    )
    assert ("unknown", "unknown", "unknown") == (*format_tokens(result), format_cost(result))
    assert "the tokens of the failed people are unknown" in result.remarks
    assert "are unknown for every system" in render_page(evaluation, {})


def test_systems_with_unknown_tokens_are_not_plotted(held_out):
    """They must not look free."""
    free = Scripted(lambda case, limit: [], "free")
    drawn = render_page(evaluate(held_out, [Scripted(broken), free]), {})

    assert ">2</text>" in drawn
    assert ">1</text>" not in drawn


def test_missing_tokens_of_failed_people_are_reported(held_out):
    """Their calls may have been paid for."""
    (result,) = evaluate(held_out, [failing(held_out, ReplyError("no."), 3)]).results

    assert "without the tokens of 1 failed person" in result.remarks
