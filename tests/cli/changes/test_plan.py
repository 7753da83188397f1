import json
from pathlib import Path

import pytest

from tests import trees
from unillmrec.cli.build import command as build_command
from unillmrec.cli.changes import insert as insert_command


@pytest.fixture
def new_items():
    """A file of items that are not in any tree yet."""
    rows = [
        {"id": f"new-{each.id}", "title": each.title, "text": each.text}
        for each in trees.items(120)
    ]
    Path("new.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return "new.jsonl"


def named_with_plan(command):
    return dict(command.FIELDS)["with --plan"]


def test_a_build_is_planned_and_not_made(run, new_items, server):
    """Nothing is sent, written or left; the plan is of the catalog's own tree and texts."""
    before = sorted(Path().iterdir())
    result = run("build", new_items, "--workers", "1", "--plan", "--embed", "e", "--json").json
    shown = run("build", new_items, "--workers", "1", "--plan").out

    assert ([], before) == (server.requests, sorted(Path().iterdir()))
    assert ["embed", "describe", "total"] == list(result["plan"])
    assert (120, "e", 0) == (
        result["items"],
        result["embedded_by"],
        result["plan"]["embed"]["completion"],
    )
    assert f"Describing {result['nodes']} node" in shown
    assert all(name in named_with_plan(build_command) for name in result)


def test_a_planned_embedding_is_what_is_billed(run, new_items, server):
    """The texts are those that are sent, in as many requests."""
    result = run("build", new_items, "--workers", "1", "--plan", "--embed", "e", "--json").json[
        "plan"
    ]["embed"]
    run("build", new_items, "--workers", "1", "-o", "new.tree", "--embed", "e")

    assert (result["calls"], result["prompt"]) == (server.billed.calls, server.billed.prompt)


def test_a_change_is_planned_on_a_copy(run, shop, new_items, server):
    """The tree stays as it was, and the plan says what would have to be described again."""
    run("describe", shop, "--yes")
    before, asked = Path(shop).read_bytes(), len(server.requests)
    result = run("insert", shop, new_items, "--plan", "--json").json

    assert (before, asked) == (Path(shop).read_bytes(), len(server.requests))
    assert (120, 0, 0) == (result["inserted"], result["updated"], result["deleted"])
    assert 0 < result["nodes"] == len(_stale_after(run, shop, new_items))
    assert result["plan"]["describe"]["calls"] > result["before"]["total"]["calls"] == 0
    assert all(name in named_with_plan(insert_command) for name in result)


def _stale_after(run, tree, items):
    run("insert", tree, items)
    plan = run("describe", tree, "--stale", "--plan", "--json").json
    return range(plan["nodes"])


def test_a_change_without_a_model_costs_nothing(run, shop, new_items):
    """In a tree that no model described, nothing has to be described again."""
    assert (
        "No calls are needed; nothing was sent.\n" == run("upsert", shop, new_items, "--plan").out
    )


def test_new_items_of_an_embedded_tree_are_counted(run, new_items, server):
    """Their texts are, once each; stand-ins for their vectors place them."""
    run("build", new_items, "--workers", "1", "-o", "new.tree", "--embed", "e")
    more = Path("more.jsonl")
    more.write_text(Path(new_items).read_text().replace('"new-', '"more-'))
    asked = server.billed
    result = run("insert", "new.tree", more, "--embed", "e", "--plan", "--json").json
    assert asked == server.billed
    run("insert", "new.tree", more, "--embed", "e")

    assert (120, result["plan"]["embed"]["prompt"]) == (
        result["inserted"],
        server.billed.prompt - asked.prompt,
    )


def test_what_is_planned_for_is_checked(run, shop):
    """A plan of something that cannot be done is the error that doing it would be."""
    ended = run("update", shop, "--item", '{"id": "nobody", "title": "x"}', "--plan")

    assert 3 == ended.code
    assert "nobody" in ended.err
