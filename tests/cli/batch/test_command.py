"""`unillmrec batch`: run, killed, and resumed."""

import json
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.conftest import in_process, lead_to
from unillmrec.testing import FakeServer, Fault, FaultKind

SHORT = ("-k", "3", "--leaves", "2", "--show", "12", "--candidates", "6")


@pytest.fixture
def people():
    """A file of eight rows, two of which cannot be used."""
    rows = [{"id": f"p{n}", "history": [f"item-{n:03}", f"item-{n + 60:03}"]} for n in range(6)]
    lines = [json.dumps(each) for each in rows]
    lines[2:2] = ["not json", '{"id": "lost", "history": ["nothing"]}']
    Path("people.jsonl").write_text("\n".join(lines) + "\n")
    return "people.jsonl"


def ids(out="out.jsonl"):
    return [json.loads(line)["id"] for line in Path(out).read_text().splitlines()]


def test_lists_for_many_people(run, shop, people):
    """The summary counts finished and unusable rows, and names the judge."""
    done = run("batch", shop, people, "-o", "out.jsonl", *SHORT, "--judge", "embedded")

    assert 0 == done.code
    result = done.out.splitlines()
    assert result[0].startswith("Recommended to 6 people in ")
    assert result[0].endswith("; 2 rows could not be used. The lists are in out.jsonl.")
    assert [
        "out.jsonl.problems.jsonl lists the rows that are not in out.jsonl, and why.",
        "judge: embedded similarity judge (no language model)",
    ] == result[1:]
    assert ["p0", "p1", "p2", "p3", "p4", "p5"] == ids()


def test_the_json_summary(run, shop, people, server):
    """The counts of rows, and the usage as the server billed it."""
    done = run("batch", shop, people, "-o", "out.jsonl", *SHORT, "--json")

    assert 0 == done.code
    result = done.json
    assert (8, 6, 0, 2, 0, 0) == tuple(
        result[name] for name in ("total", "done", "resumed", "skipped", "failed", "left")
    )
    assert server.billed.prompt == result["usage"]["total"]["prompt"]
    assert len(server.requests) == result["usage"]["total"]["calls"]
    assert result["finished"]
    assert result["stopped"] is None


def test_a_plan_sends_nothing(run, shop, people, server):
    """It has intervals for tokens and cost, from a sample of the people."""
    Path("unillmrec.toml").write_text(
        '[prices]\n"fake-model" = { prompt = 1.0, completion = 4.0 }\n', encoding="utf-8"
    )
    done = run("batch", shop, people, "-o", "out.jsonl", *SHORT, "--plan", "--json")

    assert 0 == done.code
    assert [] == server.requests
    total = done.json["plan"]["total"]
    assert total["tokens_between"][0] < total["tokens"] < total["tokens_between"][1]
    assert total["cost_between"][0] < total["cost"] < total["cost_between"][1]
    assert (8, 8, 6) == tuple(done.json[name] for name in ("total", "sample", "usable"))
    spent = run("batch", shop, people, "-o", "out.jsonl", *SHORT, "--json").json["usage"]["total"]
    assert abs(spent["prompt"] / total["prompt"] - 1) < 0.5


def test_a_plan_includes_votes_and_compares_with_the_budget(run, shop, people, server):
    """Two votes cost more; a note says when the budget will run out."""
    command = ("batch", shop, people, "-o", "out.jsonl", *SHORT, "--plan")
    once = run(*command, "--json").json["plan"]["recall"]["calls"]

    twice = run(*command, "--json", "--votes", "2").json["plan"]["recall"]["calls"]
    short = run(*command, "--max-calls", "8")

    assert once < twice
    assert "The budget of calls may be spent after about" in short.out.replace("\n", " ")


def test_a_batch_is_replayed_or_answered_from_a_cache(run, shop, people, server):
    """The lists are byte-equal, and no further request is sent."""
    command = ("batch", shop, people, *SHORT, "--json")
    kept = ("--record", "run.jsonl", "--cache", "answers.cache")
    run(*command, "-o", "first.jsonl", *kept)
    asked = len(server.requests)

    replayed = run(*command, "-o", "again.jsonl", "--replay", "run.jsonl")
    cached = run(*command, "-o", "cached.jsonl", "--cache", "answers.cache")

    assert 0 == replayed.code
    assert Path("first.jsonl").read_text() == Path("again.jsonl").read_text()
    assert asked == len(server.requests)
    assert {"hits": asked, "asked": 0} == {
        name: cached.json["cache"][name] for name in ("hits", "asked")
    }
    assert ids("first.jsonl") == ids("cached.jsonl")
    assert "p0" not in Path("run.jsonl").read_text()
    assert 2 == run(*command, "-o", "x.jsonl", *kept[2:], "--engine", "ray").code


def test_a_killed_batch_resumes(run, shop, people, monkeypatch):
    """Answered requests are not sent again, and the output is complete."""
    with FakeServer(seconds=0.05) as server:
        lead_to(server, monkeypatch)
        command = ("batch", shop, people, "-o", "out.jsonl", *SHORT, "--concurrency", "2")
        killed = in_process(*command)
        while len(server.statuses) < 12:
            time.sleep(0.01)
        killed.kill()
        killed.communicate()
        answered = len(server.statuses)
        again = run(*command)

        asked = Counter(json.dumps(each["messages"]) for each in server.requests)

    assert 0 == again.code, again.err
    assert ["p0", "p1", "p2", "p3", "p4", "p5"] == ids()
    # Requests in flight when it was killed, two at a time, and requests sent in that moment whose
    # replies were not read.
    assert sum(asked.values()) - len(asked) <= 4
    assert answered < len(asked)


