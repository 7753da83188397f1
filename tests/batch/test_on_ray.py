"""The same batch on Ray: what workers share, what comes back, and what a kill leaves."""

import asyncio
import json
import os
import time

import pytest

from tests.cli.conftest import in_process
from unillmrec.batch.journal import Journal, reply_as_json
from unillmrec.batch.on_ray import Till, Trouble
from unillmrec.budget import Budget
from unillmrec.endpoint import CallError, Kind, Reply
from unillmrec.errors import BatchError, BudgetError, PersonError, ReplyError, StoreError
from unillmrec.testing import FakeServer
from unillmrec.usage import Stage, Usage


def call_error():
    error = CallError("refused.", detail="because", remedy="ask again")
    error.kind = Kind.KEY
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
    back = Trouble.of(error).as_error()

    assert type(error) is type(back)
    assert str(error) == str(back)
    assert getattr(error, "kind", None) == getattr(back, "kind", None)
    assert getattr(error, "limit", None) == getattr(back, "limit", None)


def test_other_errors_keep_their_words():
    """What only ends a run need not be of its own kind."""
    assert "broken." == Trouble.of(StoreError("broken.")).as_error().problem


def test_the_till_counts_turns_and_money(tmp_path):
    """No more calls at once, and no more tokens, than all workers may have together."""

    async def tell():
        till = Till(str(tmp_path / "answers"), 2, Budget(tokens=100), None)
        assert await till.begin()
        assert await till.begin()
        third = asyncio.ensure_future(till.begin())
        await asyncio.sleep(0.01)
        assert not third.done()
        await till.end()
        assert await third
        limits = [await till.take(40, 20), await till.take(40, 20)]
        await till.give_back(20, 20)
        limits.append(await till.take(40, 20))
        await till.halt()
        await till.end()
        await till.close()
        return limits, await till.begin()

    limits, goes_on = asyncio.run(tell())

    assert ["", "tokens", ""] == limits
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
    from tests.batch.conftest import histories

    path = people(histories(12))
    command = ("batch", str(words), str(path), "-k", "3", "--usage-log", "off")
    with FakeServer(seconds=0.05) as server:
        where = {"OPENAI_BASE_URL": server.base_url, "UNILLMREC_MODEL": server.model}
        ray = (*command, "-o", "out.jsonl", "--engine", "ray", "--concurrency", "2")
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
