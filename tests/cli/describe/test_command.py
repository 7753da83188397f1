import json
import os
import pty
import re
import select
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.conftest import PACKAGE, in_process, lead_to, names_in
from unillmrec.checking.tree_check import check
from unillmrec.cli.describe.command import FIELDS
from unillmrec.judge.from_settings import build_writer
from unillmrec.settings import Settings
from unillmrec.store import EditableTree, ItemTree
from unillmrec.testing import DIALECTS, BatchServer, FakeServer, sensible_answer
from unillmrec.usage_log import read_log


def asked(body):
    """Return what a request asks about: the lines of the nodes, which no description changes."""
    told = body["messages"][1]["content"]
    return told.split("\n<choices>\n")[1].split("\n</choices>\n")[0]


def sensible(body):
    return sensible_answer(body["messages"][1]["content"], "descriptions")


def described(path):
    """Return the summary of every node but the root."""
    with ItemTree.open(path) as tree:
        ids = [node for (node,) in tree.rows("SELECT id FROM node WHERE parent NOT NULL")]
        return {each: tree.node(each).description.summary for each in ids}


def family_count(path):
    with ItemTree.open(path) as tree:
        return tree.rows("SELECT count(DISTINCT parent) FROM node")[0][0]


def test_a_plan_sends_nothing(run, shop, server):
    """Calls and tokens on stdout, the file and the server untouched."""
    before = Path(shop).read_bytes()

    ended = run("describe", shop, "--plan")
    told = run("describe", shop, "--plan", "--json").json

    families = family_count(shop)
    assert (0, "", []) == (ended.code, ended.err, server.requests)
    assert f"in {families} families by fake-model would need about this" in ended.out
    assert before == Path(shop).read_bytes()
    promised = next(text for name, text in FIELDS if name == "with --plan")
    for name in told:
        assert name in promised
    assert {"describe", "total"} == set(told["plan"])
    assert (families, len(described(shop))) == (told["families"], told["nodes"])
    assert ["system", "user"] == [message["role"] for message in told["first_prompt"]]


def test_a_plan_needs_no_endpoint(run, shop):
    """What it would cost can be asked before there is anybody to pay."""
    assert "by any model" in run("describe", shop, "--plan").out


def test_a_plan_is_what_then_happens(run, shop, server):
    """The calls of the plan are those of the run; the tokens are close."""
    plan = run("describe", shop, "--plan", "--json").json["plan"]["describe"]

    told = run("describe", shop, "--yes", "--json").json

    usage = told["usage"]["describe"]
    assert plan["calls"] == usage["calls"] == len(server.requests)
    assert plan["prompt"] == pytest.approx(usage["prompt"], rel=0.05)
    assert plan["completion"] >= usage["completion"]


def test_says_the_cost_first_and_the_bill_last(run, shop, server):
    """On stderr what it will cost, on stdout what was done; the log has every call."""
    ended = run("describe", shop, "--yes")

    count, families = len(described(shop)), family_count(shop)
    assert (0, True) == (ended.code, all(described(shop).values()))
    assert ended.err.startswith(
        f"{count} nodes in {families} families: {families} calls to fake-model at 127.0.0.1"
    )
    assert ended.out.startswith(f"Described {count} nodes of shop.tree in ")
    assert f"describe     {families} " in ended.out
    (line,), _ = read_log(Path("shop.tree.usage"), "stage")
    assert ("describe", families) == (line.key, line.usage.calls)


def test_json_has_the_fields_it_promises(run, shop, server):
    """The JSON is one object with the fields of the help."""
    told = run("describe", shop, "--yes", "--json").json

    assert names_in(FIELDS) == sorted(told)
    assert (len(described(shop)), [], None, True) == (
        told["described"],
        told["undescribed"],
        told["stopped"],
        told["finished"],
    )


def test_without_a_yes_nothing_is_sent(run, shop, server):
    """Away from a terminal nobody can be asked, so nothing is paid for."""
    ended = run("describe", shop)

    assert (3, "", []) == (ended.code, ended.out, server.requests)
    assert ended.err.endswith(
        "Error: nothing was sent.\n  Try: --yes to continue without confirmation.\n"
    )


