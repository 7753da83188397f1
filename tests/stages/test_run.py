import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.judges import ScriptedJudge, by_key
from unillmrec.errors import EndpointError, SettingsError
from unillmrec.judge import Choice, Dropped, Exchange, Profile, Question, Verdict
from unillmrec.stages import Options, Run
from unillmrec.store import ROOT
from unillmrec.usage import Stage, Usage


@pytest.mark.parametrize("name", ["limit", "leaves", "shown", "candidates", "history"])
def test_counts_are_positive(name):
    """A count of nothing is refused with its name and value."""
    with pytest.raises(SettingsError, match=f"{name} is 0; it must be at least 1"):
        Options(**{name: 0})


@pytest.mark.parametrize("variety", [-0.1, 1.1, float("nan")])
def test_variety_is_a_share(variety):
    """Variety lies between 0 and 1."""
    with pytest.raises(SettingsError, match="it lies between 0 and 1"):
        Options(variety=variety)


@pytest.mark.parametrize(("limit", "expected"), [(1, 30), (10, 30), (20, 30), (21, 31), (60, 90)])
def test_wants_more_than_the_list_holds(limit, expected):
    """The ranking has a choice, however long the list."""
    assert expected == Options(limit=limit).wanted


def test_counts_what_is_excluded_at_every_level(tree, placed, run_with):
    """An excluded item is missing from its leaf, from each branch above and from the root."""
    item = placed[0]
    run = run_with(None, [item, item])

    above = [tree.node(ROOT), *tree.ancestors(item.leaf)]
    assert [node.size - 1 for node in above] == [run.eligible(node) for node in above]
    other = next(child for child in tree.children(ROOT) if child not in above)
    assert other.size == run.eligible(other)


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
        run = Run(tree, ScriptedJudge(by_key(), at_once=4, pauses=3), Options(), executor=executor)
        run.trace = lambda stage, answer, question: told.append((stage, answer, question))
        actual = run.ask(asked)

    assert expected == actual
    assert [(Stage.RECALL, *pair) for pair in zip(expected, asked, strict=True)] == told
    assert 12 == run.bill.total().calls


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
        run = Run(tree, judge, Options(), executor=executor if at_once > 1 else None)
        run.trace = lambda stage, answer, question: told.append((question.choices[0].key, answer))
        run.on_call = lambda stage, exchange: calls.append(exchange.error)
        with pytest.raises(EndpointError, match="gone"):
            run.ask(questions(3))

    assert [0, 1, 2] == [key for key, _ in told]
    assert ["gone"] == calls == [each.error for _, each in told if isinstance(each, Exchange)]
    assert 3 == run.bill.total().calls
    assert answered == run.answers


def test_questions_behind_a_failure_are_not_begun(tree):
    """What is not under way when a question fails is not asked, and costs nothing."""
    judge = Failing({2, 3, 4}, at_once=3)

    with ThreadPoolExecutor(3) as executor:
        run = Run(tree, judge, Options(), executor=executor)
        with pytest.raises(EndpointError):
            run.ask(questions(200))

    assert len(judge.asked) < 200
    assert len(judge.asked) == run.answers


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
        run = Run(tree, Slow(by_key(), at_once=2), Options(), executor=executor)
        run.trace = interrupt
        with pytest.raises(KeyboardInterrupt):
            run.ask(questions(2))
        answers = run.answers
        ready.set()

    assert 1 == answers


def test_no_window_asks_for_more_than_it_has(tree):
    """A list of thousands is gathered from windows of seventy, seventy at most from each."""
    run = Run(tree, ScriptedJudge(by_key(), window=70), Options())
    choices = tuple(Choice(n, "a", n) for n in range(1, 151))
    question = Question("pick", Stage.RECALL, Profile(()), choices, 100)

    limits = [part.limit for part, _ in run.windows(question)]

    assert [70, 70, 10] == limits


def test_counts_who_answered_for_the_judge(tree):
    """A stand-in's answers are counted by its name, beside all answers."""
    run = Run(tree, None, Options())

    run.note(Stage.RANK, Verdict((), fallback="somebody"))
    run.note(Stage.RANK, Verdict(()))

    assert (2, {"somebody": 1}) == (run.answers, dict(run.fallback_answers))


def test_keeps_what_was_dropped_and_tells_of_each_call(tree):
    """An answer's counts add up, and whoever watches the calls sees each one."""
    calls = []
    run = Run(tree, None, Options())
    run.on_call = lambda stage, exchange: calls.append((stage, exchange))
    exchange = Exchange((("user", "which?"),), "1", Usage(calls=1))

    run.note(Stage.RANK, Verdict((), Dropped(invented=2), exchange.usage, (exchange,)))
    run.note(Stage.RANK, Verdict((), Dropped(repeated=1), exchange.usage, (exchange,)))

    assert Dropped(invented=2, repeated=1) == run.dropped
    assert [(Stage.RANK, exchange)] * 2 == calls
    assert {Stage.RANK: Usage(calls=2)} == run.bill.by_stage()
