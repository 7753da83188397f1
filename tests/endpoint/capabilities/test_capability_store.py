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
    CapabilityStore,
    Known,
    _turn,
    default_path,
)

PACKAGE = str(Path(__file__).parents[2])
URL = "http://127.0.0.1:8080/v1"
KNOWN = Known(RequestStyle("json_object", "max_tokens", False, True), {"A": 0.6, "B": 0.4}, "d1")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "endpoints.json"


def test_what_is_written_is_read_again(path):
    """It belongs to one model at one address."""
    CapabilityStore(path, URL, "m").write(KNOWN)

    assert CapabilityStore(path, URL, "m").read() == KNOWN
    assert CapabilityStore(path, URL, "other").read() is None
    assert CapabilityStore(path, "http://127.0.0.1:9/v1", "m").read() is None


def test_a_new_way_leaves_what_was_measured(path):
    """The bias of a model does not change with what its server refuses."""
    book = CapabilityStore(path, URL, "m")
    book.write(KNOWN)

    book.keep_way(RequestStyle("text"))

    assert Known(RequestStyle("text"), KNOWN.label_bias, "d1") == book.read()


def test_a_new_way_leaves_what_was_measured_meanwhile(path):
    """What another process writes while this one waits for its turn is not lost."""
    book = CapabilityStore(path, URL, "m")
    book.write(Known())
    with _turn(path):
        waiting = threading.Thread(target=book.keep_way, args=(RequestStyle("text"),))
        waiting.start()
        waiting.join(0.05)
        held = json.loads(path.read_text())
        held["endpoints"][f"m at {URL}"]["label_prompt"] = "d2"
        path.write_text(json.dumps(held))
    waiting.join()

    assert Known(RequestStyle("text"), label_prompt="d2") == book.read()


def test_forgetting_takes_one_entry_out(path):
    """And says whether there was one."""
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
def test_a_file_that_cannot_be_used_is_as_good_as_none(held, path):
    """What is in it is learnt again, and written over it."""
    path.parent.mkdir()
    path.write_text(held)
    book = CapabilityStore(path, URL, "m")

    assert book.read() is None
    book.write(KNOWN)
    assert KNOWN == book.read()


@pytest.mark.parametrize("name", ["response_format", "limit_parameter", "temperature", "labels"])
def test_a_single_strange_value_makes_an_entry_unusable(name, path):
    """Half of an entry is not guessed at."""
    book = CapabilityStore(path, URL, "m")
    book.write(KNOWN)
    held = json.loads(path.read_text())
    held["endpoints"][f"m at {URL}"][name] = "perhaps"
    path.write_text(json.dumps(held))

    assert book.read() is None


def test_a_place_that_cannot_be_written_stops_nobody(tmp_path):
    """It is learnt again next time."""
    (tmp_path / "file").write_text("in the way")
    book = CapabilityStore(tmp_path / "file" / "endpoints.json", URL, "m")

    book.write(KNOWN)

    assert book.read() is None
    assert not book.forget()


def test_without_a_place_nothing_is_kept():
    """This is what "off" comes to."""
    book = CapabilityStore(None, URL, "m")

    book.write(KNOWN)

    assert book.read() is None


def test_old_refusals_are_tried_again(path):
    """Servers are updated; what doctor found to work stays until it fails."""
    book = CapabilityStore(path, URL, "m")
    book.write(KNOWN)
    held = json.loads(path.read_text())
    long_ago = datetime.now(UTC) - timedelta(days=31)
    held["endpoints"][f"m at {URL}"]["learnt"] = long_ago.isoformat()
    path.write_text(json.dumps(held))

    assert Known(RequestStyle(labels=True), KNOWN.label_bias, "d1") == book.read()


def test_the_file_does_not_grow_for_ever(path):
    """The oldest go first."""
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
from unillmrec.endpoint.capabilities.capability_store import Known, CapabilityStore
for _ in range(20):
    CapabilityStore(Path(sys.argv[1]), sys.argv[2], sys.argv[3]).write(Known(label_prompt="d"))
"""


def test_processes_do_not_lose_each_others_entries(path):
    """They take turns, and the file is whole at any time."""
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
    assert [Known(label_prompt="d")] * 4 == [
        CapabilityStore(path, URL, f"model {n}").read() for n in range(4)
    ]
    left = [each.name for each in path.parent.iterdir() if each.suffix != ".lock"]
    assert ["endpoints.json"] == left


def test_others_cannot_read_it(path):
    """Which servers somebody uses is nobody's business."""
    CapabilityStore(path, URL, "m").write(KNOWN)

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("state", ["", "relative/state"])
def test_its_place_is_the_users_state_folder(state):
    """As XDG has it: a relative folder is as good as none."""
    home = Path.home() / ".local" / "state" / "unillmrec" / "endpoints.json"

    assert home == default_path({"XDG_STATE_HOME": state})
    assert Path("/state/unillmrec/endpoints.json") == default_path({"XDG_STATE_HOME": "/state"})
