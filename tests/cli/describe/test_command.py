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


def question(body):
    """Return the lines about the nodes in a request, which do not depend on descriptions."""
    result = body["messages"][1]["content"]
    return result.split("\n<choices>\n")[1].split("\n</choices>\n")[0]


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
    """Calls and tokens go to stdout; the file does not change, and the server gets no request."""
    before = Path(shop).read_bytes()

    ended = run("describe", shop, "--plan")
    result = run("describe", shop, "--plan", "--json").json

    families = family_count(shop)
    assert (0, "", []) == (ended.code, ended.err, server.requests)
    assert f"in {families} families by fake-model would need about this" in ended.out
    assert before == Path(shop).read_bytes()
    promised = next(text for name, text in FIELDS if name == "with --plan")
    for name in result:
        assert name in promised
    assert {"describe", "total"} == set(result["plan"])
    assert (families, len(described(shop))) == (result["families"], result["nodes"])
    assert ["system", "user"] == [message["role"] for message in result["first_prompt"]]


def test_a_plan_needs_no_endpoint(run, shop):
    """The cost can be estimated before an endpoint is set."""
    assert "by any model" in run("describe", shop, "--plan").out


def test_a_plan_is_close_to_the_run(run, shop, server):
    """Calls are equal, tokens are close."""
    plan = run("describe", shop, "--plan", "--json").json["plan"]["describe"]

    result = run("describe", shop, "--yes", "--json").json

    usage = result["usage"]["describe"]
    assert plan["calls"] == usage["calls"] == len(server.requests)
    assert plan["prompt"] == pytest.approx(usage["prompt"], rel=0.05)
    assert plan["completion"] >= usage["completion"]


def test_prints_the_expected_cost_first_and_the_bill_last(run, shop, server):
    """The cost goes to stderr, the result to stdout, and every call to the usage log."""
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


def test_json_has_the_documented_fields(run, shop, server):
    """One object with the fields of the help."""
    result = run("describe", shop, "--yes", "--json").json

    assert names_in(FIELDS) == sorted(result)
    assert (len(described(shop)), [], None, True) == (
        result["described"],
        result["undescribed"],
        result["stopped"],
        result["finished"],
    )


def test_nothing_is_sent_without_confirmation(run, shop, server):
    """Without a terminal there is nobody to ask, so nothing is sent."""
    ended = run("describe", shop)

    assert (3, "", []) == (ended.code, ended.out, server.requests)
    assert ended.err.endswith(
        "Error: nothing was sent.\n  Try: --yes to continue without confirmation.\n"
    )


@pytest.mark.parametrize(
    ("answer", "code"),
    [("y\n", 0), *(pytest.param(no, 3, marks=pytest.mark.slow) for no in ("n\n", "\n"))],
)
def test_asks_for_confirmation_on_a_terminal(shop, server, answer, code):
    """The cost, then a question; only a yes continues."""
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
    """Read the output of a terminal until *end* appears, or until it closes."""
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
def test_works_with_any_compatible_server(run, shop, monkeypatch, dialect):
    """The same command describes the whole tree with every dialect."""
    with FakeServer(dialect=dialect) as server:
        lead_to(server, monkeypatch)
        ended = run("describe", shop, "--yes", "--json")

    assert (0, len(described(shop))) == (ended.code, ended.json["described"])
    assert all(described(shop).values())


@pytest.mark.parametrize("before", [pytest.param(0, marks=pytest.mark.slow), 5])
def test_a_killed_run_pays_for_no_family_twice(run, shop, monkeypatch, before):
    """Killed while it waits for a reply, it resumes with that one and keeps the others."""
    process, paid, families = None, [], family_count(shop)

    def answer(body):
        if len(paid) == before and process.poll() is None:
            process.kill()
            process.wait()
            raise ConnectionError("nobody is there to be answered")
        paid.append(question(body))
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
def test_a_run_killed_at_any_moment_resumes(run, shop, monkeypatch):
    """Each run starts where the last one stopped, and the file stays valid."""
    paid = []

    def answer(body):
        paid.append(question(body))
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


def test_an_interrupt_keeps_the_file_valid(shop, monkeypatch):
    """The exit code is 130, received descriptions are kept, and the file is valid."""
    paid = []

    def answer(body):
        paid.append(question(body))
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


def test_undescribed_nodes_are_listed(run, shop, monkeypatch):
    """They are not a failure: they are listed with the reason."""
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


def test_only_unusable_replies_are_a_failure(run, shop, monkeypatch):
    """If nothing was described, the exit code says so."""
    with FakeServer(lambda body: "No.") as server:
        lead_to(server, monkeypatch)
        ended = run("describe", shop, "--yes", "--depth", "1", "--json")

    assert (5, 0) == (ended.code, ended.json["described"])
    assert "was described." in ended.err
    assert "--trace FILE" in ended.err


