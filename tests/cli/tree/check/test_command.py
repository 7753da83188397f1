import re
import sqlite3

import pytest

from tests.cli.conftest import names_in
from unillmrec.cli.tree.check.command import FIELDS
from unillmrec.store import ROOT, EditableTree


def damage(path, statement):
    db = sqlite3.connect(path)
    with db:
        db.execute(statement)
    db.close()


def test_a_sound_tree_ends_with_zero(run, shop):
    """How much is in it, that nothing is wrong, the longest prompt, who described it."""
    ended = run("tree", "check", shop)

    assert (0, "") == (ended.code, ended.err)
    assert re.fullmatch(
        r"shop\.tree: 300 items in \d+ nodes; nothing is wrong\.\n"
        r"prompts       [\d,]+ of 4,000 tokens at most \(about the branches of node \d+\)\n"
        r"descriptions  from keywords, always up to date; none by a model\n",
        ended.out,
    )


def test_json_has_the_fields_it_promises(run, shop):
    """The JSON is one object with the fields of the help."""
    result = run("tree", "check", shop, "--json").json

    assert names_in(FIELDS) == sorted(result)
    assert ([], 300) == (result["breaches"], result["items"])


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--route", "5"]])
def test_what_is_wrong_is_said_and_ends_with_three(run, shop, arguments):
    """One line for each breach; a tree that is not sound is not routed through."""
    damage(shop, "UPDATE node SET size = size + 1 WHERE id = 2")

    ended = run("tree", "check", shop, *arguments)

    assert 3 == ended.code
    if "--json" in arguments:
        assert 1 == len(ended.json["breaches"])
    else:
        first, blank, verdict = ended.out.splitlines()[:3]
        assert (True, "") == (first.startswith("node 2 holds "), blank)
        assert verdict.endswith("; 1 thing is wrong.")
    assert "looked for" not in ended.out


def test_descriptions_out_of_date_are_a_fault(run, shop, server):
    """What is due is counted, with the command that renews it, and the check fails."""
    run("describe", shop, "--yes")
    with EditableTree.open(shop) as tree, tree.transaction():
        first = tree.children(ROOT)[0]
        tree.set_descriptions([(first.description.to_json(), first.size, first.id)])

    ended = run("tree", "check", shop)

    assert 3 == ended.code
    assert "1 out of date (`unillmrec describe shop.tree --stale`)" in ended.out


def test_hidden_items_are_looked_for(run, shop):
    """How often the right branch was found on each level, and where turns were wrong."""
    out = run("tree", "check", shop, "--route", "40").out
    result = run("tree", "check", shop, "--route", "40", "--json").json["routing"]

    assert "40 hidden items, looked for by the description judge (the words of the lines" in out
    level, *numbers = re.search(r"^1 .*$", out, re.MULTILINE)[0].split()
    first = result["levels"][0]
    shares = [f"{first[name]:.1%}" for name in ("first", "among_three", "by_chance")]
    assert ("1", ["40", *shares]) == (level, numbers)
    assert f"{result['whole_way']:.1%} were found without a wrong turn." in out
    assert "Most wrong turns\n" in out


def test_a_model_may_look_for_them(run, shop, server):
    """With --judge endpoint the model is asked, after its cost was said and agreed to."""
    refused = run("tree", "check", shop, "--route", "3", "--judge", "endpoint")
    assert (3, []) == (refused.code, server.requests)

    ended = run("tree", "check", shop, "--route", "3", "--judge", "endpoint", "--yes")

    assert 0 == ended.code
    count = len(server.requests)
    assert ended.err.startswith(
        f"Looking for 3 hidden items takes {count} calls to fake-model, about "
    )
    assert "3 hidden items, looked for by the fake-model at 127.0.0.1" in ended.out
    result = run("usage", shop, "--json").json
    assert [("recall", count)] == [(e["key"], e["usage"]["calls"]) for e in result["lines"]]


def test_a_model_that_is_not_set_is_no_surprise(run, shop):
    """Without an endpoint --judge endpoint says what is missing."""
    ended = run("tree", "check", shop, "--route", "3", "--judge", "endpoint", "--yes")

    assert (3, "") == (ended.code, ended.out)
    assert "UNILLMREC_MODEL" in ended.err


def test_a_set_endpoint_alone_costs_nothing(run, shop, server):
    """A check is free unless a model is asked for."""
    assert 0 == run("tree", "check", shop, "--route", "3").code
    assert [] == server.requests


def test_a_tree_called_check_can_be_shown(run, shop):
    """The second word is a command only as it stands; a path is a file."""
    from pathlib import Path

    Path(shop).rename("check")

    assert "items " in run("tree", "./check").out
    assert "nothing is wrong" in run("tree", "check", "check").out
