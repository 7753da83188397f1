import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.judges import ScriptedJudge, by_key
from unillmrec.budget import Budget, BudgetTracker
from unillmrec.endpoint import AnswerError, CallError, FailureKind, Reply
from unillmrec.errors import EndpointError
from unillmrec.judge import CONTRACTS, LanguageModelJudge, PromptWriter, SimilarityJudge
from unillmrec.prompts import PromptSet
from unillmrec.recommending.recommender import Recommender
from unillmrec.stages import Options, start_run
from unillmrec.stages.recall.tree_walk import WALK_SHARE
from unillmrec.testing import sensible_answer
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Usage

HISTORY = ["item-000", "item-006", "item-012"]


@pytest.fixture(scope="module")
def writer():
    return PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model("gpt-4o"))


class Moody:
    """An endpoint that randomly answers, fails, or reports no usage."""

    model, name = "moody", "here"

    def __init__(self, seed, writer, failing=0.3):
        self.sent = self.tokens = 0
        self._chance = random.Random(seed)
        self._counter = writer.counter
        self._failing = failing
        self._lock = threading.Lock()

    def complete(self, request):
        with self._lock:
            drawn = self._chance.random()
            self.sent += 1
        if drawn < self._failing / 3:
            raise self._error(CallError("HTTP 500", retryable=True), FailureKind.SERVER, Usage())
        usage = self._usage(request, drawn)
        if drawn < self._failing / 2:
            raise self._error(AnswerError("empty"), FailureKind.EMPTY, usage)
        text = "?" if drawn < self._failing else sensible_answer(request.messages[-1].content)
        return Reply(text, usage, "json_schema", "stop", None, 0.0)

    def _usage(self, request, drawn):
        prompt = self._counter.count_messages([each.content for each in request.messages])
        completion = min(request.max_output, 40)
        with self._lock:
            self.tokens += prompt + completion
        return Usage(1, None, None) if drawn > 0.9 else Usage(1, prompt, completion)

    def _error(self, error, kind, usage):
        error.kind, error.usage = kind, usage
        return error


def recommend(tree, judge, budget, **options):
    return Recommender(tree, judge).recommend(HISTORY, options=Options(**options), budget=budget)


def ids(result):
    return [each.item.id for each in result.items]


@pytest.mark.parametrize("seed", range(60))
def test_every_budget_is_kept_and_gives_a_full_list(tree, writer, seed):
    """Whatever the budget and the failures, there are ten new items and no overrun."""
    chance = random.Random(seed)
    endpoint = Moody(seed, writer)
    budget = Budget(
        tokens=chance.choice([None, 0, chance.randrange(12_000)]),
        calls=chance.choice([None, 0, chance.randrange(12)]),
        seconds=60,
    )
    judge = LanguageModelJudge(endpoint, writer, SimilarityJudge(tree), at_once=4)
    walk = chance.choice(["auto", "best-first", "beam", "depth-first", "hybrid", "retrieve"])

    result = recommend(tree, judge, budget, walk=walk)

    assert 10 == len(set(ids(result)))
    assert not set(HISTORY) & set(ids(result))
    assert budget.calls is None or endpoint.sent <= budget.calls
    assert budget.tokens is None or endpoint.tokens <= budget.tokens
    assert 0 == result.overrun


def test_a_budget_of_zero_leaves_the_embedded_judge(tree, writer):
    """Nothing is asked, and the list is the embedded judge's."""
    endpoint = Moody(1, writer, failing=0)
    judge = LanguageModelJudge(endpoint, writer, SimilarityJudge(tree), at_once=1)

    result = recommend(tree, judge, Budget(calls=0))

    alone = Recommender(tree).recommend(HISTORY)
    assert ids(alone) == ids(result)
    assert (0, "calls") == (endpoint.sent, result.partial)
    assert {"fallback"} == {each.found for each in result.items}