def test_a_refused_key_ends_the_run_and_keeps_descriptions(run, shop, monkeypatch):
    """The report is printed first, then the error of the endpoint with its exit code."""
    with FakeServer(sensible, faults=[None, None, *[401] * 20]) as server:
        lead_to(server, monkeypatch)
        ended = run("describe", shop, "--yes", "--concurrency", "1")

    assert (4, 3) == (ended.code, len(server.requests))
    assert "The run ended early; what was described is kept." in ended.out
    assert "HTTP 401" in ended.err
    assert any(described(shop).values())


def test_a_trace_has_every_exchange(run, shop, monkeypatch):
    """One line per call: request, reply and summaries."""
    script = iter(["No."])
    with FakeServer(lambda body: next(script, None) or sensible(body)) as server:
        lead_to(server, monkeypatch)
        result = run(
            *("describe", shop, "--yes", "--depth", "1", "--trace", "run.jsonl", "--json")
        ).json

    lines = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
    assert ["No.", True] == [lines[0]["reply"], "descriptions" in lines[1]["reply"]]
    assert {result["run"]} == {line["run"] for line in lines}
    assert {result["prompts"]["describe"]} == {line["prompt"] for line in lines}
    assert {"describe"} == {line["stage"] for line in lines}
    assert lines[0]["summaries"] == lines[1]["summaries"] != {}


def test_stale_renews_outdated_descriptions(run, shop, server):
    """After changes, a walk reports outdated descriptions, and --stale renews them."""
    run("describe", shop, "--yes")
    with EditableTree.open(shop) as tree, tree.transaction():
        ids = [node for (node,) in tree.rows("SELECT id FROM node WHERE parent NOT NULL")]
        tree.set_descriptions(
            [(tree.node(i).description.to_json(), tree.node(i).size, i) for i in ids]
        )
    walk = ("recommend", shop, "--like", "whale", "--judge", "embedded")

    before, result = run(*walk).out, run(*walk, "--json").json["walk"]
    ended = run("describe", shop, "--stale", "--yes")
    after = run(*walk).out

    opened = result["branches"] + result["leaves"]
    # The root has no description of its own.
    assert opened - 1 == result["stale"]
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


def test_nothing_to_do_is_reported(run, shop, server):
    """A described tree is not described again, and no confirmation is asked for."""
    run("describe", shop, "--yes")

    ended = run("describe", shop)

    assert (0, "") == (ended.code, ended.err)
    assert (
        "Every branch of shop.tree is described; --stale or --all writes them again.\n" == ended.out
    )


@pytest.mark.parametrize(
    ("arguments", "code", "result"),
    [
        (["--stale", "--all"], 2, "--stale and --all exclude each other; give one."),
        (["--depth", "0"], 2, "'--depth'"),
        (["--share", "2"], 2, "'--share'"),
        (["--yes"], 3, "asking a language model needs a model"),
    ],
)
def test_wrong_flags_and_settings_are_refused(run, shop, arguments, code, result):
    """Contradictions, invalid numbers and a missing endpoint are errors."""
    ended = run("describe", shop, *arguments)

    assert (code, "") == (ended.code, ended.out)
    assert result in ended.err


def test_a_file_that_cannot_be_written_costs_nothing(run, shop, server):
    """It fails before anything is sent."""
    # Root ignores permissions, but nobody can create a journal where a folder is in its place.
    Path(f"{shop}-wal").mkdir()

    ended = run("describe", shop, "--yes")

    assert (3, []) == (ended.code, server.requests)


def test_exported_requests_and_imported_results(run, shop, server):
    """Export a level, import its results, until nothing is left."""
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
    result = run("describe", shop, "--export-requests", "out.jsonl")
    assert "Nothing to write: every selected branch of shop.tree is described.\n" == result.out


def test_over_the_batch_api(run, shop, monkeypatch):
    """The usage log has every paid request."""
    monkeypatch.setattr("unillmrec.describing.batch_api.FIRST_PAUSE_SECONDS", 0.01)
    with BatchServer(looks=0) as server:
        lead_to(server, monkeypatch)
        done = run("describe", shop, "--batch-api", "--yes", "--json")
        logged = run("usage", shop, "--json").json

    assert 0 == done.code
    assert server.billed.prompt == done.json["usage"]["total"]["prompt"]
    assert server.billed.prompt == logged["total"]["usage"]["prompt"]


def test_file_flags_exclude_each_other(run, shop):
    """One of them at a time."""
    both = run("describe", shop, "--export-requests", "a", "--import-results", "b")

    assert 2 == both.code
    assert "exclude each other; give one." in both.err
