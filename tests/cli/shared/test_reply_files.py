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
    """Let nothing connect to anything, this machine included."""

    def refused(*arguments):
        raise AssertionError("a replay has opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket.socket, "connect_ex", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def forget(monkeypatch):
    """Set nothing that leads to a model."""
    for name in ("OPENAI_BASE_URL", "UNILLMREC_MODEL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("form", [["--json"], []])
def test_a_replay_prints_the_same_bytes_and_opens_no_socket(
    form, run, shop, server, monkeypatch, request
):
    """Without a model, a key or a network, and with the same trace."""
    asked = ("recommend", shop, "--like", "slow rivers", *form)
    first = run(*asked, "--record", "r.jsonl", "--trace", "first.jsonl")
    forget(monkeypatch)
    request.getfixturevalue("no_sockets")

    second = run(*asked, "--replay", "r.jsonl", "--trace", "second.jsonl")

    assert (0, "") == (first.code, second.err)
    assert first.out == second.out
    assert Path("first.jsonl").read_bytes() == Path("second.jsonl").read_bytes()


def test_failures_and_bad_answers_are_replayed_as_well(run, shop, monkeypatch):
    """What a run made of them is part of what it was."""
    faults = [None, FaultKind.NULL_CONTENT, FaultKind.IGNORE_SCHEMA, 503, None, FaultKind.CUT]
    with FakeServer(faults=faults) as server:
        lead_to(server, monkeypatch)
        first = run("recommend", shop, "--like", "slow rivers", "--record", "r.jsonl", "--json")
    forget(monkeypatch)

    second = run("recommend", shop, "--like", "slow rivers", "--replay", "r.jsonl", "--json")

    assert 0 == first.code == second.code
    assert first.out == second.out


def test_an_error_that_ended_a_run_ends_its_replay(run, shop, monkeypatch):
    """With the same words."""
    with FakeServer(faults=[Fault.too_long()] * 9) as server:
        lead_to(server, monkeypatch)
        first = run("recommend", shop, "--like", "slow rivers", "--record", "r.jsonl")
    forget(monkeypatch)

    second = run("recommend", shop, "--like", "slow rivers", "--replay", "r.jsonl")

    assert 4 == first.code == second.code
    assert first.err == second.err


def test_the_first_request_that_was_not_recorded_is_named(run, shop, server):
    """Its stage and how it begins: another sentence is another question."""
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
def test_files_that_will_not_do_are_told_before_anything_is_asked(
    flags, code, words, run, shop, server
):
    """Nothing is overwritten, and nothing is paid for that could not be kept."""
    Path("there.jsonl").write_text("something else\n")
    before = Path("shop.tree").read_bytes()

    ended = run("recommend", shop, "--like", "slow rivers", *flags)

    assert code == ended.code
    assert words in ended.err
    assert [] == server.requests
    assert "something else\n" == Path("there.jsonl").read_text()
    assert before == Path("shop.tree").read_bytes()


@pytest.mark.parametrize("flag", ["--record", "--cache"])
def test_where_no_model_is_asked_there_is_nothing_to_keep(flag, run, shop):
    """It is an error rather than an empty file."""
    ended = run("recommend", shop, "--like", "slow rivers", flag, "kept")

    assert 3 == ended.code
    assert "asking a language model needs a model" in ended.err
    assert not Path("kept").exists()


def test_what_is_cached_is_not_asked_again(run, shop, server):
    """The second time costs nothing, and says what it would have cost."""
    asked = ("recommend", shop, "--like", "slow rivers", "--cache", "a.cache", "--json")
    first = run(*asked).json
    billed = server.billed

    second = run(*asked)

    told = second.json
    assert first["items"] == told["items"]
    assert billed == server.billed
    assert {"hits": 0, "asked": billed.calls} == {n: first["cache"][n] for n in ("hits", "asked")}
    saved = {n: told["cache"]["saved"][n] for n in ("calls", "prompt", "completion")}
    assert (billed.calls, billed.prompt, billed.completion) == tuple(saved.values())
    nothing = {name: 0 for name in told["usage"]["total"]}
    assert nothing == told["usage"]["total"]
    assert (
        f"{billed.calls} of {billed.calls} replies came from the cache; they would have cost "
        f"{billed.prompt:,} prompt and {billed.completion:,} completion tokens." in second.err
    )


def test_answers_that_cost_nothing_are_not_in_the_usage_log(run, shop, server):
    """It has what was paid for."""
    asked = ("recommend", shop, "--like", "slow rivers", "--cache", "a.cache")
    run(*asked)
    before = run("usage", shop, "--json").json["total"]["usage"]
    run(*asked)

    assert before == run("usage", shop, "--json").json["total"]["usage"]


def test_another_model_or_address_is_asked_for_itself(run, shop, server, monkeypatch):
    """An answer belongs to who gave it."""
    asked = ("recommend", shop, "--like", "slow rivers", "--cache", "a.cache", "--json")
    calls = run(*asked).json["cache"]["asked"]

    with FakeServer() as other:
        lead_to(other, monkeypatch)
        assert calls == run(*asked).json["cache"]["asked"]
    lead_to(server, monkeypatch)
    assert 0 < run(*asked, "--model", "another").json["cache"]["asked"]
    assert 0 == run(*asked).json["cache"]["asked"]


def test_describing_is_recorded_and_replayed(run, shop, server, monkeypatch):
    """The same lines are written, with nobody to ask."""
    original = Path(shop).read_bytes()
    first = run("describe", shop, "--depth", "1", "--yes", "--record", "r.jsonl", "--json")
    Path(shop).write_bytes(original)
    forget(monkeypatch)

    second = run("describe", shop, "--depth", "1", "--yes", "--replay", "r.jsonl", "--json")

    assert 0 == first.code == second.code
    assert first.out == second.out
    assert 0 < second.json["described"]


def test_neither_key_nor_person_is_in_any_file(run, shop, monkeypatch):
    """Recording, trace, usage log, cache and logs, of a run with failures and a telltale server."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    Path(f"{PERSON}.json").write_text(json.dumps(["item-001", "item-002"]))
    with FakeServer(faults=[Fault.status(503, message=f"slow down, {KEY}")]) as server:
        lead_to(server, monkeypatch)
        kept = ("--record", "r.jsonl", "--trace", "t.jsonl", "--cache", "a.cache")
        history = ("--history", f"{PERSON}.json")
        told = run("--log-level", "debug", "recommend", shop, *history, *kept)
        Path("first.log").write_text(told.err + told.out)
    with FakeServer(faults=[Fault.status(401, message=f"wrong key {KEY}")] * 9) as server:
        lead_to(server, monkeypatch)
        level = ("--log-level", "debug", "--log-format", "json")
        failed = run(*level, "recommend", shop, *history, "--record", "f.jsonl")
        Path("second.log").write_text(failed.err)

    assert (0, 4) == (told.code, failed.code)
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
    """What a person was asked about cannot be read in it."""
    run("recommend", shop, "--like", "slow rivers", "--cache", "a.cache")

    with sqlite3.connect("a.cache") as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(answer)")]
        keys = [row[0] for row in db.execute("SELECT key FROM answer")]
    assert ["key", "stage", "reply", "used"] == columns
    assert all(len(key) == 32 and int(key, 16) for key in keys)
    assert b"slow rivers" not in Path("a.cache").read_bytes()
