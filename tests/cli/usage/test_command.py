import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import lead_to, names_in
from unillmrec.cli.usage.command import FIELDS
from unillmrec.testing import FakeServer


def test_what_was_spent_is_what_was_billed(run, shop, server):
    """The total is the server's own bill, by whatever it is grouped, and by stage in order."""
    run("recommend", shop, "--history", "item-000,item-006")
    run("recommend", shop, "--like", "whale")
    result = {
        by: run("usage", shop, "--by", by, "--json").json for by in ("stage", "run", "model", "day")
    }

    for each in result.values():
        assert server.billed.prompt == each["total"]["usage"]["prompt"]
        assert server.billed.prompt == sum(line["usage"]["prompt"] for line in each["lines"])
    assert ["profile", "recall", "rank"] == [line["key"] for line in result["stage"]["lines"]]
    assert (2, 1, 1) == tuple(len(result[by]["lines"]) for by in ("run", "model", "day"))
    assert names_in(FIELDS) == sorted(result["run"])
    assert ["recommend"] * 2 == [line["command"] for line in result["run"]["lines"]]


def test_is_shown_as_a_table(run, shop, server):
    """For people there is a line for each stage, a total, and a sentence."""
    run("recommend", shop, "--history", "item-000,item-006")

    out = run("usage", shop).out

    assert re.fullmatch(
        r"stage +calls +prompt +completion +est\. prompt +est\. completion\n"
        r"(profile|recall|rank)( +[\d,]+){5}\n"
        * 1
        + r"(recall|rank)( +[\d,]+){5}\n" * 2
        + r"total( +[\d,]+){5}\n\n\d+ calls, [\d.]+ s of waiting\.\n"
        r"Estimates of prompts were [+-]\d\.\d% off the server's counts"
        r" \(profile [+-]\d\.\d%, recall [+-]\d\.\d%, rank [+-]\d\.\d%\)\.\n"
        r"Estimates of completions were .*\n"
        r"The cost of \d+ calls is unknown: no price, or no token count\.\n",
        out,
    )


def test_the_unknown_stays_unknown(run, shop, server, monkeypatch):
    """One call without a report makes the sum unknown, and it is said of how many calls."""
    run("recommend", shop, "--like", "whale")
    with FakeServer(dialect="no-usage") as silent:
        lead_to(silent, monkeypatch)
        run("recommend", shop, "--like", "whale")

    out = run("usage", shop, "--by", "run").out

    assert re.search(r"^total +\d+ +unknown +unknown +[\d,]+ +[\d,]+$", out, re.MULTILINE)
    unknown = f"For {len(silent.requests)} of them the server reported no count; the others took "
    known = run("usage", shop, "--json").json["total"]["known"]
    assert f"{unknown}{known['prompt']:,} prompt and {known['completion']:,} completion" in out
    assert server.billed.prompt == known["prompt"]


def test_since_leaves_out_what_was_before(run, shop, server):
    """--since takes a day; what is older does not count."""
    run("recommend", shop, "--like", "whale")
    tomorrow = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"

    assert run("usage", shop, "--since", "2020-01-01", "--json").json["total"]["rows"]
    assert not run("usage", shop, "--since", tomorrow, "--json").json["total"]["rows"]
    assert run("usage", shop, "--since", tomorrow).out.startswith("No call was logged in ")
    assert run("usage", shop, "--since", "2h", "--json").json["total"]["rows"]
    assert not run("usage", shop, "--since", "0d", "--json").json["total"]["rows"]
    assert 2 == run("usage", shop, "--since", "yesterday").code


def test_the_log_is_found(run, shop, server, monkeypatch):
    """A tree, a log, the setting, or the only log of the folder: all lead to it."""
    run("recommend", shop, "--like", "whale")
    rows = run("usage", shop, "--json").json["total"]["rows"]

    assert rows == run("usage", "--json").json["total"]["rows"]
    assert rows == run("usage", "shop.tree.usage", "--json").json["total"]["rows"]
    monkeypatch.setenv("UNILLMREC_USAGE_LOG", "shop.tree.usage")
    Path("other.usage").touch()
    assert rows == run("usage", "--json").json["total"]["rows"]
    monkeypatch.delenv("UNILLMREC_USAGE_LOG")
    assert "there are 2 usage logs" in run("usage").err


