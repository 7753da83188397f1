"""Batches on Ray: shared state, returned errors, and resuming after a kill."""

import asyncio
import json
import os
import time

import pytest

from tests.batch.conftest import histories
from tests.cli.conftest import in_process
from unillmrec.batch.journal import Journal
from unillmrec.batch.ray_sharing import SharedBudgetActor
from unillmrec.budget import Budget
from unillmrec.endpoint import CallError, FailureKind, Reply
from unillmrec.endpoint.wrappers.serialization import (
    encode_reply,
    error_from_plain,
    error_to_plain,
)
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
def test_errors_are_restored_from_plain_values(error):
    """A batch handles them alike, whichever process they were raised in."""
    back = error_from_plain(error_to_plain(error))

    assert type(error) is type(back)
    assert str(error) == str(back)
    assert getattr(error, "kind", None) == getattr(back, "kind", None)
    assert getattr(error, "limit", None) == getattr(back, "limit", None)


def test_other_errors_keep_their_message():
    """Errors that only end a run may lose their type."""
    assert "broken." == error_from_plain(error_to_plain(StoreError("broken."))).problem


def test_the_actor_limits_calls_and_tokens(tmp_path):
    """The limits hold for all workers together."""

    async def use_actor():
        actor = SharedBudgetActor(str(tmp_path / "answers"), 2, Budget(tokens=100), None)
        assert await actor.acquire_slot()
        assert await actor.acquire_slot()
        third = asyncio.ensure_future(actor.acquire_slot())
        await asyncio.sleep(0.01)
        assert not third.done()
        await actor.release_slot()
        assert await third
        limits = [await actor.reserve(40, 20)]
        waiting = asyncio.ensure_future(actor.reserve(40, 20))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await actor.give_back(20, 20)
        await actor.settled()
        limits.append(await waiting)
        limits.append(await actor.reserve(40, 20, retry=True))
        await actor.stop()
        await actor.release_slot()
        await actor.close()
        return limits, await actor.acquire_slot()

    limits, continues = asyncio.run(use_actor())

    assert ["", "", "tokens"] == limits
    assert not continues


def test_a_journal_imports_the_replies_of_workers(tmp_path):
    """Each once, without an incomplete line, and not for settled rows."""
    reply = Reply("text", Usage(1, 2, 3), "text", "stop", "m", 0.5)
    line = json.dumps([7, "recall", "ab" * 16, encode_reply(reply)]) + "\n"
    journal = Journal(tmp_path / "out.batch")
    path = journal.replies_path

    for _ in range(2):
        path.write_text(line + '[8, "rec')
        journal.import_replies()

    assert [(bytes.fromhex("ab" * 16), reply)] == journal.replies(7)
    assert Usage(1, 2, 3) == journal.bill().by_stage()[Stage.RECALL]
    assert not path.exists()
    journal.close()


@pytest.mark.ray
def test_a_killed_batch_on_ray_resumes(words, people, tmp_path):
    """The output is that of threads, and few requests are repeated."""

    path = people(histories(12))
    command = ("batch", str(words), str(path), "-k", "3", "--usage-log", "off")
    # The walk depends on the number of concurrent requests.
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
        _, errors = again.communicate()
        on_ray = len(server.requests)
        in_process(*command, "-o", "threads.jsonl", **where).communicate()
        on_threads = len(server.requests) - on_ray

    assert 0 == again.returncode, errors
    assert (tmp_path / "out.jsonl").read_text() == (tmp_path / "threads.jsonl").read_text()
    assert on_ray <= on_threads + 6
    assert not [name for name in os.listdir() if ".batch" in name]


@pytest.mark.ray
def test_workers_share_a_budget_and_the_name_of_the_run(words, people, tmp_path):
    """Calls wait for unused reservations, as on threads, and are logged as one run."""
    path = people(histories(6))
    command = ("batch", str(words), str(path), "-k", "3", "--usage-log", "log.usage", "--json")
    with FakeServer(seconds=0.02) as server:
        where = {"OPENAI_BASE_URL": server.base_url, "UNILLMREC_MODEL": server.model}
        free = in_process(*command, "-o", "free.jsonl", **where)
        spent = json.loads(free.communicate()[0])["usage"]["total"]
        # Little more than the reservation of one call: several at a time do not fit.
        enough = spent["prompt"] + spent["completion"] + 6_000
        ray = ("-o", "out.jsonl", "--engine", "ray", "--max-tokens", str(enough))
        report = json.loads(in_process(*command, *ray, **where).communicate()[0])

    assert report["finished"]
    runs, _ = read_log(tmp_path / "log.usage", "run")
    assert 2 == len(runs)
    assert (report["run"], report["usage"]["total"]["calls"]) == (runs[1].key, runs[1].usage.calls)
