"""The same batch on Ray: what workers share, what comes back, and what a kill leaves."""

import asyncio
import json
import os
import time

import pytest

from tests.batch.conftest import histories
from tests.cli.conftest import in_process
from unillmrec.batch.journal import Journal, reply_as_json
from unillmrec.batch.on_ray import SerializedError, SharedBudgetActor
from unillmrec.budget import Budget
from unillmrec.endpoint import CallError, FailureKind, Reply
from unillmrec.errors import BatchError, BudgetError, PersonError, ReplyError, StoreError
from unillmrec.testing import FakeServer
from unillmrec.usage import Stage, Usage
from unillmrec.usage_log import read_log


def call_error():
    error = CallError("refused.", detail="because", remedy="ask again")
    error.kind = FailureKind.KEY
    return error


@pytest.mark.parametrize(
    "error",
    [
        call_error(),
        BudgetError("tokens", "the budget of tokens is spent."),
        PersonError("nobody.", detail="at all"),
        BatchError("the batch is being ended."),
        ReplyError("nonsense."),
    ],
)
def test_errors_travel(error):
    """A batch does the same about them, wherever they happened."""
    back = SerializedError.of(error).as_error()

    assert type(error) is type(back)
    assert str(error) == str(back)
    assert getattr(error, "kind", None) == getattr(back, "kind", None)
    assert getattr(error, "limit", None) == getattr(back, "limit", None)


def test_other_errors_keep_their_words():
    """What only ends a run need not be of its own kind."""
    assert "broken." == SerializedError.of(StoreError("broken.")).as_error().problem


def test_the_till_counts_turns_and_money(tmp_path):
    """No more calls at once, and no more tokens, than all workers may have together."""

    async def tell():
        till = SharedBudgetActor(str(tmp_path / "answers"), 2, Budget(tokens=100), None)
        assert await till.begin()
        assert await till.begin()
        third = asyncio.ensure_future(till.begin())
        await asyncio.sleep(0.01)
        assert not third.done()
        await till.end()
        assert await third
        limits = [await till.take(40, 20)]
        waits = asyncio.ensure_future(till.take(40, 20))
        await asyncio.sleep(0.01)
        assert not waits.done()
        await till.give_back(20, 20)
        await till.settled()
        limits.append(await waits)
        again = asyncio.ensure_future(till.take(40, 20, again=True))
        limits.append(await again)
        await till.halt()
        await till.end()
        await till.close()
        return limits, await till.begin()

    limits, goes_on = asyncio.run(tell())

    assert ["", "", "tokens"] == limits
    assert not goes_on


def test_a_journal_takes_in_what_others_kept(tmp_path):
    """Once, without a torn line, and without what is settled."""
    reply = Reply("text", Usage(1, 2, 3), "text", "stop", "m", 0.5)
    path = tmp_path / "kept.answers"
    line = json.dumps([7, "recall", "ab" * 16, reply_as_json(reply)]) + "\n"
    journal = Journal(tmp_path / "out.batch")

    for _ in range(2):
        path.write_text(line + '[8, "rec')
        journal.take_in(path)

    assert [(bytes.fromhex("ab" * 16), reply)] == journal.kept(7)
    assert Usage(1, 2, 3) == journal.bill().by_stage()[Stage.RECALL]
    assert not path.exists()
    journal.close()


@pytest.mark.slow
def test_a_batch_on_ray_is_killed_and_goes_on(words, people, tmp_path):
    """Local mode: the output is that of threads, and hardly anything is asked again."""
    pytest.importorskip("ray")

    path = people(histories(12))
    command = ("batch", str(words), str(path), "-k", "3", "--usage-log", "off")
    # How many are asked at once decides how a walk goes.
    command += ("--concurrency", "2")
    with FakeServer(seconds=0.05) as server:
        where = {"OPENAI_BASE_URL": server.base_url, "UNILLMREC_MODEL": server.model}
        ray = (*command, "-o", "out.jsonl", "--engine", "ray")
        killed = in_process(*ray, **where)
        while len(server.statuses) < 20:
            time.sleep(0.05)
        killed.kill()
        killed.communicate()
        again = in_process(*ray, **where)
        _, told = again.communicate()
        on_ray = len(server.requests)
        in_process(*command, "-o", "threads.jsonl", **where).communicate()
        on_threads = len(server.requests) - on_ray

    assert 0 == again.returncode, told
    assert (tmp_path / "out.jsonl").read_text() == (tmp_path / "threads.jsonl").read_text()
    assert on_ray <= on_threads + 6
    assert not [name for name in os.listdir() if ".batch" in name]


@pytest.mark.slow
def test_workers_share_a_budget_and_the_name_of_the_run(words, people, tmp_path):
    """Calls wait for what others give back, as they do on threads, and are logged as one run."""
    pytest.importorskip("ray")
    path = people(histories(6))
    command = ("batch", str(words), str(path), "-k", "3", "--usage-log", "log.usage", "--json")
    with FakeServer(seconds=0.02) as server:
        where = {"OPENAI_BASE_URL": server.base_url, "UNILLMREC_MODEL": server.model}
        free = in_process(*command, "-o", "free.jsonl", **where)
        spent = json.loads(free.communicate()[0])["usage"]["total"]
        # What one call sets aside, and little more: several of them at once do not fit.
        enough = spent["prompt"] + spent["completion"] + 6_000
        ray = ("-o", "out.jsonl", "--engine", "ray", "--max-tokens", str(enough))
        told = json.loads(in_process(*command, *ray, **where).communicate()[0])

    assert told["finished"]
    runs, _ = read_log(tmp_path / "log.usage", "run")
    assert 2 == len(runs)
    assert (told["run"], told["usage"]["total"]["calls"]) == (runs[1].key, runs[1].usage.calls)
