from pathlib import Path

import pytest

from tests.cli.conftest import names_in
from unillmrec.cli.prompts.command import CHECK_FIELDS, EXPORT_FIELDS, LIST_FIELDS, SHOW_FIELDS
from unillmrec.judge import CONTRACTS
from unillmrec.prompts import PromptSet


def test_lists_the_prompts(run):
    """Each prompt has a line with its digest and its placeholders."""
    out = run("prompts", "list").out

    assert [[each.name, each.digest] for each in PromptSet.load(CONTRACTS)] == [
        line.split()[:2] for line in out.splitlines()
    ]
    assert all(line.endswith("  bundled") for line in out.splitlines())
    assert " $choices $limit $person " in out


def test_shows_a_prompt_as_it_is(run):
    """`show` prints the file, letter by letter."""
    assert PromptSet.load(CONTRACTS)["rank"].text == run("prompts", "show", "rank").out


def test_an_unknown_prompt_is_named(run):
    """A misspelt name is an error with the nearest."""
    ended = run("prompts", "show", "ramk")

    assert 3 == ended.code
    assert "there is no prompt 'ramk'. The nearest is 'rank'." in ended.err


def test_exports_edits_and_checks(run):
    """Exported prompts can be used; a broken one is named by file, with exit code 3."""
    exported = run("prompts", "export", "mine")
    again = run("prompts", "export", "mine")
    good = run("prompts", "check", "mine")
    Path("mine/rank.md").write_text(Path("mine/rank.md").read_text().replace("$person", "$persom"))
    bad = run("prompts", "check", "mine")

    assert sorted(f"mine/{name}.md" for name in CONTRACTS) == sorted(exported.out.splitlines()[:-1])
    assert (3, "") == (again.code, again.out)
    assert (0, "The prompts in mine can be used.\n") == (good.code, good.out)
    assert 3 == bad.code
    assert [
        "1 problem in mine:",
        "  mine/rank.md: the placeholders do not fit the rank stage.",
        "    missing $person; unknown $persom.",
    ] == bad.out.splitlines()


def test_own_prompts_are_listed_with_their_file(run, monkeypatch):
    """With --prompts or its variable, the list says which file a prompt is from."""
    run("prompts", "export", "mine")
    monkeypatch.setenv("UNILLMREC_PROMPTS", "mine")

    assert len(CONTRACTS) == run("prompts", "list").out.count("  mine/")
    assert 0 == run("prompts", "show", "rank").code


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        (["list"], LIST_FIELDS),
        (["show", "rank"], SHOW_FIELDS),
        (["export", "mine"], EXPORT_FIELDS),
        (["check", "."], CHECK_FIELDS),
    ],
)
def test_json_has_the_fields_it_promises(run, arguments, fields):
    """The JSON of each is one object with the fields of its help."""
    assert names_in(fields) == sorted(run("prompts", *arguments, "--json").json)


def test_a_folder_of_something_else_is_not_listed_file_by_file(run, tmp_path):
    """Many problems are cut, and the same remark is not repeated."""
    for number in range(20):
        (tmp_path / f"{number:02}.txt").touch()

    out = run("prompts", "check", ".").out

    assert 12 == out.count("no prompt has this name")
    assert 1 == out.count("The prompts are profile.md")
    assert "  and 8 more\n" in out
