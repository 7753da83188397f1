"""Run `recommend` against every fault of the fake server."""

import re

import pytest

from tests.cli.conftest import lead_to
from unillmrec.endpoint import RetryPolicy
from unillmrec.testing import FakeServer, Fault
from unillmrec.testing.faults import NAMED, fault_named, until

DONE, ENDPOINT = 0, 4
# Shorter than the faults of these names in `mock`, so that the tests are quick.
SHORT = {
    "429-wait": lambda: Fault.status(429, retry_after=0.05),
    "429-date": lambda: Fault.status(429, retry_after=until(0.1)),
    "drip": lambda: Fault.drip(0.002),
    "prompt-cut": lambda: Fault.prompt_cut(100),
}
STATUSES = ("400", "401", "402", "404", "500", "503")
# If every request meets the fault: the exit code, and words of the error message.
ALWAYS = {
    "400": (ENDPOINT, "answered HTTP 400"),
    "401": (ENDPOINT, "answered HTTP 401"),
    "402": (ENDPOINT, "add credit"),
    "404": (ENDPOINT, "--model"),
    "500": (ENDPOINT, "answered HTTP 500"),
    "503": (ENDPOINT, "answered HTTP 503"),
    "429": (ENDPOINT, "fewer requests at once"),
    "429-wait": (ENDPOINT, "fewer requests at once"),
    "429-date": (ENDPOINT, "fewer requests at once"),
    "quota": (ENDPOINT, "add credit"),
    "too-long": (ENDPOINT, "the model takes 8,192"),
    "refuse-format": (DONE, ""),
    "refuse-limit": (DONE, ""),
    "slow": (ENDPOINT, "had not answered after 0.4 seconds"),
    "drip": (ENDPOINT, "had not answered after 0.4 seconds"),
    "prompt-cut": (ENDPOINT, "has read 100 tokens"),
    "html": (ENDPOINT, "with a web page, not with JSON"),
    "error-body": (ENDPOINT, "Scripted error"),
    "reset": (ENDPOINT, "failed or was dropped"),
    "drop": (ENDPOINT, "broke off"),
    "cut-json": (ENDPOINT, "is cut off"),
    "empty-choices": (DONE, ""),
    "null-content": (DONE, ""),
    "thought-away": (DONE, ""),
    "cut": (DONE, ""),
    "filter": (DONE, ""),
    "refusal": (DONE, ""),
    "no-usage": (DONE, ""),
    "wrong-usage": (DONE, ""),
    "ignore-schema": (DONE, ""),
}
# The exit code if one request meets the fault.
ONCE = {
    "503": DONE,
    "429-wait": DONE,
    "429-date": DONE,
    "reset": DONE,
    "drop": DONE,
    "cut-json": DONE,
    "null-content": DONE,
    "refuse-format": DONE,
    "ignore-schema": DONE,
    "quota": ENDPOINT,
}
# The server billed something that it did not report.
UNREPORTED = {"drop", "cut-json", "no-usage", "wrong-usage", "slow", "drip"}


def make_fault(name):
    return SHORT[name]() if name in SHORT else fault_named(name)


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch):
    wait = RetryPolicy.wait

    def short(self, retries, asked, left):
        pause = wait(self, retries, asked, left)
        return pause if pause is None or asked else pause / 50

    monkeypatch.setattr(RetryPolicy, "wait", short)


def test_every_fault_is_in_the_table():
    """A new fault must be added here."""
    assert {*NAMED, *STATUSES} == set(ALWAYS)


@pytest.fixture
def against(run, shop, monkeypatch):
    """Recommend with these faults; return the output, the logged and the billed usage."""

    def recommend(faults, seconds="20"):
        with FakeServer(faults=faults) as server:
            lead_to(server, monkeypatch)
            asked = ("recommend", shop, "--like", "slow rivers", "-k", "5", "--json")
            ended = run(*asked, "--timeout-seconds", seconds)
        spent = run("usage", shop, "--json").json["total"]["usage"]
        return ended, (spent["calls"], spent["prompt"]), (server.billed.calls, server.billed.prompt)

    return recommend


def sampled(names):
    """Mark all but every third as slow."""
    return [
        name if place % 3 == 0 else pytest.param(name, marks=pytest.mark.slow)
        for place, name in enumerate(names)
    ]


# Every third in the suite, the others in the long run.
@pytest.mark.parametrize("name", sampled(ALWAYS))
def test_a_fault_of_every_request_is_handled_or_reported(name, against):
    """A correct list, or a clear message and the right exit code; never a traceback."""
    code, words = ALWAYS[name]

    ended, spent, billed = against(
        lambda place: make_fault(name), "0.4" if name in ("slow", "drip") else "20"
    )

    assert code == ended.code, ended.err
    if code == DONE:
        assert 5 == len({item["id"] for item in ended.json["items"]})
    else:
        assert re.fullmatch(r"Error: \S.*\n(  \S.*\n){0,2}", ended.err)
        assert words in ended.err
        assert "" == ended.out
    assert name in UNREPORTED or spent == billed


@pytest.mark.parametrize("name", sampled(ONCE))
def test_a_fault_of_one_request_is_retried_where_that_helps(name, against):
    """Every reply is billed once."""
    ended, spent, billed = against([None, make_fault(name)])

    assert ONCE[name] == ended.code, ended.err
    assert name in UNREPORTED or spent == billed