@pytest.mark.parametrize(
    ("answer", "code"),
    [("y\n", 0), *(pytest.param(no, 3, marks=pytest.mark.slow) for no in ("n\n", "\n"))],
)
def test_on_a_terminal_it_asks(shop, server, answer, code):
    """The cost, then a question; only a yes goes on."""
    ours, theirs = pty.openpty()
    variables = {"OPENAI_BASE_URL": server.base_url, "UNILLMREC_MODEL": "m"}
    process = in_process_on(theirs, "describe", shop, "--depth", "1", **variables)
    os.close(theirs)
    shown = read_until(ours, b"[y/N] ")
    os.write(ours, answer.encode())
    read_until(ours, None)
    os.close(ours)

    assert code == process.wait(timeout=20)
    assert b"1 call to m at 127.0.0.1" in shown
    assert (code == 0) == bool(server.requests)


def in_process_on(terminal, *arguments, **variables):
    import subprocess
    import sys

    return subprocess.Popen(
        [sys.executable, "-m", "unillmrec", *arguments],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=os.environ | {"PYTHONPATH": PACKAGE, "TERM": "xterm-256color"} | variables,
    )


def read_until(handle, end, seconds=20):
    """Read what a terminal shows until *end* is there, or until it closes."""
    shown, until = b"", time.monotonic() + seconds
    while (end is None or end not in shown) and time.monotonic() < until:
        if select.select([handle], [], [], 0.1)[0]:
            try:
                piece = os.read(handle, 65_536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not piece:
                break
            shown += piece
    return shown


@pytest.mark.parametrize("dialect", DIALECTS)
def test_any_compatible_server_will_do(run, shop, monkeypatch, dialect):
    """The same command describes the whole tree, whatever the server takes and tells."""
    with FakeServer(dialect=dialect) as server:
        lead_to(server, monkeypatch)
        ended = run("describe", shop, "--yes", "--json")

    assert (0, len(described(shop))) == (ended.code, ended.json["described"])
    assert all(described(shop).values())


@pytest.mark.parametrize("before", [pytest.param(0, marks=pytest.mark.slow), 5])
def test_a_killed_run_pays_for_no_family_twice(run, shop, monkeypatch, before):
    """Killed while it waits for an answer, it goes on with that one; the others are kept."""
    process, paid, families = None, [], family_count(shop)

    def answer(body):
        if len(paid) == before and process.poll() is None:
            process.kill()
            process.wait()
            raise ConnectionError("nobody is there to be answered")
        paid.append(asked(body))
        return sensible(body)

    with FakeServer(answer) as server:
        lead_to(server, monkeypatch)
        process = in_process("describe", shop, "--yes", "--concurrency", "1")
        process.communicate(timeout=60)
        kept = sum(bool(summary) for summary in described(shop).values())
        ended = run("describe", shop, "--yes", "--json")

    assert (-signal.SIGKILL, 0) == (process.returncode, ended.code)
    assert kept == sum(len(text.splitlines()) for text in paid[:before])
    assert (families, families) == (len(paid), server.billed.calls)
    assert {1} == set(Counter(paid).values())
    assert all(described(shop).values())
    with ItemTree.open(shop) as tree:
        assert [] == check(tree, build_writer(Settings())).breaches


@pytest.mark.slow
def test_killed_at_any_moment_nothing_written_is_asked_again(run, shop, monkeypatch):
    """Whenever it is killed, each run begins with what the last one left; the file stays whole."""
    paid = []

    def answer(body):
        paid.append(asked(body))
        return sensible(body)

    lost, kills = 0, 0
    with FakeServer(answer, seconds=0.03) as server:
        lead_to(server, monkeypatch)
        while not all(described(shop).values()):
            begun = len(paid)
            process = in_process("describe", shop, "--yes", "--concurrency", "2")
            while len(paid) < begun + 3 and process.poll() is None:
                time.sleep(0.005)
            process.kill()
            process.communicate()
            kills += process.returncode == -signal.SIGKILL
            time.sleep(0.1)
            # At most what was in flight, or had just come, is asked about again.
            lost += 3
            with ItemTree.open(shop) as tree:
                assert [] == check(tree, build_writer(Settings())).breaches
            assert kills < 30

    assert kills
    assert len(set(paid)) == family_count(shop)
    assert len(paid) - len(set(paid)) <= lost


def test_ctrl_c_leaves_things_whole(shop, monkeypatch):
    """Interrupted, it ends with 130 and a word; what was answered is kept, the file is sound."""
    paid = []

    def answer(body):
        paid.append(asked(body))
        if len(paid) == 3:
            process.send_signal(signal.SIGINT)
            time.sleep(1.0)
        return sensible(body)

    with FakeServer(answer) as server:
        lead_to(server, monkeypatch)
        process = in_process("describe", shop, "--yes", "--concurrency", "1")
        out, err = process.communicate(timeout=30)

    assert (130, b"") == (process.returncode, out)
    assert err.endswith(b"Interrupted.\n")
    kept = sum(bool(summary) for summary in described(shop).values())
    assert kept >= sum(len(text.splitlines()) for text in paid[:2])
    with ItemTree.open(shop) as tree:
        assert [] == check(tree, build_writer(Settings())).breaches


def test_what_could_not_be_described_is_shown(run, shop, monkeypatch):
    """Part of the tree without a line is no failure: it is said, with the reason."""
    script = iter(["No.", "No."])
    with FakeServer(lambda body: next(script, None) or sensible(body)) as server:
        lead_to(server, monkeypatch)
        ended = run("describe", shop, "--yes", "--concurrency", "1")

    left = [node for node, summary in described(shop).items() if not summary]
    assert 0 == ended.code
    assert f"{len(left)} nodes could not be described:\n" in ended.out
    assert "1 question had to be asked again." in ended.out
    assert "the answer has no line for it" in ended.out
    assert "The next `unillmrec describe shop.tree` asks about them again." in ended.out


def test_a_model_that_never_answers_usably_is_a_failure(run, shop, monkeypatch):
    """Where nothing at all was described the exit code says so."""
    with FakeServer(lambda body: "No.") as server:
        lead_to(server, monkeypatch)
        ended = run("describe", shop, "--yes", "--depth", "1", "--json")

    assert (5, 0) == (ended.code, ended.json["described"])
    assert "was described." in ended.err
    assert "--trace FILE" in ended.err


def test_a_refused_key_ends_the_run_and_keeps_what_is_there(run, shop, monkeypatch):
    """The report comes first, then the error of the endpoint with its exit code."""
    with FakeServer(sensible, faults=[None, None, *[401] * 20]) as server:
        lead_to(server, monkeypatch)
        ended = run("describe", shop, "--yes", "--concurrency", "1")

    assert (4, 3) == (ended.code, len(server.requests))
    assert "The run ended early; what was described is kept." in ended.out
    assert "HTTP 401" in ended.err
    assert any(described(shop).values())


def test_a_trace_has_every_exchange(run, shop, monkeypatch):
    """One line for each call: what was asked, what came, what was made of it."""
    script = iter(["No."])
    with FakeServer(lambda body: next(script, None) or sensible(body)) as server:
        lead_to(server, monkeypatch)
        told = run(
            *("describe", shop, "--yes", "--depth", "1", "--trace", "run.jsonl", "--json")
        ).json

    lines = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
    assert ["No.", True] == [lines[0]["reply"], "descriptions" in lines[1]["reply"]]
    assert {told["run"]} == {line["run"] for line in lines}
    assert {told["prompts"]["describe"]} == {line["prompt"] for line in lines}
    assert {"describe"} == {line["stage"] for line in lines}
    assert lines[0]["summaries"] == lines[1]["summaries"] != {}


def test_stale_ones_are_renewed(run, shop, server):
    """After changes --stale asks about what is out of date; a walk said so before."""
    run("describe", shop, "--yes")
    with EditableTree.open(shop) as tree, tree.transaction():
        ids = [node for (node,) in tree.rows("SELECT id FROM node WHERE parent NOT NULL")]
        tree.set_descriptions(
            [(tree.node(i).description.to_json(), tree.node(i).size, i) for i in ids]
        )
    walk = ("recommend", shop, "--like", "whale", "--judge", "embedded")

    before, told = run(*walk).out, run(*walk, "--json").json["walk"]
    ended = run("describe", shop, "--stale", "--yes")
    after = run(*walk).out

    opened = told["branches"] + told["leaves"]
    # The root says nothing of itself.
    assert opened - 1 == told["stale"]
    assert (
        f"{opened - 1} of {opened} opened nodes have outdated descriptions; "
        "`unillmrec describe shop.tree --stale` renews them.\n"
    ) in before
    assert ended.out.startswith(f"Described {len(ids)} nodes")
    assert "out of date" not in after
    assert 0 == run(*walk, "--json").json["walk"]["stale"]
    assert (
        "No description of shop.tree is outdated." in run("describe", shop, "--stale", "--yes").out
    )


def test_nothing_to_do_is_said(run, shop, server):
    """A tree that is described is not described again, and nobody is asked for a yes."""
    run("describe", shop, "--yes")

    ended = run("describe", shop)

    assert (0, "") == (ended.code, ended.err)
    assert (
        "Every branch of shop.tree is described; --stale or --all writes them again.\n" == ended.out
    )


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--stale", "--all"], 2, "--stale and --all exclude each other; give one."),
        (["--depth", "0"], 2, "'--depth'"),
        (["--share", "2"], 2, "'--share'"),
        (["--yes"], 3, "asking a language model needs a model"),
    ],
)
def test_what_cannot_be_is_refused(run, shop, arguments, code, told):
    """Contradictions, senseless numbers and a missing endpoint are said."""
    ended = run("describe", shop, *arguments)

    assert (code, "") == (ended.code, ended.out)
    assert told in ended.err


