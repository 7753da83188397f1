import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.judges import ScriptedJudge, by_key
from unillmrec.errors import EndpointError
from unillmrec.judge import Choice, Dropped, Exchange, Profile, Question, Verdict
from unillmrec.stages import start_run
from unillmrec.usage import Stage, Usage


def questions(count):
    profile = Profile(())
    return [
        Question("choose", Stage.RECALL, profile, (Choice(1, "a", n), Choice(2, "b", n + 100)), 2)
        for n in range(count)
    ]


def test_answers_come_in_the_order_of_the_questions(tree):
    """Whichever answer is ready first, each is returned, billed and traced in order."""
    asked = questions(12)
    expected = [ScriptedJudge(by_key()).choose(question) for question in asked]
    traced = []

    with ThreadPoolExecutor(4) as executor:
        asker = start_run(
            tree, ScriptedJudge(by_key(), at_once=4, pauses=3), executor=executor
        ).asker
        asker.on_trace = lambda stage, answer, question: traced.append((stage, answer, question))
        actual = asker.ask(asked)

    assert expected == actual
    assert [(Stage.RECALL, *pair) for pair in zip(expected, asked, strict=True)] == traced
    assert 12 == asker.counts.bill.total().calls


class Failing(ScriptedJudge):
    """Fails at the questions with these keys, after the others are answered."""

    def __init__(self, keys, **options):
        super().__init__(by_key(), **options)
        self._keys = keys
        self._answered = threading.Semaphore(0)

    def choose(self, question):
        if question.choices[0].key not in self._keys:
            verdict = super().choose(question)
            self._answered.release()
            return verdict
        # The third question ends before the fourth begins.
        for _ in range(2):
            self._answered.acquire(timeout=0.5)
        error = EndpointError("gone")
        messages = (("user", str(question.choices[0].key)),)
        error.exchanges = (Exchange(messages, "", Usage(calls=1), error="gone"),)
        raise error


@pytest.mark.parametrize(("at_once", "answered"), [(1, 2), (3, 2)])
def test_a_failure_loses_no_answer(tree, at_once, answered):
    """If a question fails, it and all answered ones are billed and traced."""
    traced, calls = [], []
    judge = Failing({2}, at_once=at_once)

    with ThreadPoolExecutor(at_once) as executor:
        asker = start_run(tree, judge, executor=executor if at_once > 1 else None).asker
        asker.on_trace = lambda stage, answer, question: traced.append(
            (question.choices[0].key, answer)
        )
        asker.on_call = lambda stage, exchange: calls.append(exchange.error)
        with pytest.raises(EndpointError, match="gone"):
            asker.ask(questions(3))

    assert [0, 1, 2] == [key for key, _ in traced]
    assert ["gone"] == calls == [each.error for _, each in traced if isinstance(each, Exchange)]
    assert 3 == asker.counts.bill.total().calls
    assert answered == asker.counts.answers


def test_questions_after_a_failure_are_not_started(tree):
    """Questions that are not under way when another fails cost nothing."""
    judge = Failing({2, 3, 4}, at_once=3)

    with ThreadPoolExecutor(3) as executor:
        asker = start_run(tree, judge, executor=executor).asker
        with pytest.raises(EndpointError):
            asker.ask(questions(200))

    assert len(judge.asked) < 200
    assert len(judge.asked) == asker.counts.answers


def test_an_interruption_does_not_wait(tree):
    """Answers that are ready are recorded, others are abandoned."""
    ready = threading.Event()

    class Slow(ScriptedJudge):
        def choose(self, question):
            if question.choices[0].key:
                ready.wait(5)
            return super().choose(question)

    def interrupt(*_):
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as executor:
        asker = start_run(tree, Slow(by_key(), at_once=2), executor=executor).asker
        asker.on_trace = interrupt
        with pytest.raises(KeyboardInterrupt):
            asker.ask(questions(2))
        answers = asker.counts.answers
        ready.set()

    assert 1 == answers


def test_counts_fallback_answers(tree):
    """The answers of a fallback judge are counted by its name, beside all answers."""
    asker = start_run(tree, None).asker

    asker.record(Stage.RANK, Verdict((), fallback="somebody"))
    asker.record(Stage.RANK, Verdict(()))

    assert (2, {"somebody": 1}) == (asker.counts.answers, dict(asker.counts.fallback_answers))


def test_adds_dropped_counts_and_reports_each_call(tree):
    """The counts of answers add up, and the callback gets each call."""
    calls = []
    asker = start_run(tree, None).asker
    asker.on_call = lambda stage, exchange: calls.append((stage, exchange))
    exchange = Exchange((("user", "which?"),), "1", Usage(calls=1))

    asker.record(Stage.RANK, Verdict((), Dropped(invented=2), exchange.usage, (exchange,)))
    asker.record(Stage.RANK, Verdict((), Dropped(repeated=1), exchange.usage, (exchange,)))

    assert Dropped(invented=2, repeated=1) == asker.counts.dropped
    assert [(Stage.RANK, exchange)] * 2 == calls
    assert {Stage.RANK: Usage(calls=2)} == asker.counts.bill.by_stage()
