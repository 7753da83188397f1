import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import unillmrec
from unillmrec.endpoint import Message, Request
from unillmrec.errors import EndpointError, StoreError
from unillmrec.prices import Price
from unillmrec.testing import ScriptedEndpoint
from unillmrec.usage import Stage, Usage
from unillmrec.usage_log import (
    FILE,
    Call,
    LoggedEndpoint,
    UsageLog,
    log_path,
    read_log,
)

COUNTS = st.none() | st.integers(0, 10_000)
USAGES = st.builds(
    Usage, st.integers(0, 3), COUNTS, COUNTS, COUNTS, COUNTS, st.integers(0, 99), st.integers(0, 99)
)
CALLS = st.builds(
    Call,
    stage=st.sampled_from([str(each) for each in Stage]),
    kind=st.just("chat"),
    model=st.sampled_from(["m", "n"]),
    endpoint=st.just("here"),
    usage=USAGES,
    failure=st.sampled_from(["", "timeout"]),
)
ONE = Call("rank", "chat", "m", "here", Usage(calls=1, prompt=10, completion=2))


def log_at(path, warnings=None):
    warnings = [] if warnings is None else warnings
    return UsageLog(path, command="test", tree=Path("shop.tree"), warn=warnings.append)


@given(st.lists(CALLS, max_size=6))
def test_lines_add_up_to_the_total(tmp_path_factory, calls):
    """Whatever they are grouped by, unknown counts included."""
    path = tmp_path_factory.mktemp("log") / "shop.tree.usage"
    warnings = []
    with log_at(path, warnings) as log:
        for call in calls:
            log.add(call)

    for by in ("stage", "run", "model", "day", "person"):
        lines, total = read_log(path, by, tree=Path("shop.tree"))
        assert sum((call.usage for call in calls), Usage()) == total.usage
        assert total.usage == sum((line.usage for line in lines), Usage())
        assert (len(calls), sum(line.unknown for line in lines)) == (total.rows, total.unknown)
    assert [] == warnings


def test_stages_are_sorted_as_they_run(tmp_path):
    """Lines by stage follow the order of a recommendation, not the alphabet."""
    path = tmp_path / "log"
    with log_at(path) as log:
        for stage in ("rank", "embed", "profile", "rerank", "recall"):
            log.add(Call(stage, "chat", "m", "here", Usage()))

    lines, _ = read_log(path, "stage")

    assert ["profile", "recall", "rank", "rerank", "embed"] == [line.key for line in lines]


def test_calls_before_since_do_not_count(tmp_path):
    """*since* is a point in time, in any time zone."""
    path = tmp_path / "log"
    with log_at(path) as log:
        log.add(ONE)
    now = datetime.now(UTC).astimezone()

    assert 1 == read_log(path, "run", now - timedelta(minutes=1))[1].rows
    assert 0 == read_log(path, "run", now + timedelta(minutes=1))[1].rows


def test_no_file_is_created_before_the_first_call(tmp_path):
    """A run without calls leaves no file."""
    with log_at(tmp_path / "log"):
        pass

    assert [] == list(tmp_path.iterdir())


