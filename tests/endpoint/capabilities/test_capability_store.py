import json
import os
import stat
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from unillmrec.endpoint import RequestStyle
from unillmrec.endpoint.capabilities.capability_store import (
    MOST_ENTRIES,
    Capabilities,
    CapabilityStore,
    _locked,
    default_path,
)

PACKAGE = str(Path(__file__).parents[2])
URL = "http://127.0.0.1:8080/v1"
KNOWN = Capabilities(
    RequestStyle("json_object", "max_tokens", False, True), {"A": 0.6, "B": 0.4}, "d1"
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "endpoints.json"


def test_a_written_entry_can_be_read(path):
    """It belongs to one model at one address."""
    CapabilityStore(path, URL, "m").write(KNOWN)

    assert CapabilityStore(path, URL, "m").read() == KNOWN
    assert CapabilityStore(path, URL, "other").read() is None
    assert CapabilityStore(path, "http://127.0.0.1:9/v1", "m").read() is None


def test_a_new_style_keeps_what_was_measured(path):
    """The bias of a model does not change with what its server refuses."""
    store = CapabilityStore(path, URL, "m")
    store.write(KNOWN)

    store.write_style(RequestStyle("text"))

    assert Capabilities(RequestStyle("text"), KNOWN.label_bias, "d1") == store.read()


def test_a_new_style_keeps_what_another_process_measured_meanwhile(path):
    """What another process writes while this one waits for the lock is not lost."""
    store = CapabilityStore(path, URL, "m")
    store.write(Capabilities())
    with _locked(path):
        waiting = threading.Thread(target=store.write_style, args=(RequestStyle("text"),))
        waiting.start()
        waiting.join(0.05)
        held = json.loads(path.read_text())
        held["endpoints"][f"m at {URL}"]["label_prompt"] = "d2"
        path.write_text(json.dumps(held))
    waiting.join()

    assert Capabilities(RequestStyle("text"), label_prompt="d2") == store.read()


def test_forgetting_removes_one_entry(path):
    """And returns whether there was one."""
    mine, other = CapabilityStore(path, URL, "m"), CapabilityStore(path, URL, "other")
    mine.write(KNOWN)
    other.write(KNOWN)

    assert [True, False] == [mine.forget(), mine.forget()]
    assert (None, KNOWN) == (mine.read(), other.read())


@pytest.mark.parametrize(
    "held",
    [
        "",
        "no JSON",
        "[]",
        '{"layout": 2, "endpoints": {}}',
        '{"layout": 1, "endpoints": []}',
        json.dumps({"layout": 1, "endpoints": {f"m at {URL}": 7}}),
        json.dumps({"layout": 1, "endpoints": {f"m at {URL}": {"response_format": "xml"}}}),
        "[" * 100_000,
    ],
)
def test_an_unusable_file_counts_as_missing(held, path):
    """Its content is learned again and overwritten."""
    path.parent.mkdir()
    path.write_text(held)
    store = CapabilityStore(path, URL, "m")

    assert store.read() is None
    store.write(KNOWN)
    assert KNOWN == store.read()


@pytest.mark.parametrize("name", ["response_format", "limit_parameter", "temperature", "labels"])
def test_one_invalid_value_makes_an_entry_unusable(name, path):
    """No part of the entry is used."""
    store = CapabilityStore(path, URL, "m")
    store.write(KNOWN)
    held = json.loads(path.read_text())
    held["endpoints"][f"m at {URL}"][name] = "perhaps"
    path.write_text(json.dumps(held))

    assert store.read() is None


def test_an_unwritable_path_fails_no_call(tmp_path):
    """Everything is learned again by the next process."""
    (tmp_path / "file").write_text("in the way")
    store = CapabilityStore(tmp_path / "file" / "endpoints.json", URL, "m")

    store.write(KNOWN)

    assert store.read() is None
    assert not store.forget()


def test_without_a_path_nothing_is_stored():
    """The setting "off" has this effect."""
    store = CapabilityStore(None, URL, "m")

    store.write(KNOWN)

    assert store.read() is None


def test_old_refusals_are_tried_again(path):
    """Servers are updated. What doctor found to work stays until it fails."""
    store = CapabilityStore(path, URL, "m")
    store.write(KNOWN)
    held = json.loads(path.read_text())
    long_ago = datetime.now(UTC) - timedelta(days=31)
    held["endpoints"][f"m at {URL}"]["learnt"] = long_ago.isoformat()
    path.write_text(json.dumps(held))

    assert Capabilities(RequestStyle(labels=True), KNOWN.label_bias, "d1") == store.read()


def test_the_number_of_entries_is_limited(path):
    """The oldest ones are removed."""
    path.parent.mkdir()
    entries = {f"old {n}": {"learnt": f"2020-01-01T00:{n:03}"} for n in range(MOST_ENTRIES + 5)}
    path.write_text(json.dumps({"layout": 1, "endpoints": entries}))

    CapabilityStore(path, URL, "m").write(KNOWN)

    names = list(json.loads(path.read_text())["endpoints"])
    assert MOST_ENTRIES == len(names)
    assert ("old 6", f"m at {URL}") == (names[0], names[-1])


WRITE_OFTEN = """
import sys
import threading
from pathlib import Path
from unillmrec.endpoint.capabilities.capability_store import Capabilities, CapabilityStore
for _ in range(20):
    store = CapabilityStore(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
    store.write(Capabilities(label_prompt="d"))
"""


def test_concurrent_processes_lose_no_entries(path):
    """They take turns, and the file is complete at any time."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE_OFTEN, path, URL, f"model {n}"],
            env=os.environ | {"PYTHONPATH": PACKAGE},
        )
        for n in range(4)
    ]
    while any(worker.poll() is None for worker in workers):
        assert not path.exists() or json.loads(path.read_text())["layout"] == 1
        time.sleep(0.002)

    assert [0] * 4 == [worker.returncode for worker in workers]
    assert [Capabilities(label_prompt="d")] * 4 == [
        CapabilityStore(path, URL, f"model {n}").read() for n in range(4)
    ]
    left = [each.name for each in path.parent.iterdir() if each.suffix != ".lock"]
    assert ["endpoints.json"] == left


def test_other_users_cannot_read_the_file(path):
    """It shows which servers somebody uses."""
    CapabilityStore(path, URL, "m").write(KNOWN)

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("state", ["", "relative/state"])
def test_the_default_path_is_in_the_users_state_folder(state, monkeypatch):
    """By the XDG rules; a relative folder is ignored."""
    home = Path.home() / ".local" / "state" / "unillmrec" / "endpoints.json"
    monkeypatch.setenv("XDG_STATE_HOME", state)

    assert home == default_path()

    monkeypatch.setenv("XDG_STATE_HOME", "/state")

    assert Path("/state/unillmrec/endpoints.json") == default_path()
