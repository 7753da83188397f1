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
    """An endpoint that answers, fails, or says nothing of what it took, as a seed draws."""

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


def ids(made):
    return [each.item.id for each in made.items]


@pytest.mark.parametrize("seed", range(60))
def test_any_budget_gives_a_full_list_and_is_kept(tree, writer, seed):
    """Whatever the budget and the faults: no overrun, ten new items, each once."""
    chance = random.Random(seed)
    endpoint = Moody(seed, writer)
    budget = Budget(
        tokens=chance.choice([None, 0, chance.randrange(12_000)]),
        calls=chance.choice([None, 0, chance.randrange(12)]),
        seconds=60,
    )
    judge = LanguageModelJudge(endpoint, writer, SimilarityJudge(tree), at_once=4)
    walk = chance.choice(["auto", "best-first", "beam", "depth-first", "hybrid", "retrieve"])

    made = recommend(tree, judge, budget, walk=walk)

    assert 10 == len(set(ids(made)))
    assert not set(HISTORY) & set(ids(made))
    assert budget.calls is None or endpoint.sent <= budget.calls
    assert budget.tokens is None or endpoint.tokens <= budget.tokens
    assert 0 == made.overrun


def test_no_budget_at_all_is_the_embedded_judge_alone(tree, writer):
    """Zero calls ask nobody, and give the list of the embedded judge, found by nobody else."""
    endpoint = Moody(1, writer, failing=0)
    judge = LanguageModelJudge(endpoint, writer, SimilarityJudge(tree), at_once=1)

    made = recommend(tree, judge, Budget(calls=0))

    alone = Recommender(tree).recommend(HISTORY)
    assert ids(alone) == ids(made)
    assert (0, "calls") == (endpoint.sent, made.partial)
    assert {"fallback"} == {each.found for each in made.items}


def test_a_walk_leaves_something_for_the_ranking(tree, writer):
    """Recall stops asking when its share is spent, so that picking and ranking are asked."""
    endpoint = Moody(1, writer, failing=0)
    judge = LanguageModelJudge(endpoint, writer, SimilarityJudge(tree), at_once=1)

    made = recommend(tree, judge, Budget(calls=8), branches=20)

    by_stage = {stage: usage.calls for stage, usage in made.usage.items()}
    assert "calls" == made.partial
    assert 1 == by_stage["rank"]
    assert 8 >= sum(by_stage.values()) >= 8 * WALK_SHARE


def test_enough_of_a_budget_changes_nothing(tree, writer):
    """A budget that is not needed gives the list there would be without one."""
    judge = LanguageModelJudge(Moody(1, writer, failing=0), writer, SimilarityJudge(tree))

    without = recommend(tree, judge, None)
    within = recommend(tree, judge, Budget(tokens=10**6, calls=1000, seconds=1000))

    assert ids(without) == ids(within)
    assert "" == within.partial


@pytest.mark.parametrize("at_once", [1, 4])
def test_an_interruption_gives_the_list_so_far(tree, at_once):
    """Ctrl-C within a budget ends the asking; the embedded judge finishes the list."""

    class Interrupted(ScriptedJudge):
        def choose(self, question):
            if len(self.asked) == 3:
                raise KeyboardInterrupt
            return super().choose(question)

    judge = Interrupted(by_key(), at_once=at_once)

    made = recommend(tree, judge, Budget(seconds=1000))

    assert ("interrupted", 10) == (made.partial, len(made.items))


def test_an_interruption_without_a_budget_ends_everything(tree):
    """Who did not ask for a list whatever happens gets the interruption."""

    class Interrupted(ScriptedJudge):
        def choose(self, question):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recommend(tree, Interrupted(by_key()), None)


@pytest.mark.parametrize(
    "kind", [FailureKind.KEY, FailureKind.MONEY, FailureKind.MODEL, FailureKind.UNREACHABLE]
)
def test_a_mistake_in_the_settings_is_told_and_not_papered_over(tree, writer, kind):
    """Where nothing was ever answered, a wrong key is an error, budget or not."""

    class Refusing(Moody):
        def complete(self, request):
            raise self._error(CallError("no"), kind, Usage())

    judge = LanguageModelJudge(Refusing(1, writer), writer, SimilarityJudge(tree))

    with pytest.raises(EndpointError, match="no"):
        recommend(tree, judge, Budget(calls=100))


def test_an_endpoint_that_goes_away_ends_the_asking(tree, writer):
    """After answers, a failure within a budget is told in the result, not raised."""

    class Leaving(Moody):
        def complete(self, request):
            if self.sent == 3:
                raise self._error(CallError("it is gone"), FailureKind.UNREACHABLE, Usage())
            return super().complete(request)

    judge = LanguageModelJudge(
        Leaving(1, writer, failing=0), writer, SimilarityJudge(tree), at_once=1
    )

    made = recommend(tree, judge, Budget(calls=100))

    assert ("endpoint", "it is gone", 10) == (made.partial, made.note, len(made.items))


def test_a_late_call_is_the_deadlines(tree, writer):
    """A call that fails when the time is over is told as the deadline it met."""
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
        made = recommend(tree, judge, tracker)

    assert ("deadline", 10) == (made.partial, len(made.items))


def test_a_run_counts_its_rounds(tree):
    """Questions that are asked together are one wait."""
    judge = ScriptedJudge(by_key(), at_once=4)

    made = recommend(tree, judge, None)

    asked = len(judge.asked)
    assert made.rounds < asked
    assert start_run(tree, judge).asker.counts.waits.total() == 0