def test_a_walk_leaves_budget_for_the_ranking(tree, writer):
    """Recall stops asking when its share is spent, so that picking and ranking are asked."""
    endpoint = Moody(1, writer, failing=0)
    judge = LanguageModelJudge(endpoint, writer, SimilarityJudge(tree), at_once=1)

    result = recommend(tree, judge, Budget(calls=8), branches=20)

    by_stage = {stage: usage.calls for stage, usage in result.usage.items()}
    assert "calls" == result.partial
    assert 1 == by_stage["rank"]
    assert 8 >= sum(by_stage.values()) >= 8 * WALK_SHARE


def test_a_large_budget_changes_nothing(tree, writer):
    """The list is the same as without a budget."""
    judge = LanguageModelJudge(Moody(1, writer, failing=0), writer, SimilarityJudge(tree))

    without = recommend(tree, judge, None)
    within = recommend(tree, judge, Budget(tokens=10**6, calls=1000, seconds=1000))

    assert ids(without) == ids(within)
    assert "" == within.partial


@pytest.mark.parametrize("at_once", [1, 4])
def test_an_interruption_gives_a_complete_list(tree, at_once):
    """After Ctrl-C within a budget, the embedded judge completes the list."""

    class Interrupted(ScriptedJudge):
        def choose(self, question):
            if len(self.asked) == 3:
                raise KeyboardInterrupt
            return super().choose(question)

    judge = Interrupted(by_key(), at_once=at_once)

    result = recommend(tree, judge, Budget(seconds=1000))

    assert ("interrupted", 10) == (result.partial, len(result.items))


def test_an_interruption_without_a_budget_is_raised(tree):
    """Without a budget there is no list after Ctrl-C."""

    class Interrupted(ScriptedJudge):
        def choose(self, question):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recommend(tree, Interrupted(by_key()), None)


@pytest.mark.parametrize(
    "kind", [FailureKind.KEY, FailureKind.MONEY, FailureKind.MODEL, FailureKind.UNREACHABLE]
)
def test_an_error_in_the_settings_is_raised(tree, writer, kind):
    """If nothing was ever answered, a wrong key is an error even with a budget."""

    class Refusing(Moody):
        def complete(self, request):
            raise self._error(CallError("no"), kind, Usage())

    judge = LanguageModelJudge(Refusing(1, writer), writer, SimilarityJudge(tree))

    with pytest.raises(EndpointError, match="no"):
        recommend(tree, judge, Budget(calls=100))


def test_an_endpoint_that_goes_away_ends_paid_questions(tree, writer):
    """After some answers, a failure within a budget is noted in the result, not raised."""

    class Leaving(Moody):
        def complete(self, request):
            if self.sent == 3:
                raise self._error(CallError("it is gone"), FailureKind.UNREACHABLE, Usage())
            return super().complete(request)

    judge = LanguageModelJudge(
        Leaving(1, writer, failing=0), writer, SimilarityJudge(tree), at_once=1
    )

    result = recommend(tree, judge, Budget(calls=100))

    assert ("endpoint", "it is gone", 10) == (result.partial, result.note, len(result.items))


def test_a_late_failure_counts_as_the_deadline(tree, writer):
    """A call that fails after the deadline is reported as the deadline."""
    now = 0.0

    class Slow(Moody):
        def complete(self, request):
            nonlocal now
            now += 2
            if request.reservation.seconds_left <= 0:
                raise self._error(CallError("timed out"), FailureKind.TIMEOUT, Usage(1, None, None))
            return super().complete(request)

    judge = LanguageModelJudge(Slow(1, writer, failing=0), writer, SimilarityJudge(tree))
    judge.at_once = 1
    with ThreadPoolExecutor(1):
        tracker = BudgetTracker(Budget(seconds=7), clock=lambda: now)
        result = recommend(tree, judge, tracker)

    assert ("deadline", 10) == (result.partial, len(result.items))


def test_a_run_counts_its_waits(tree):
    """Questions asked together are one wait."""
    judge = ScriptedJudge(by_key(), at_once=4)

    result = recommend(tree, judge, None)

    asked = len(judge.asked)
    assert result.rounds < asked
    assert start_run(tree, judge).asker.counts.waits.total() == 0
