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


def test_a_hit_is_the_same_reply_without_usage(cache):
    """What it would have cost is reported as saved."""
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


def test_the_saved_usage_may_be_unknown(cache):
    """A sum with an unknown count is unknown."""
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
def test_everything_that_determines_a_reply_is_in_the_key(cache, identity, other):
    """The address, the model, every parameter, the prompt."""
    cached(cache, ["a"]).complete(request())

    assert "b" == cached(cache, ["b"], identity).complete(other).text


def test_the_budget_is_not_in_the_key(cache):
    """And a hit spends nothing of it."""
    endpoint = cached(cache, ["a"])
    endpoint.complete(request())
    tracker = BudgetTracker(Budget(tokens=20))

    reservation = tracker.reserve(10, 10)
    reservation.settle(endpoint.complete(request(reservation=reservation)).usage)

    tracker.reserve(10, 10)


def test_errors_are_not_cached(cache):
    """A failed request is sent again."""
    endpoint = cached(cache, [CallError("no."), "a"])

    with pytest.raises(CallError):
        endpoint.complete(request())

    assert "a" == endpoint.complete(request()).text


def test_threads_with_the_same_request_pay_once(cache):
    """One sends it, the others wait for its reply."""
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


def test_a_reply_that_another_thread_stored_meanwhile_is_used(cache, monkeypatch):
    """Between the lookup and the call."""
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


def test_a_thread_that_waited_for_a_failure_sends_its_own_request(cache):
    """The failure of one thread is not shared."""
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
    """As several processes may."""
    other = AnswerCache(Path("a.cache"), warnings.append)
    endpoints = [cached(each, lambda asked: "a") for each in (cache, other)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: endpoints[n % 2].complete(request(f"{n // 2}")), range(200)))
    other.close()

    assert [] == warnings
    assert 100 == len(sqlite3.connect("a.cache").execute("SELECT key FROM answer").fetchall())


def test_the_size_of_the_file_is_limited(warnings):
    """The least recently used replies are deleted first."""
    cache = AnswerCache(Path("a.cache"), warnings.append, most_bytes=300_000)
    for number in range(1_000):
        cache.put(f"{number:032}", "rank", reply("x" * 1_000))
    kept = [number for number in range(1_000) if cache.get(f"{number:032}")]
    cache.close()

    assert Path("a.cache").stat().st_size < 1_000_000
    assert 999 in kept
    assert 0 not in kept


def test_a_problem_with_the_file_is_reported_once_and_ends_nothing(cache, warnings):
    """The run goes on without its cache."""
    endpoint = cached(cache, ["a", "b", "c"])
    endpoint.complete(request())
    with sqlite3.connect("a.cache") as db:
        db.execute("DROP TABLE answer")

    assert ["b", "c"] == [endpoint.complete(request()).text for _ in range(2)]
    assert 1 == len(warnings)
    assert warnings[0].startswith("Answers are not cached any more: a.cache: no such table")


def test_a_file_of_another_program_is_not_touched():
    """Another database, or no database."""
    with sqlite3.connect("other.db") as db:
        db.execute("CREATE TABLE mine (x)")
    Path("text").write_text("no database, but long enough to be taken for one " * 30)
    before = Path("other.db").read_bytes()

    for name, words in (("other.db", "not a cache of answers"), ("text", "cannot be used")):
        with pytest.raises(SettingsError, match=words):
            AnswerCache(Path(name), print)

    assert before == Path("other.db").read_bytes()


def test_waiting_for_another_thread_does_not_block_its_retry(cache):
    """The thread that calls may need budget for a retry while others wait for its reply."""
    tracker = WaitingBudgetTracker(Budget(calls=2))
    reservations = [tracker.reserve(10, 10), tracker.reserve(10, 10)]
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

    threads = [threading.Thread(target=ask, args=[each], daemon=True) for each in reservations]
    for each in threads:
        each.start()
        asked.wait(5)
    for each in threads:
        each.join(5)

    assert {BudgetError, CallError} == set(ended)