def test_a_file_that_cannot_be_written_costs_nothing(run, shop, server):
    """It fails before anything is sent."""
    # Permissions do not bind everybody; a journal that cannot be made does.
    Path(f"{shop}-wal").mkdir()

    ended = run("describe", shop, "--yes")

    assert (3, []) == (ended.code, server.requests)


def test_by_files_moved_by_hand(run, shop, server):
    """A level goes out, its results come in, until there is nothing left to write."""
    rounds = 0
    while files := run("describe", shop, "--export-requests", "out.jsonl", "--json").json["files"]:
        rounds += 1
        results = []
        for line in Path(files[0]).read_text().splitlines():
            request = json.loads(line)
            text = sensible_answer(request["body"]["messages"][-1]["content"], "descriptions")
            body = {"choices": [{"message": {"content": text}}]}
            response = {"status_code": 200, "body": body}
            results.append({"custom_id": request["custom_id"], "response": response})
        Path("results.jsonl").write_text("\n".join(map(json.dumps, results)))
        waiting = run("describe", shop, "--export-requests", "again.jsonl")
        taken = run("describe", shop, "--import-results", "results.jsonl")

        assert re.search(r"still waiting for \d+ results? \(`--import-results FILE`\)", waiting.out)
        assert taken.out.startswith("Described ")

    assert 2 <= rounds
    assert [] == server.requests
    told = run("describe", shop, "--export-requests", "out.jsonl")
    assert "Nothing to write: every selected branch of shop.tree is described.\n" == told.out


def test_through_a_batch_api(run, shop, monkeypatch):
    """The usage log holds what was paid for."""
    monkeypatch.setattr("unillmrec.describing.batch_api.FIRST_PAUSE_SECONDS", 0.01)
    with BatchServer(looks=0) as server:
        lead_to(server, monkeypatch)
        done = run("describe", shop, "--batch-api", "--yes", "--json")
        logged = run("usage", shop, "--json").json

    assert 0 == done.code
    assert server.billed.prompt == done.json["usage"]["total"]["prompt"]
    assert server.billed.prompt == logged["total"]["usage"]["prompt"]


def test_one_way_at_a_time(run, shop):
    """Files go out or come in."""
    both = run("describe", shop, "--export-requests", "a", "--import-results", "b")

    assert 2 == both.code
    assert "exclude each other; give one." in both.err
