import json
import socket
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import lead_to
from unillmrec.testing import FakeServer, Fault, FaultKind

KEY = "sk-secret-key-123456"
PERSON = "person-4711"


@pytest.fixture
def no_sockets(monkeypatch):
    """Forbid every connection, also to this machine."""

    def refused(*arguments):
        raise AssertionError("a replay has opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket.socket, "connect_ex", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def forget(monkeypatch):
    """Unset everything that points at a model."""
    for name in ("OPENAI_BASE_URL", "UNILLMREC_MODEL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("form", [["--json"], []])
def test_a_replay_prints_the_same_bytes_and_opens_no_socket(
    form, run, shop, server, monkeypatch, request
):
    """It needs no model, key or network, and writes the same trace."""
    asked = ("recommend", shop, "--like", "slow rivers", *form)
    first = run(*asked, "--record", "r.jsonl", "--trace", "first.jsonl")
    forget(monkeypatch)
    request.getfixturevalue("no_sockets")

    second = run(*asked, "--replay", "r.jsonl", "--trace", "second.jsonl")

    assert (0, "") == (first.code, second.err)
    assert first.out == second.out
    assert Path("first.jsonl").read_bytes() == Path("second.jsonl").read_bytes()


def test_failures_and_unusable_replies_are_replayed(run, shop, monkeypatch):
    """The output is the same."""
    faults = [None, FaultKind.NULL_CONTENT, FaultKind.IGNORE_SCHEMA, 503, None, FaultKind.CUT]
    with FakeServer(faults=faults) as server:
        lead_to(server, monkeypatch)
        first = run("recommend", shop, "--like", "slow rivers", "--record", "r.jsonl", "--json")
    forget(monkeypatch)

    second = run("recommend", shop, "--like", "slow rivers", "--replay", "r.jsonl", "--json")

    assert 0 == first.code == second.code
    assert first.out == second.out


def test_an_error_that_ended_a_run_ends_its_replay(run, shop, monkeypatch):
    """With the same message."""
    with FakeServer(faults=[Fault.too_long()] * 9) as server:
        lead_to(server, monkeypatch)
        first = run("recommend", shop, "--like", "slow rivers", "--record", "r.jsonl")
    forget(monkeypatch)

    second = run("recommend", shop, "--like", "slow rivers", "--replay", "r.jsonl")

    assert 4 == first.code == second.code
    assert first.err == second.err


def test_the_first_request_that_was_not_recorded_is_named(run, shop, server):
    """The error has its stage and its beginning."""
    run("recommend", shop, "--like", "slow rivers", "--record", "r.jsonl")
    asked = len(server.requests)

    other = run("recommend", shop, "--like", "fast cars", "--replay", "r.jsonl")

    assert 4 == other.code
    assert other.err.startswith("Error: r.jsonl holds no answer to a request of the recall stage")
    assert "fast cars" in other.err
    assert asked == len(server.requests)


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--record", "there.jsonl"], 3, "there.jsonl exists already"),
        (["--record", "no/such/folder.jsonl"], 3, "cannot be written"),
        (["--replay", "nothing.jsonl"], 3, "cannot be read: No such file"),
        (["--replay", "there.jsonl"], 3, "there.jsonl:1: not a line of a recording"),
        (["--cache", "there.jsonl"], 3, "there.jsonl cannot be used"),
        (["--cache", "shop.tree"], 3, "shop.tree is not a cache of answers"),
        (["--replay", "there.jsonl", "--cache", "c.cache"], 2, "leave out --record and --cache"),
    ],
)
def test_unusable_files_are_refused_before_anything_is_sent(flags, code, words, run, shop, server):
    """Nothing is overwritten, and nothing is paid for that could not be stored."""
    Path("there.jsonl").write_text("something else\n")
    before = Path("shop.tree").read_bytes()

    ended = run("recommend", shop, "--like", "slow rivers", *flags)

    assert code == ended.code
    assert words in ended.err
    assert [] == server.requests
    assert "something else\n" == Path("there.jsonl").read_text()
    assert before == Path("shop.tree").read_bytes()


@pytest.mark.parametrize("flag", ["--record", "--cache"])
def test_record_and_cache_need_a_model(flag, run, shop):
    """It is an error, and no empty file is created."""
    ended = run("recommend", shop, "--like", "slow rivers", flag, "kept")

    assert 3 == ended.code
    assert "asking a language model needs a model" in ended.err
    assert not Path("kept").exists()