@pytest.mark.slow
def test_an_interrupted_batch_can_resume(shop, people, monkeypatch):
    """It says how to resume, and the lines written so far are complete."""
    # From the twentieth on, replies take longer than a slow machine takes to interrupt.
    slow = {20: Fault.slow(2.0), 21: Fault.slow(2.0), 22: Fault.slow(2.0)}
    with FakeServer(faults=slow.get) as server:
        lead_to(server, monkeypatch)
        command = ("batch", shop, people, "-o", "out.jsonl", *SHORT, "--concurrency", "1")
        process = in_process(*command, "--unordered")
        while len(server.requests) < 21:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, result = process.communicate()
        done = ids()

    assert 130 == process.returncode
    assert "people are done; the same command resumes where this one stopped." in result.decode()
    assert 1 <= len(done) < 6


def test_a_spent_budget(run, shop, people, server):
    """Finished lists are kept, the error says what to do, and the next run resumes."""
    command = ("batch", shop, people, "-o", "out.jsonl", *SHORT)

    stopped = run(*command, "--max-calls", "12")
    finished = run(*command)

    assert 3 == stopped.code
    assert "Error: the budget of calls is spent." in stopped.err
    assert "The same command resumes where it stopped" in stopped.err
    assert 0 == finished.code
    assert 6 == len(ids())


def test_a_wrong_key(run, shop, people, monkeypatch):
    """One call, one error message, and no files left behind."""
    with FakeServer(key="right") as server:
        lead_to(server, monkeypatch)
        monkeypatch.setenv("OPENAI_API_KEY", "wrong")
        done = run("batch", shop, people, "-o", "out.jsonl", *SHORT)

        assert 1 == len(server.requests)
    assert 4 == done.code
    assert "answered HTTP 401" in done.err
    assert not list(Path().glob("out.jsonl*"))


def test_people_that_fail(run, shop, people, monkeypatch):
    """The others are finished; the same command retries the failed ones."""
    with FakeServer(faults=[*[None] * 12, Fault.too_long()]) as server:
        lead_to(server, monkeypatch)
        command = ("batch", shop, people, "-o", "out.jsonl", *SHORT)
        failed = run(*command)
        done = ids()
        finished = run(*command)

    assert 4 == failed.code
    assert "Error: no recommendations for 1 person.\n  The first problem: " in failed.err
    assert 5 == len(done)
    assert 0 == finished.code
    assert 6 == len(ids())


def test_an_existing_output_is_kept(run, shop, people):
    """It is overwritten only with --restart."""
    Path("out.jsonl").write_text("mine\n")

    refused = run("batch", shop, people, "-o", "out.jsonl", "--judge", "embedded")

    assert 3 == refused.code
    assert "out.jsonl exists already" in refused.err
    assert "mine\n" == Path("out.jsonl").read_text()


def test_the_usage_log_is_not_overwritten(run, shop, people, server):
    """It has the calls of other commands."""
    log = f"{shop}.usage"
    before = ("batch", shop, people, "--usage-log", log, *SHORT)
    run(*before, "-o", "out.jsonl")
    content = Path(log).read_bytes()

    refused = run(*before, "-o", log, "--restart")

    assert 3 == refused.code
    assert "would be written over" in refused.err
    assert content == Path(log).read_bytes()


@pytest.mark.parametrize("restart", [(), ("--restart",)])
def test_an_unwritable_output_is_refused(run, shop, people, server, restart):
    """The error comes before anything is sent, and names the folder."""
    Path("folder").mkdir()

    for out, result in (
        ("folder", "folder is a folder."),
        ("no/x.jsonl", "there is no folder no."),
    ):
        done = run("batch", shop, people, "-o", out, *SHORT, *restart)

        assert 3 == done.code
        assert result in done.err
    assert [] == server.requests


def test_a_deadline_of_zero(run, shop, people, server):
    """The output mentions no lists, and the error no larger budget."""
    done = run("batch", shop, people, "-o", "out.jsonl", *SHORT, "--deadline", "0")

    assert 3 == done.code
    assert "The lists are in" not in done.out
    assert "larger budget" not in done.err
    assert "Try: the same command again." in done.err


def test_one_unknown_token_count_leaves_a_minimum_cost(run, shop, people, monkeypatch):
    """The known cost is that of the other calls."""
    fault = Fault(FaultKind.NO_USAGE)
    with FakeServer(faults={3: fault}.get) as server:
        lead_to(server, monkeypatch)
        Path("unillmrec.toml").write_text("[prices.fake-model]\nprompt = 1000\ncompletion = 1\n")
        result = run("batch", shop, people, "-o", "out.jsonl", *SHORT, "--json").json
        whole = run("batch", shop, people, "-o", "out.jsonl", *SHORT, "--restart", "--json").json

    assert result["cost"] is None
    assert 0 < result["known_cost"]["USD"] < whole["cost"]["USD"] == whole["known_cost"]["USD"]


def test_a_minimum_cost_is_marked_in_the_text(run, shop, people, monkeypatch):
    """The text says "at least"."""
    with FakeServer(faults={3: Fault(FaultKind.NO_USAGE)}.get) as server:
        lead_to(server, monkeypatch)
        Path("unillmrec.toml").write_text("[prices.fake-model]\nprompt = 1000\ncompletion = 1\n")
        out = run("batch", shop, people, "-o", "out.jsonl", *SHORT).out

    assert "cost at least " in out
