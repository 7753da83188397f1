import json
from pathlib import Path

from tests import trees

HISTORY = "item-000,item-006"
BORN = {each.id: each.attributes["year"] for each in trees.items()}


def test_recommends_only_what_fits(run, shop):
    """--where holds for every item, and the JSON says how many it holds for."""
    told = run(
        *("recommend", shop, "--history", HISTORY, "--where", "1850 <= year < 1860", "--json")
    ).json

    assert 10 == len(told["items"])
    assert {*range(1850, 1860)} >= {BORN[each["id"]] for each in told["items"]}
    assert (20, "1850 <= year < 1860") == (told["walk"]["eligible"], told["walk"]["where"])


def test_leaves_out_what_is_excluded(run, shop):
    """--exclude takes ids or a file of them, as --history does."""
    first = run("recommend", shop, "--like", "whale", "--json").json
    ids = [each["id"] for each in first["items"]]
    Path("out.json").write_text(json.dumps(ids[3:]))

    named = run("recommend", shop, "--like", "whale", "--json", "--exclude", ",".join(ids[:3]))
    filed = run("recommend", shop, "--like", "whale", "--json", "--exclude", "out.json")

    assert not {each["id"] for each in named.json["items"]} & set(ids[:3])
    assert not {each["id"] for each in filed.json["items"]} & set(ids[3:])
    assert (3, 297) == (named.json["walk"]["excluded"], named.json["walk"]["eligible"])


def test_says_which_ids_are_unknown(run, shop):
    """An id to exclude that is not in the tree is told beside the result."""
    ended = run("recommend", shop, "--like", "whale", "--exclude", "item-001,nobody,nothing")

    assert 0 == ended.code
    assert "2 of 3 ids to exclude are not in shop.tree: 'nobody', 'nothing'.\n" in ended.err


def test_shows_where_a_predicate_is_wrong(run, shop):
    """The caret stands below the mistake; nothing is recommended."""
    ended = run("recommend", shop, "--like", "whale", "--where", "readers > 3 and yaer < 1900")

    assert (3, "") == (ended.code, ended.out)
    assert ended.err.endswith(
        "Error: there is no attribute 'yaer'.\n"
        "  readers > 3 and yaer < 1900\n"
        "                  ^^^^\n"
        "  The attributes are 'readers', 'subjects', 'year'.\n"
        "  Try: year\n"
    )


def test_says_that_nothing_fits(run, shop, server):
    """No items, a sentence why, nothing sent; the plan says the same."""
    told = "No item is left: none of 300 fits year < 3."

    ended = run("recommend", shop, "--like", "whale", "--where", "year < 3")
    planned = run("recommend", shop, "--like", "whale", "--where", "year < 3", "--plan")

    assert (0, 0, []) == (ended.code, planned.code, server.requests)
    assert f"\n{told}\n" in ended.out
    assert told in planned.err


def test_a_plan_heeds_the_predicate(run, shop):
    """What fits one prompt by itself is planned without a walk."""
    whole = run("recommend", shop, "--like", "whale", "--plan", "--json").json
    part = run(
        *("recommend", shop, "--like", "whale", "--where", "year < 1805", "--plan", "--json")
    ).json

    assert {"recall", "rank", "total"} == set(whole["plan"])
    assert {"rank", "total"} == set(part["plan"])