def test_cached_replies_are_not_requested_again(run, shop, server):
    """The second run costs nothing, and prints what it would have cost."""
    asked = ("recommend", shop, "--like", "slow rivers", "--cache", "a.cache", "--json")
    first = run(*asked).json
    billed = server.billed

    second = run(*asked)

    result = second.json
    assert first["items"] == result["items"]
    assert billed == server.billed
    assert {"hits": 0, "asked": billed.calls} == {n: first["cache"][n] for n in ("hits", "asked")}
    saved = {n: result["cache"]["saved"][n] for n in ("calls", "prompt", "completion")}
    assert (billed.calls, billed.prompt, billed.completion) == tuple(saved.values())
    nothing = {name: 0 for name in result["usage"]["total"]}
    assert nothing == result["usage"]["total"]
    assert (
        f"{billed.calls} of {billed.calls} replies came from the cache; they would have cost "
        f"{billed.prompt:,} prompt and {billed.completion:,} completion tokens." in second.err
    )


def test_cached_replies_are_not_in_the_usage_log(run, shop, server):
    """It has paid calls only."""
    asked = ("recommend", shop, "--like", "slow rivers", "--cache", "a.cache")
    run(*asked)
    before = run("usage", shop, "--json").json["total"]["usage"]
    run(*asked)

    assert before == run("usage", shop, "--json").json["total"]["usage"]


def test_replies_are_cached_per_model_and_address(run, shop, server, monkeypatch):
    """Another model or address needs its own replies."""
    asked = ("recommend", shop, "--like", "slow rivers", "--cache", "a.cache", "--json")
    calls = run(*asked).json["cache"]["asked"]

    with FakeServer() as other:
        lead_to(other, monkeypatch)
        assert calls == run(*asked).json["cache"]["asked"]
    lead_to(server, monkeypatch)
    assert 0 < run(*asked, "--model", "another").json["cache"]["asked"]
    assert 0 == run(*asked).json["cache"]["asked"]


def test_describing_is_recorded_and_replayed(run, shop, server, monkeypatch):
    """The same descriptions are written without an endpoint."""
    original = Path(shop).read_bytes()
    first = run("describe", shop, "--depth", "1", "--yes", "--record", "r.jsonl", "--json")
    Path(shop).write_bytes(original)
    forget(monkeypatch)

    second = run("describe", shop, "--depth", "1", "--yes", "--replay", "r.jsonl", "--json")

    assert 0 == first.code == second.code
    assert first.out == second.out
    assert 0 < second.json["described"]


def test_neither_key_nor_person_is_in_any_file(run, shop, monkeypatch):
    """Checks recording, trace, usage log, cache and logs, also for a server that echoes the key."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    Path(f"{PERSON}.json").write_text(json.dumps(["item-001", "item-002"]))
    with FakeServer(faults=[Fault.status(503, message=f"slow down, {KEY}")]) as server:
        lead_to(server, monkeypatch)
        kept = ("--record", "r.jsonl", "--trace", "t.jsonl", "--cache", "a.cache")
        history = ("--history", f"{PERSON}.json")
        result = run("--log-level", "debug", "recommend", shop, *history, *kept)
        Path("first.log").write_text(result.err + result.out)
    with FakeServer(faults=[Fault.status(401, message=f"wrong key {KEY}")] * 9) as server:
        lead_to(server, monkeypatch)
        level = ("--log-level", "debug", "--log-format", "json")
        failed = run(*level, "recommend", shop, *history, "--record", "f.jsonl")
        Path("second.log").write_text(failed.err)

    assert (0, 4) == (result.code, failed.code)
    written = [path for path in Path().iterdir() if path.name not in (shop, f"{PERSON}.json")]
    assert {"r.jsonl", "t.jsonl", "a.cache", "shop.tree.usage", "first.log"} <= {
        path.name for path in written
    }
    for path in written:
        content = path.read_bytes()
        assert content
        for secret in (KEY, KEY[3:], PERSON):
            assert secret.encode() not in content, path


def test_a_cache_holds_digests_and_no_prompts(run, shop, server):
    """The prompts about a person cannot be read from it."""
    run("recommend", shop, "--like", "slow rivers", "--cache", "a.cache")

    with sqlite3.connect("a.cache") as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(answer)")]
        keys = [row[0] for row in db.execute("SELECT key FROM answer")]
    assert ["key", "stage", "reply", "used"] == columns
    assert all(len(key) == 32 and int(key, 16) for key in keys)
    assert b"slow rivers" not in Path("a.cache").read_bytes()
