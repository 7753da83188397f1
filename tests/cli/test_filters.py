import json
from pathlib import Path

from tests import trees

HISTORY = "item-000,item-006"
BORN = {each.id: each.attributes["year"] for each in trees.items()}


def test_recommends_only_matching_items(run, shop):
    """Every item matches --where, and the JSON has the number of matching items."""
    reply = run(
        *("recommend", shop, "--history", HISTORY, "--where", "1850 <= year < 1860", "--json")
    ).json

    assert 10 == len(reply["items"])
    assert {*range(1850, 1860)} >= {BORN[each["id"]] for each in reply["items"]}
    assert (20, "1850 <= year < 1860") == (reply["walk"]["eligible"], reply["walk"]["where"])


def test_excluded_items_are_not_recommended(run, shop):
    """--exclude takes ids or a file of them, as --history does."""
    first = run("recommend", shop, "--like", "whale", "--json").json
    ids = [each["id"] for each in first["items"]]
    Path("out.json").write_text(json.dumps(ids[3:]))

    named = run("recommend", shop, "--like", "whale", "--json", "--exclude", ",".join(ids[:3]))
    filed = run("recommend", shop, "--like", "whale", "--json", "--exclude", "out.json")

    assert not {each["id"] for each in named.json["items"]} & set(ids[:3])
    assert not {each["id"] for each in filed.json["items"]} & set(ids[3:])
    assert (3, 297) == (named.json["walk"]["excluded"], named.json["walk"]["eligible"])


def test_unknown_ids_to_exclude_are_reported(run, shop):
    """A note on stderr names them; the result is complete."""
    ended = run("recommend", shop, "--like", "whale", "--exclude", "item-001,nobody,nothing")

    assert 0 == ended.code
    assert "2 of 3 ids to exclude are not in shop.tree: 'nobody', 'nothing'.\n" in ended.err


def test_a_wrong_predicate_is_marked_with_a_caret(run, shop):
    """The caret is below the mistake, and nothing is recommended."""
    ended = run("recommend", shop, "--like", "whale", "--where", "readers > 3 and yaer < 1900")

    assert (3, "") == (ended.code, ended.out)
    assert ended.err.endswith(
        "Error: there is no attribute 'yaer'.\n"
        "  readers > 3 and yaer < 1900\n"
        "                  ^^^^\n"
        "  The attributes are 'readers', 'subjects', 'year'.\n"
        "  Try: year\n"
    )


def test_a_predicate_without_matches_is_reported(run, shop, server):
    """The message says why there are no items; nothing is sent; the plan says the same."""
    message = "No item is left: none of 300 fits year < 3."

    ended = run("recommend", shop, "--like", "whale", "--where", "year < 3")
    planned = run("recommend", shop, "--like", "whale", "--where", "year < 3", "--plan")

    assert (0, 0, []) == (ended.code, planned.code, server.requests)
    assert f"\n{message}\n" in ended.out
    assert message in planned.err


def test_a_plan_applies_the_predicate(run, shop):
    """If all matching items fit in one prompt, no walk is planned."""
    whole = run("recommend", shop, "--like", "whale", "--plan", "--json").json
    part = run(
        *("recommend", shop, "--like", "whale", "--where", "year < 1805", "--plan", "--json")
    ).json

    assert {"recall", "rank", "total"} == set(whole["plan"])
    assert {"rank", "total"} == set(part["plan"])
