import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from unillmrec.budget import Budget, BudgetTracker, WaitingBudgetTracker
from unillmrec.endpoint import CallError, Message, Reply, Request, Schema
from unillmrec.endpoint.wrappers.cache import AnswerCache, CachedEndpoint
from unillmrec.errors import BudgetError, SettingsError
from unillmrec.testing import ScriptedEndpoint
from unillmrec.usage import Stage, Usage

IDENTITY = {"base_url": "http://a/v1", "model": "m", "extra_body": {"temperature": 0}}
USAGE = Usage(1, 100, 20, 30, None)


def request(text="Which?", **options):
    return Request(Stage.RANK, (Message("user", text),), 50, **options)


def reply(text="a"):
    return Reply(text, USAGE, "json_schema", "stop", "m-2", 0.125, 1, 2)


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def cache(warnings):
    cache = AnswerCache(Path("a.cache"), warnings.append)
    yield cache
    cache.close()


def cached(cache, answers, identity=IDENTITY):
    return CachedEndpoint(ScriptedEndpoint(answers), cache, identity)


def test_a_hit_is_the_same_answer_for_nothing(cache):
    """What it would have cost is kept beside what it has cost."""
    endpoint = cached(cache, [reply()])

    first, second = endpoint.complete(request()), endpoint.complete(request())

    assert reply() == first
    assert ("a", "json_schema", "stop", "m-2") == (
        *(second.text, second.asked_with),
        *(second.finish, second.model),
    )
    assert (Usage(), USAGE) == (second.usage, second.saved)
    assert (0.0, 0, 0) == (second.seconds, second.retries, second.refused)
    assert (1, 1, {Stage.RANK: USAGE}) == (
        endpoint.hits,
        endpoint.misses,
        endpoint.saved.by_stage(),
    )


def test_what_a_hit_would_have_cost_may_be_unknown(cache):
    """Unknown is not zero, and a sum with it is unknown."""
    endpoint = cached(cache, [reply()])
    for _ in range(3):
        endpoint.complete(request())

    total = endpoint.saved.total()
    assert (2, 200, None) == (total.calls, total.prompt, total.reasoning)


@pytest.mark.parametrize(
    ("identity", "other"),
    [
        (IDENTITY | {"base_url": "http://b/v1"}, request()),
        (IDENTITY | {"model": "n"}, request()),
        (IDENTITY | {"extra_body": {"temperature": 1}}, request()),
        (IDENTITY | {"response_format": "text"}, request()),
        (IDENTITY, request("Which")),
        (IDENTITY, replace(request(), max_output=51)),
        (IDENTITY, replace(request(), stage=Stage.RECALL)),
        (IDENTITY, request(schema=Schema("s", {}))),
    ],
)
def test_whatever_makes_an_answer_tells_answers_apart(cache, identity, other):
    """Endpoint, model, every parameter, the prompt."""
    cached(cache, ["a"]).complete(request())

    assert "b" == cached(cache, ["b"], identity).complete(other).text


def test_a_budget_is_no_part_of_a_question(cache):
    """And a hit takes nothing from it."""
    endpoint = cached(cache, ["a"])
    endpoint.complete(request())
    tracker = BudgetTracker(Budget(tokens=20))

    reservation = tracker.reserve(10, 10)
    reservation.settle(endpoint.complete(request(reservation=reservation)).usage)

    tracker.reserve(10, 10)


def test_errors_are_not_kept(cache):
    """What failed is asked again."""
    endpoint = cached(cache, [CallError("no."), "a"])

    with pytest.raises(CallError):
        endpoint.complete(request())

    assert "a" == endpoint.complete(request()).text


def test_threads_that_ask_the_same_pay_once(cache):
    """One asks, the others wait for its answer."""
    asked = []

    def answer(request):
        asked.append(request)
        time.sleep(0.02)
        return request.messages[0].content

    endpoint = cached(cache, answer)
    with ThreadPoolExecutor(16) as pool:
        texts = list(pool.map(lambda n: endpoint.complete(request(f"{n % 5}")).text, range(80)))

    assert [f"{n % 5}" for n in range(80)] == texts
    assert 5 == len(asked)
    assert (75, 5) == (endpoint.hits, endpoint.misses)