def test_many_threads_write_one_log(tmp_path):
    """Calls from several threads, through several logs on one file, all arrive."""
    path = tmp_path / "log"
    logs = [log_at(path) for _ in range(3)]
    threads = [
        threading.Thread(target=lambda log=log: [log.add(ONE) for _ in range(20)])
        for log in logs
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for log in logs:
        log.close()

    lines, total = read_log(path, "run")

    assert (120, 1_200, 3) == (total.rows, total.usage.prompt, len(lines))


@pytest.mark.parametrize("name", ["missing/folder/log", "taken", "foreign", "newer", "text"])
def test_problems_are_reported_once_and_never_raised(tmp_path, name):
    """A log that cannot be written causes one line; files of another kind stay as they are."""
    (tmp_path / "taken").mkdir()
    with sqlite3.connect(tmp_path / "foreign") as db:
        db.execute("CREATE TABLE mine (a)")
    with sqlite3.connect(tmp_path / "newer") as db:
        db.execute(f"PRAGMA application_id = {FILE.application_id}")
        db.execute(f"PRAGMA user_version = {FILE.layout + 1}")
        db.execute("CREATE TABLE call (a)")
    db.close()
    (tmp_path / "text").write_text("dear diary")
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    warnings = []

    with log_at(tmp_path / name, warnings) as log:
        log.add(ONE)
        log.add(ONE)

    assert 1 == len(warnings)
    assert warnings[0].startswith(f"Usage is not logged: {tmp_path / name}")
    assert "\n" not in warnings[0]
    assert before == {path: path.read_bytes() for path in before}


def test_calls_that_end_after_closing_are_ignored(tmp_path):
    """A call that was interrupted may still end, and does no harm."""
    warnings = []
    log = log_at(tmp_path / "log", warnings)
    log.close()

    log.add(ONE)

    assert ([], []) == (warnings, list(tmp_path.iterdir()))


def test_the_file_is_marked(tmp_path):
    """The log has an application id and a layout, for later versions to upgrade."""
    path = tmp_path / "log"
    with log_at(path) as log:
        log.add(ONE)

    db = sqlite3.connect(path)
    marks = [db.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")]
    db.close()

    assert [(FILE.application_id,), (FILE.layout,)] == marks


@pytest.mark.parametrize("content", [None, b"", b"dear diary", b"SQLite format 3\x00" + b"x" * 99])
def test_other_files_cannot_be_read_as_logs(tmp_path, content):
    """Reading another file raises one of our errors."""
    path = tmp_path / "log"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(StoreError, match="log"):
        read_log(path, "run")


def test_the_log_is_beside_the_tree_unless_set_otherwise():
    """The setting has precedence; off means no log."""
    tree = Path("a/shop.tree")

    assert Path("a/shop.tree.usage") == log_path(tree, None)
    assert Path("mine") == log_path(tree, Path("mine"))
    assert log_path(tree, "off") is None


def request():
    return Request(Stage.RECALL, (Message("user", "Which one, of these two?"),), 100)


def test_every_call_is_logged(tmp_path):
    """A reply's usage, request style, time and estimates become a row; the reply is unchanged."""
    endpoint = ScriptedEndpoint(["the first"])
    with log_at(tmp_path / "log") as log:
        reply = LoggedEndpoint(endpoint, log).complete(request())

    (row,) = sqlite3.connect(tmp_path / "log").execute("SELECT * FROM call").fetchall()
    assert "the first" == reply.text
    assert ("recall", "chat", "scripted", "script", "text", "") == row[5:11]
    assert (1, 6, 3, 0, 0) == row[11:16]
    assert (13, 2) == row[16:18]


def test_a_failed_call_is_logged_and_raised(tmp_path):
    """A failure may have been paid for, so it has a row of its own."""
    failure = EndpointError("no answer")
    with log_at(tmp_path / "log") as log, pytest.raises(EndpointError):
        LoggedEndpoint(ScriptedEndpoint([failure]), log).complete(request())

    _, total = read_log(tmp_path / "log", "stage")

    assert (1, 1, 0, 0) == (total.rows, total.failed, total.usage.calls, total.unknown)


def test_vectors_cost_no_completion(tmp_path):
    """Counts that servers leave out for embeddings are known to be 0."""
    with log_at(tmp_path / "log") as log:
        vectors, usage = LoggedEndpoint(ScriptedEndpoint([]), log).embed(["one", "two words"])

    _, total = read_log(tmp_path / "log", "stage")

    assert 2 == len(vectors)
    assert (usage.prompt, 0, 0, 0) == (
        total.usage.prompt,
        total.usage.completion,
        total.usage.reasoning,
        total.unknown,
    )


OLD = """CREATE TABLE call (
    number INTEGER PRIMARY KEY, run TEXT NOT NULL, at TEXT NOT NULL, command TEXT NOT NULL,
    tree TEXT NOT NULL, stage TEXT NOT NULL, kind TEXT NOT NULL, model TEXT NOT NULL,
    endpoint TEXT NOT NULL, asked_with TEXT NOT NULL, failure TEXT NOT NULL,
    calls INTEGER NOT NULL, prompt INTEGER, completion INTEGER, cached INTEGER, reasoning INTEGER,
    estimated_prompt INTEGER NOT NULL, estimated_completion INTEGER NOT NULL,
    seconds REAL NOT NULL, retries INTEGER NOT NULL)"""


@pytest.fixture
def old_log(tmp_path):
    """A log of layout 1, with a call that has token counts and one that has not."""
    path = tmp_path / "old.usage"
    with sqlite3.connect(path) as db:
        db.execute(OLD)
        db.execute(f"PRAGMA application_id = {FILE.application_id}")
        db.execute("PRAGMA user_version = 1")
        row = "'r', '2026-01-01T00:00:00+00:00', 'c', 't', 'rank', 'chat', 'm', 'here', 'text', ''"
        for counts in ("1, 10, 2, 0, 0", "1, NULL, NULL, NULL, NULL"):
            db.execute(f"INSERT INTO call VALUES (NULL, {row}, {counts}, 9, 1, 0.5, 0)")
    db.close()
    return path


def test_reading_does_not_upgrade_an_old_log(old_log):
    """The file stays as it is."""
    before = old_log.read_bytes()

    _, total = read_log(old_log, "stage")

    assert (2, None, 10) == (total.usage.calls, total.usage.prompt, total.usage.known_prompt)
    assert ({}, 2) == (total.costs.known, total.costs.unpriced)
    assert before == old_log.read_bytes()


def test_an_old_log_is_upgraded_by_the_first_new_call(old_log):
    """The sums of its old calls stay the same."""
    (_, before), warnings = read_log(old_log, "stage"), []

    with log_at(old_log, warnings) as log:
        log.add(ONE)

    _, total = read_log(old_log, "stage")
    assert [] == warnings
    assert before.usage + ONE.usage == total.usage
    assert (before.rows + 1, before.unknown) == (total.rows, total.unknown)


def test_costs_are_added_up_by_currency(tmp_path):
    """A call without a price makes the total unknown; the known part is still reported."""
    path = tmp_path / "log"
    euro, dollar = Price(1, 2, per=1, currency="EUR"), Price(3, 4, per=1)
    silent = Usage(calls=1, prompt=None, completion=None)
    with log_at(path) as log:
        for price, person in ((euro, "a"), (euro, "b"), (dollar, "b"), (dollar, "b")):
            log.add(replace(ONE, price=price, person=person))
        log.add(replace(ONE, price=dollar, person="c", usage=silent))
        log.add(replace(ONE, person="c", usage=Usage()))

    lines, total = read_log(path, "person")

    assert ["a", "b", "c"] == [line.key for line in lines]
    assert [{"EUR": 14}, {"EUR": 14, "USD": 76}, None] == [line.costs.total for line in lines]
    assert ({"EUR": 28, "USD": 76}, 1) == (total.costs.known, total.costs.unpriced)


def test_a_full_disk_loses_no_calls(tmp_path):
    """One warning; when there is room again, waiting calls are written with the next one."""
    path, warnings = tmp_path / "log", []
    with log_at(path, warnings) as log:
        log.add(ONE)
        pages = log._db.execute("PRAGMA page_count").fetchone()[0]
        log._db.execute(f"PRAGMA max_page_count = {pages}")
        for _ in range(200):
            log.add(ONE)
        (warning,) = warnings
        log._db.execute("PRAGMA max_page_count = 100000")
        log.add(ONE)

    assert "Usage is not logged" in warning
    assert "full" in warning
    assert (1, 202) == (len(warnings), read_log(path, "stage")[1].rows)


def test_a_killed_process_loses_no_calls(tmp_path):
    """After SIGKILL, every call that was added is in the log, and the file is intact."""
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from unillmrec.usage import Usage\n"
        "from unillmrec.usage_log import Call, UsageLog\n"
        "log = UsageLog(Path('log'), command='c', tree=Path('t'), warn=print)\n"
        "for _ in range(50):\n"
        "    log.add(Call('rank', 'chat', 'm', 'here', Usage(1, 10, 2)))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(unillmrec.__file__).parents[1])}
    processes = [
        subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment)
        for _ in range(2)
    ]

    assert [-signal.SIGKILL] * 2 == [each.wait() for each in processes]
    lines, total = read_log(tmp_path / "log", "run")
    assert (100, 1_000, 2) == (total.rows, total.usage.prompt, len(lines))


def test_the_error_of_estimates_is_reported(tmp_path):
    """From calls with a single reply and reported counts, without reasoning."""
    path = tmp_path / "log"
    usages = [
        Usage(1, 200, 30, 0, 10, 100, 25),
        Usage(1, 200, 30, 0, None, 100, 25),
        Usage(1, None, None, None, None, 500, 500),
        Usage(2, 999, 999, 0, 0, 1, 1),
    ]
    with log_at(path) as log:
        for usage in usages:
            log.add(Call("rank", "chat", "m", "here", usage))

    (line,), _ = read_log(path, "stage")

    assert (-0.5, 0.0) == (line.prompt_error.share, line.completion_error.share)
    assert read_log(path, "stage", datetime.now(UTC))[1].prompt_error.share is None


def test_the_context_of_a_call_is_logged(tmp_path):
    """The branch, the label of the person, the output limit, and whether it repeats a question."""
    messages = (Message("user", "Which?"), Message("assistant", "?"), Message("user", "Again."))
    asked = Request(Stage.RECALL, messages, 100, about="36 sea", person="p1")
    with log_at(tmp_path / "log") as log:
        LoggedEndpoint(ScriptedEndpoint(["1"]), log).complete(asked)

    query = "SELECT about, person, max_output, again FROM call"
    assert [("36 sea", "p1", 100, 1)] == sqlite3.connect(tmp_path / "log").execute(query).fetchall()
