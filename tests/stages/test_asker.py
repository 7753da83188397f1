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
    """Whichever answer is ready first, each is returned, billed and traced in its turn."""
    asked = questions(12)
    expected = [ScriptedJudge(by_key()).choose(question) for question in asked]
    told = []

    with ThreadPoolExecutor(4) as executor:
        asker = start_run(
            tree, ScriptedJudge(by_key(), at_once=4, pauses=3), executor=executor
        ).asker
        asker.on_trace = lambda stage, answer, question: told.append((stage, answer, question))
        actual = asker.ask(asked)

    assert expected == actual
    assert [(Stage.RECALL, *pair) for pair in zip(expected, asked, strict=True)] == told
    assert 12 == asker.counts.bill.total().calls


class Failing(ScriptedJudge):
    """Fails at the questions with these keys, when the others are answered."""

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
    """What was answered is billed and traced though another question fails, and so is that."""
    told, calls = [], []
    judge = Failing({2}, at_once=at_once)

    with ThreadPoolExecutor(at_once) as executor:
        asker = start_run(tree, judge, executor=executor if at_once > 1 else None).asker
        asker.on_trace = lambda stage, answer, question: told.append(
            (question.choices[0].key, answer)
        )
        asker.on_call = lambda stage, exchange: calls.append(exchange.error)
        with pytest.raises(EndpointError, match="gone"):
            asker.ask(questions(3))

    assert [0, 1, 2] == [key for key, _ in told]
    assert ["gone"] == calls == [each.error for _, each in told if isinstance(each, Exchange)]
    assert 3 == asker.counts.bill.total().calls
    assert answered == asker.counts.answers


def test_questions_behind_a_failure_are_not_begun(tree):
    """What is not under way when a question fails is not asked, and costs nothing."""
    judge = Failing({2, 3, 4}, at_once=3)

    with ThreadPoolExecutor(3) as executor:
        asker = start_run(tree, judge, executor=executor).asker
        with pytest.raises(EndpointError):
            asker.ask(questions(200))

    assert len(judge.asked) < 200
    assert len(judge.asked) == asker.counts.answers


def test_who_interrupts_does_not_wait(tree):
    """An interruption keeps what is there, and leaves what is not ready."""
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


def test_counts_who_answered_for_the_judge(tree):
    """A stand-in's answers are counted by its name, beside all answers."""
    asker = start_run(tree, None).asker

    asker.record(Stage.RANK, Verdict((), fallback="somebody"))
    asker.record(Stage.RANK, Verdict(()))

    assert (2, {"somebody": 1}) == (asker.counts.answers, dict(asker.counts.fallback_answers))


def test_keeps_what_was_dropped_and_tells_of_each_call(tree):
    """An answer's counts add up, and whoever watches the calls sees each one."""
    calls = []
    asker = start_run(tree, None).asker
    asker.on_call = lambda stage, exchange: calls.append((stage, exchange))
    exchange = Exchange((("user", "which?"),), "1", Usage(calls=1))

    asker.record(Stage.RANK, Verdict((), Dropped(invented=2), exchange.usage, (exchange,)))
    asker.record(Stage.RANK, Verdict((), Dropped(repeated=1), exchange.usage, (exchange,)))

    assert Dropped(invented=2, repeated=1) == asker.counts.dropped
    assert [(Stage.RANK, exchange)] * 2 == calls
    assert {Stage.RANK: Usage(calls=2)} == asker.counts.bill.by_stage()