def test_an_answer_that_came_since_it_was_looked_for_is_taken(cache, monkeypatch):
    """Another thread asked and was answered between the looking and the asking."""
    endpoint = cached(cache, ["a", "b"])
    get = cache.get

    def slow(key):
        reply = get(key)
        monkeypatch.setattr(cache, "get", get)
        endpoint.complete(request())
        return reply

    monkeypatch.setattr(cache, "get", slow)

    assert "a" == endpoint.complete(request()).text
    assert (1, 1) == (endpoint.hits, endpoint.misses)


def test_who_waits_for_a_failure_asks_for_itself(cache):
    """The failure of one thread is not that of all."""
    first = threading.Event()

    def answer(request):
        if not first.is_set():
            first.set()
            time.sleep(0.05)
            raise CallError("no.")
        return "a"

    endpoint = cached(cache, answer)
    with ThreadPoolExecutor(2) as pool:
        failing = pool.submit(endpoint.complete, request())
        first.wait(2)
        waiting = pool.submit(endpoint.complete, request())

        assert "a" == waiting.result(5).text
        with pytest.raises(CallError):
            failing.result(5)


def test_several_caches_may_use_one_file(warnings, cache):
    """As several processes do."""
    other = AnswerCache(Path("a.cache"), warnings.append)
    endpoints = [cached(each, lambda asked: "a") for each in (cache, other)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: endpoints[n % 2].complete(request(f"{n // 2}")), range(200)))
    other.close()

    assert [] == warnings
    assert 100 == len(sqlite3.connect("a.cache").execute("SELECT key FROM answer").fetchall())


def test_the_file_does_not_grow_for_ever(warnings):
    """What was not used for longest goes first."""
    cache = AnswerCache(Path("a.cache"), warnings.append, most_bytes=300_000)
    for number in range(1_000):
        cache.put(f"{number:032}", "rank", reply("x" * 1_000))
    kept = [number for number in range(1_000) if cache.get(f"{number:032}")]
    cache.close()

    assert Path("a.cache").stat().st_size < 1_000_000
    assert 999 in kept
    assert 0 not in kept


def test_trouble_with_the_file_is_told_once_and_costs_nothing(cache, warnings):
    """A run that is under way goes on without its cache."""
    endpoint = cached(cache, ["a", "b", "c"])
    endpoint.complete(request())
    with sqlite3.connect("a.cache") as db:
        db.execute("DROP TABLE answer")

    assert ["b", "c"] == [endpoint.complete(request()).text for _ in range(2)]
    assert 1 == len(warnings)
    assert warnings[0].startswith("Answers are not cached any more: a.cache: no such table")


def test_a_file_of_somebody_else_is_left_alone():
    """Another database, or none at all."""
    with sqlite3.connect("other.db") as db:
        db.execute("CREATE TABLE mine (x)")
    Path("text").write_text("no database, but long enough to be taken for one " * 30)
    before = Path("other.db").read_bytes()

    for name, words in (("other.db", "not a cache of answers"), ("text", "cannot be used")):
        with pytest.raises(SettingsError, match=words):
            AnswerCache(Path(name), print)

    assert before == Path("other.db").read_bytes()


def test_who_waits_for_an_answer_keeps_nobody_waiting_for_money(cache):
    """The one that asks may need room for a repetition, while another waits for its answer."""
    tracker = WaitingBudgetTracker(Budget(calls=2))
    tickets = [tracker.reserve(10, 10), tracker.reserve(10, 10)]
    asked = threading.Event()

    class Repeating:
        model, name = "m", "n"

        def complete(self, request):
            if asked.is_set():
                raise CallError("no.")
            asked.set()
            time.sleep(0.05)
            request.reservation.repeat(Usage())
            raise AssertionError("There is no room for a third call.")

    endpoint = CachedEndpoint(Repeating(), cache, IDENTITY)
    ended = []

    def ask(reservation):
        try:
            endpoint.complete(request(reservation=reservation))
        except (BudgetError, CallError) as error:
            ended.append(type(error))

    threads = [threading.Thread(target=ask, args=[each], daemon=True) for each in tickets]
    for each in threads:
        each.start()
        asked.wait(5)
    for each in threads:
        each.join(5)

    assert {BudgetError, CallError} == set(ended)