def test_one_log_may_hold_several_trees(run, shop, shelf, server, monkeypatch):
    """With a log of one's own, a tree's usage is that of this tree alone."""
    monkeypatch.setenv("UNILLMREC_USAGE_LOG", "all.usage")
    run("recommend", shop, "--like", "whale")
    run("recommend", shelf, "--history", "emma")

    rows = [
        run("usage", each, "--json").json["total"]["rows"] for each in (shop, shelf, "all.usage")
    ]

    assert rows[0] + rows[1] == rows[2]
    assert all(rows)


def test_nothing_logged_is_no_error(run, shop):
    """A tree nobody asked a model about has spent nothing."""
    ended = run("usage", shop)

    assert (0, "No call was logged in shop.tree.usage.\n") == (ended.code, ended.out)
    assert 0 == run("usage", shop, "--json").json["total"]["usage"]["calls"]


def test_what_is_no_log_is_refused(run, shop, monkeypatch):
    """A missing file, another file, and a log that is off are errors in words."""
    Path("x.usage").write_text("no database")

    assert "no.tree does not exist" in run("usage", "no.tree").err
    assert "x.usage is not a usage log" in run("usage", "x.usage").err
    assert "no.usage does not exist" in run("usage", "no.usage").err
    assert "usage_log is off (--usage-log)" in run("usage", shop, "--usage-log", "off").err


def test_a_long_list_of_runs_is_cut(run, shop, server):
    """Of many runs the last are shown, and how many more there are."""
    from unillmrec.usage import Usage
    from unillmrec.usage_log import Call, UsageLog

    for number in range(43):
        with UsageLog(Path("many.usage"), command="test", tree=Path(shop), warn=print) as log:
            log.run = f"run-{number:02}"
            log.add(Call("rank", "chat", "m", "here", Usage(calls=1, prompt=1, completion=1)))

    out = run("usage", "many.usage", "--by", "run").out

    assert "run-02 " not in out
    assert "run-03 test " in out
    assert "The last 40 lines are shown; 3 more are in --json, or use --since.\n" in out


def test_money_is_shown_if_the_price_is_known(run, shop, server):
    """With a price of one's own: in the plan, beside the bill, in the sums, and as a limit."""
    Path("unillmrec.toml").write_text("[prices.fake-model]\nprompt = 1000\ncompletion = 2000\n")
    asked = ("recommend", shop, "--like", "whale")

    plan = run(*asked, "--plan", "--json").json
    made = run(*asked, "--json").json
    spent = run("usage", shop, "--json").json["total"]

    cost = (1000 * server.billed.prompt + 2000 * server.billed.completion) / 1_000_000
    assert cost == pytest.approx(made["cost"]["USD"]) == pytest.approx(spent["cost"]["USD"])
    low, high = plan["plan"]["total"]["cost_between"]
    assert ("USD", True) == (plan["currency"], low < cost < high)
    assert "Cost: USD" in run("usage", shop).out
    before = server.billed
    part = run(*asked, "--max-cost", str(cost / 2), "--json").json
    assert "cost" == part["partial"]
    assert part["cost"]["USD"] <= cost / 2
    assert before.calls < server.billed.calls


def test_a_limit_in_money_needs_a_price(run, shop, server):
    """Without one it cannot be kept; what that takes is said, and nothing is sent."""
    ended = run("recommend", shop, "--like", "whale", "--max-cost", "1")

    assert (3, []) == (ended.code, server.requests)
    assert "[prices] in unillmrec.toml" in ended.err
    assert (
        0
        == run("recommend", shop, "--like", "whale", "--max-cost", "1", "--judge", "embedded").code
    )
