import json
import logging
import re

import pytest


@pytest.fixture(autouse=True)
def _logs_as_they_were():
    """Take our handlers away again: other tests look at the standard error stream."""
    ours = logging.getLogger("unillmrec")
    handlers, level = list(ours.handlers), ours.level
    yield
    ours.handlers = handlers
    ours.setLevel(level)


def test_nothing_is_logged_unless_it_is_asked_for(run, shop, server):
    """Progress and notes are enough for most."""
    assert "" == run("recommend", shop, "--like", "slow rivers").err


def test_every_call_is_a_line_of_text(run, shop, server):
    """When, how grave, from where, and what, with figures by name."""
    ended = run("--log-level", "info", "recommend", shop, "--like", "slow rivers")

    lines = ended.err.splitlines()
    assert server.billed.calls == len(lines)
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(
        moment + r" INFO unillmrec\.endpoint call stage=recall model=fake-model"
        r" endpoint=127\.0\.0\.1:\d+ seconds=[\d.]+ calls=1 prompt=\d+ completion=\d+ cached=0"
        r" reasoning=0 retries=0 refused=0 asked_with=json_schema finish=stop outcome=answered",
        lines[0],
    )


def test_every_call_is_an_object_where_programs_read(run, shop, server):
    """The same as JSON; results stay on standard output."""
    level = ("--log-level", "info", "--log-format", "json")
    ended = run(*level, "recommend", shop, "--like", "slow rivers", "--json")

    events = [json.loads(line) for line in ended.err.splitlines()]
    assert server.billed.calls == len(events)
    assert server.billed.prompt == sum(event["prompt"] for event in events)
    assert {"call"} == {event["event"] for event in events}
    assert {"at", "level", "logger", "stage", "outcome"} <= events[0].keys()
    assert 10 == len(ended.json["items"])


def test_an_unknown_level_is_wrong_usage(run):
    """With the levels there are."""
    ended = run("--log-level", "loud", "settings")

    assert 2 == ended.code
    assert "'debug', 'info', 'warning', 'error'" in ended.err
