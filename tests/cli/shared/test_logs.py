import json
import logging
import re

import pytest


@pytest.fixture(autouse=True)
def _restored_logging():
    """Remove our handlers afterwards: other tests read standard error."""
    ours = logging.getLogger("unillmrec")
    handlers, level = list(ours.handlers), ours.level
    yield
    ours.handlers = handlers
    ours.setLevel(level)


def test_nothing_is_logged_by_default(run, shop, server):
    """Standard error stays empty."""
    assert "" == run("recommend", shop, "--like", "slow rivers").err


def test_every_call_is_logged_as_a_line_of_text(run, shop, server):
    """Time, level, logger, event, and named values."""
    ended = run("--log-level", "info", "recommend", shop, "--like", "slow rivers")

    lines = ended.err.splitlines()
    assert server.billed.calls == len(lines)
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(
        time + r" INFO unillmrec\.endpoint call stage=recall model=fake-model"
        r" endpoint=127\.0\.0\.1:\d+ seconds=[\d.]+ calls=1 prompt=\d+ completion=\d+ cached=0"
        r" reasoning=0 retries=0 refused=0 asked_with=json_schema finish=stop outcome=answered",
        lines[0],
    )


def test_every_call_is_logged_as_a_json_object(run, shop, server):
    """The same fields; results stay on standard output."""
    level = ("--log-level", "info", "--log-format", "json")
    ended = run(*level, "recommend", shop, "--like", "slow rivers", "--json")

    events = [json.loads(line) for line in ended.err.splitlines()]
    assert server.billed.calls == len(events)
    assert server.billed.prompt == sum(event["prompt"] for event in events)
    assert {"call"} == {event["event"] for event in events}
    assert {"at", "level", "logger", "stage", "outcome"} <= events[0].keys()
    assert 10 == len(ended.json["items"])


def test_an_unknown_level_is_wrong_usage(run):
    """The message lists the levels."""
    ended = run("--log-level", "loud", "settings")

    assert 2 == ended.code
    assert "'debug', 'info', 'warning', 'error'" in ended.err
