import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import lead_to, names_in
from unillmrec.cli.recommend.command import FIELDS
from unillmrec.cli.recommend.show import format_dropped
from unillmrec.judge import CONTRACTS, Dropped, LanguageModelJudge
from unillmrec.prompts import PromptSet
from unillmrec.store import ItemTree
from unillmrec.testing import FakeServer, sensible_answer
from unillmrec.usage_log import read_log

NO_MODEL = "No language model is set (`unillmrec settings`); the embedded judge answers.\n"
HISTORY = "item-000,item-006,item-012"


def test_recommends_without_a_model_and_prints_a_note(run, shop):
    """Titles with reasons go to stdout, and one line about the judge to stderr."""
    ended = run("recommend", shop, "--history", HISTORY, "-k", "3")

    assert (0, NO_MODEL) == (ended.code, ended.err)
    assert re.fullmatch(
        r"profile  [a-z, ]+\n"
        r"judge    embedded similarity judge \(no language model\)\n"
        r"\n"
        r"(\d\. The \w+ and the \w+ \d+  item-\d+\n   close to The .*\n){3}"
        r"\n"
        r"Recommended 3 items of 300: \d+ branches and \d+ leaves opened, 30 candidates, "
        r"[\d.]+ s\.\n"
        r"No language model was asked; nothing was spent\.\n",
        ended.out,
    )


def test_json_has_the_documented_fields(run, shop):
    """One object with the fields of the help, and k items."""
    result = run("recommend", shop, "--history", HISTORY, "--json", "-k", "4").json

    assert names_in(FIELDS) == sorted(result)
    fields = dict(FIELDS)
    assert sorted(result["walk"]) == sorted(re.sub(r" \(.*?\)", "", fields["walk"]).split(", "))
    assert set(fields["items"].removeprefix("a list of ").split(", ")) == set(result["items"][0])
    assert [1, 2, 3, 4] == [each["place"] for each in result["items"]]
    assert not {each["id"] for each in result["items"]} & set(HISTORY.split(","))
    assert (shop, {}) == (result["tree"], result["prompts"])


def test_json_says_why_there_are_no_items(run, shop):
    """The reason for an empty list has a field of its own."""
    result = run("recommend", shop, "--history", HISTORY, "--json", "--exclude", "all.txt")
    Path("all.txt").write_text("\n".join(f"item-{number:03}" for number in range(300)))
    none = run("recommend", shop, "--history", HISTORY, "--json", "--exclude", "all.txt")

    assert 3 == result.code
    assert [] == none.json["items"]
    assert "No item is left: all 300 are in the history or excluded." == none.json["note"]


def test_ids_may_hold_commas(run):
    """If the whole text is an id, the error shows how to write it, and that works."""
    Path("c.jsonl").write_text('{"id": "a,b", "title": "A"}\n{"id": "c", "title": "C"}\n')
    assert 0 == run("build", "c.jsonl").code

    split = run("recommend", "c.tree", "--history", "a,b")
    excluded = run("recommend", "c.tree", "--history", "c", "--exclude", "a,b")
    whole = run("recommend", "c.tree", "--history", '["a,b"]', "--json")

    assert 3 == split.code
    assert [
        "Error: 2 of 2 history items are not in c.tree: 'a', 'b'.",
        "  'a,b' as a whole is an id; commas separate ids.",
        """  Try: --history '["a,b"]'""",
    ] == split.err.splitlines()[-3:]
    assert """Try: --exclude '["a,b"]'\n""" in excluded.err
    assert ["c"] == [each["id"] for each in whole.json["items"]]


def test_the_embedded_judge_can_be_chosen(run, shop, server):
    """--judge embedded sends nothing even if an endpoint is set, and prints no note."""
    ended = run("recommend", shop, "--like", "whale", "--judge", "embedded")

    assert (0, "", []) == (ended.code, ended.err, server.requests)


@pytest.mark.parametrize(
    ("variables", "result"),
    [
        ({"UNILLMREC_MODEL": "m"}, "A model but no endpoint is set (OPENAI_BASE_URL)"),
        ({"OPENAI_API_KEY": "sk-1"}, "An endpoint but no model is set (UNILLMREC_MODEL)"),
    ],
)
def test_half_an_endpoint_is_reported(run, shop, monkeypatch, variables, result):
    """If a setting is missing, the note says which."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    ended = run("recommend", shop, "--like", "whale")

    assert (0, f"{result}; the embedded judge answers.\n") == (ended.code, ended.err)


def test_judge_endpoint_needs_an_endpoint(run, shop):
    """--judge endpoint without settings is an error that names the variables."""
    ended = run("recommend", shop, "--like", "whale", "--judge", "endpoint")

    assert (3, "") == (ended.code, ended.out)
    assert "UNILLMREC_MODEL or --model" in ended.err
    assert "OPENAI_BASE_URL or --base-url, or OPENAI_API_KEY" in ended.err


def test_a_model_walks_and_is_billed(run, shop, server):
    """With an endpoint, the model answers; bill, log and server agree to the token."""
    ended = run("recommend", shop, "--history", HISTORY, "-k", "5")
    _, total = read_log(Path("shop.tree.usage"), "stage")
    bill = re.findall(r"^(\w+) +(\d+) +([\d,]+) +([\d,]+) ", ended.out, re.MULTILINE)
    (result,) = [[int(n.replace(",", "")) for n in row[1:]] for row in bill if row[0] == "total"]

    assert (0, "") == (ended.code, ended.err)
    assert ["profile", "recall", "rank", "total"] == [row[0] for row in bill]
    assert f"judge    fake-model at 127.0.0.1:{server.base_url.split(':')[2][:-3]}\n" in ended.out
    assert result == [server.billed.calls, server.billed.prompt, server.billed.completion]
    assert (server.billed.calls, server.billed.prompt, server.billed.completion) == (
        total.usage.calls,
        total.usage.prompt,
        total.usage.completion,
    )


def test_log_and_json_name_the_same_run(run, shop, server):
    """The JSON has the run and the estimates of the usage log."""
    result = run("recommend", shop, "--like", "whale", "--json").json
    (line,), _ = read_log(Path("shop.tree.usage"), "run")

    assert result["run"] == line.key
    assert result["usage"]["total"] == line.usage.as_dict()
    assert sorted(CONTRACTS) == sorted(result["prompts"])


def test_unreported_usage_is_unknown(run, shop, monkeypatch):
    """Without usage from the server the bill says unknown, never zero."""
    with FakeServer(dialect="no-usage") as server:
        lead_to(server, monkeypatch)
        ended = run("recommend", shop, "--like", "whale")
        result = run("recommend", shop, "--like", "whale", "--json").json

    assert re.search(r"^total +\d+ +unknown +unknown +[\d,]+ +\d+$", ended.out, re.MULTILINE)
    assert (None, None) == (
        result["usage"]["total"]["prompt"],
        result["usage"]["total"]["completion"],
    )


def test_a_refused_key_exits_with_four(run, shop, monkeypatch):
    """The failed call is in the usage log."""
    with FakeServer(faults=lambda place: 401) as server:
        lead_to(server, monkeypatch)
        ended = run("recommend", shop, "--like", "whale")

    assert (4, "") == (ended.code, ended.out)
    assert "401" in ended.err
    lines, total = read_log(Path("shop.tree.usage"), "stage")
    assert ["recall"] == [line.key for line in lines]
    assert (0, total.rows) == (total.usage.calls, total.failed)


def test_unusable_replies_are_reported(run, shop, monkeypatch):
    """A model that only chats is asked again, then replaced; the output mentions both."""
    with FakeServer(lambda body: "Lovely weather.") as server:
        lead_to(server, monkeypatch)
        ended = run("recommend", shop, "--like", "whale", "-k", "2")

    assert 0 == ended.code
    assert "had to be asked again." in ended.out
    assert "could not be used; the embedded similarity judge answered instead." in ended.out


@pytest.mark.parametrize(
    ("dropped", "result"),
    [
        (Dropped(), ""),
        (Dropped(invented=2), "The model invented 2 numbers."),
        (
            Dropped(invented=1, repeated=2, left_out=1),
            "The model invented 1 number, repeated 2 numbers and left out 1 candidate.",
        ),
        (
            Dropped(asked_again=1, fallbacks=1),
            "1 question had to be asked again. 1 reply could not be used; the embedded "
            "similarity judge answered instead.",
        ),
    ],
)
def test_repaired_replies_are_described(dropped, result):
    """Only faults that occurred are mentioned."""
    assert result == " ".join(format_dropped(dropped))


def test_items_that_the_model_did_not_pick_are_marked(run, shop, monkeypatch):
    """The nearest items that fill up the list have a mark."""

    def one_pick(body):
        prompt = "\n".join(message["content"] for message in body["messages"])
        if "Pick items" in prompt:
            return '{"picks": [{"number": 2, "score": 90}]}'
        return '{"order": [1]}' if "Order these" in prompt else sensible_answer(prompt)

    with FakeServer(one_pick) as server:
        lead_to(server, monkeypatch)
        out = run("recommend", shop, "--like", "whale", "-k", "3").out

    assert 2 == len(re.findall(r"^\d\. .* \*  item-\d+$", out, re.MULTILINE))
    assert "* not picked by the model, but the most similar of the items it saw\n" in out


def test_an_unwritable_usage_log_is_only_a_warning(run, shop, server):
    """The recommendation is complete, and one line says that usage is not logged."""
    ended = run("recommend", shop, "--like", "whale", "--usage-log", "no/such/folder/log")

    assert 0 == ended.code
    assert "Usage is not logged: no/such/folder/log: unable to open database file\n" == ended.err


def test_the_usage_log_can_be_turned_off(run, shop, server):
    """--usage-log off leaves no file."""
    assert 0 == run("recommend", shop, "--like", "whale", "--usage-log", "off").code
    assert [shop] == [path.name for path in Path().iterdir()]


def test_a_trace_has_a_line_for_every_reply(run, shop, server):
    """Each line has question, reply, run, judge and the prompt's digest."""
    result = run("recommend", shop, "--history", HISTORY, "--trace", "t.jsonl", "--json").json
    lines = [json.loads(line) for line in Path("t.jsonl").read_text().splitlines()]
    digests = {each.name: each.digest for each in PromptSet.load(CONTRACTS)}

    assert result["usage"]["total"]["calls"] == len(lines)
    assert {"profile", "choose", "pick", "rank"} == {line["kind"] for line in lines}
    assert {result["run"]} == {line["run"] for line in lines}
    assert [digests[line["kind"]] for line in lines] == [line["prompt"] for line in lines]
    assert all(line["messages"] and line["reply"] for line in lines)


def test_an_existing_trace_is_not_overwritten(run, shop, server):
    """The file stays as it is, and nothing is sent."""
    Path("t.jsonl").write_text("precious\n")

    ended = run("recommend", shop, "--like", "whale", "--trace", "t.jsonl")

    assert (3, [], "precious\n") == (ended.code, server.requests, Path("t.jsonl").read_text())
    assert "Error: t.jsonl exists already." in ended.err


def test_an_empty_trace_is_deleted(run, shop):
    """If nothing was asked, no file blocks the next attempt."""
    ended = run("recommend", shop, "--history", "nobody", "--trace", "t.jsonl")

    assert 3 == ended.code
    assert not Path("t.jsonl").exists()


def test_a_plan_sends_nothing(run, shop, server):
    """--plan counts the real prompts by stage, and the server gets no request."""
    ended = run("recommend", shop, "--history", HISTORY, "--plan")
    result = run("recommend", shop, "--history", HISTORY, "--plan", "--json").json

    assert (0, "", []) == (ended.code, ended.err, server.requests)
    assert "A recommendation by fake-model would need about this; nothing was sent." in ended.out
    assert ["stage", "profile", "recall", "rank", "total"] == [
        line.split()[0] for line in ended.out.splitlines()[2:7]
    ]
    names = next(text for name, text in FIELDS if name == "with --plan").split("; ")[1]
    assert {"plan", *names.split(", ")} == result.keys()
    assert 0 < result["prefix"]["shared"] < result["prefix"]["prompt"]
    assert ["system", "user"] == [each["role"] for each in result["first_prompt"]]
    assert "A tale of the sea" in result["first_prompt"][1]["content"]
    assert not Path("shop.tree.usage").exists()


def test_a_plan_is_close_to_the_bill(run, shop, monkeypatch):
    """For a model that chooses as the embedded judge does, the plan matches the bill."""
    plan = run("recommend", shop, "--like", "whale captain storm", "--plan", "--json").json
    with FakeServer() as server:
        lead_to(server, monkeypatch)
        run("recommend", shop, "--like", "whale captain storm")

    assert 0 == abs(plan["plan"]["total"]["calls"] - server.billed.calls) // 3
    assert 0.6 < plan["plan"]["total"]["prompt"] / server.billed.prompt < 1.6


def test_the_users_prompts_are_used(run, shop, server):
    """--prompts replaces prompts of the same name, and the digests change."""
    run("prompts", "export", "mine")
    Path("mine/rank.md").write_text(
        Path("mine/rank.md").read_text().replace("You order items", "You sort items")
    )

    result = run("recommend", shop, "--like", "whale", "--prompts", "mine", "--json").json

    bundled = {each.name: each.digest for each in PromptSet.load(CONTRACTS)}
    changed = [name for name in bundled if bundled[name] != result["prompts"][name]]
    assert ["rank"] == changed
    assert any("You sort items" in str(body["messages"]) for body in server.requests)


def test_a_sentence_cannot_be_compared_with_given_vectors(run, shelf):
    """The error says so; nothing is guessed."""
    ended = run("recommend", shelf, "--like", "whales")

    assert (3, "") == (ended.code, ended.out)
    assert "has nothing to compare 'whales' with" in ended.err


def test_a_history_with_every_item_leaves_none(run, shelf):
    """A message says that no item is left; it is not an error."""
    with ItemTree.open(shelf) as tree:
        every = [each.item.id for each in tree.items_by_number(range(15)).values()]
    Path("person.json").write_text(json.dumps(every))

    ended = run("recommend", shelf, "--history", "person.json")

    assert 0 == ended.code
    assert "No item is left: all 15 are in the history or excluded.\n" in ended.out


def test_a_person_is_required(run, shop):
    """Without a history or a sentence, the error says what is missing."""
    ended = run("recommend", shop)

    assert 3 == ended.code
    assert "--history ID,ID" in ended.err


def test_an_unknown_history_item_is_named(run, shop):
    """The error has the unknown id and the nearest known one."""
    ended = run("recommend", shop, "--history", "item-0000")

    assert 3 == ended.code
    assert "1 of 1 history items are not in shop.tree: 'item-0000'." in ended.err


def test_walk_options_reach_the_walk(run, shop):
    """The JSON shows the values of the flags."""
    result = run(
        *("recommend", shop, "--like", "whale storm", "--leaves", 3, "--candidates", 8),
        *("--show", 16, "--variety", 1, "--most-per-branch", 1, "--rerank", "none", "-k", 4),
        "--json",
    ).json

    assert (3, 8, 4) == (
        result["walk"]["leaves"],
        result["walk"]["candidates"],
        len(result["items"]),
    )


def test_an_interrupt_returns_the_list_so_far(run, shop, server, monkeypatch):
    """After Ctrl-C the embedded judge finishes the list, and the exit code is 130."""
    monkeypatch.setattr(LanguageModelJudge, "choose", _interrupt)

    ended = run("recommend", shop, "--history", HISTORY, "-k", "3", "--json")

    result = json.loads(ended.out)
    assert (130, "interrupted", 3) == (ended.code, result["partial"], len(result["items"]))


def test_a_budget_is_kept_and_reported(run, shop, server):
    """When the calls run out, the list is complete, and the output says who finished it."""
    ended = run("recommend", shop, "--history", HISTORY, "-k", "3", "--max-calls", "2")

    assert 0 == ended.code
    assert 2 == len(server.requests)
    assert "Partial: the call budget is spent; the embedded judge answered" in ended.out


def _interrupt(*_):
    raise KeyboardInterrupt


def branch_questions(server):
    """Return the choices of each request about branches, in their order."""
    result = [body["messages"] for body in server.requests]
    lists = [each[1]["content"] for each in result if "guide one person" in each[0]["content"]]
    return [each.split("<choices>\n")[1].split("\n</choices>")[0].splitlines() for each in lists]


def test_a_seed_changes_the_order_of_the_lists(run, shop, server):
    """The same seed sends the same requests; another one changes the order of the lines."""
    first, again, other = [], [], []
    for lists, seed in ((first, 3), (again, 3), (other, 4)):
        server.requests.clear()
        assert 0 == run("recommend", shop, "--like", "whale", "--seed", seed).code
        lists += sorted(branch_questions(server))

    assert first == again != other


def test_votes_ask_again_in_another_order(run, shop, server):
    """Each question about branches is asked twice, with the lines reversed."""
    result = run("recommend", shop, "--like", "whale", "--votes", "2", "--concurrency", 1, "--json")

    asked = branch_questions(server)
    assert result.json["judge"].endswith(", asked 2 times")
    for one, other in zip(asked[::2], asked[1::2], strict=True):
        lines = [line.split(". ", 1)[1] for line in one]
        assert lines[::-1] == [line.split(". ", 1)[1] for line in other]


@pytest.mark.parametrize("votes", ["0", "ten", "-1", "2.5", "10"])
def test_invalid_votes_are_refused(run, shop, votes):
    """The error says what is allowed."""
    ended = run("recommend", shop, "--like", "whale", f"--votes={votes}")

    assert 3 == ended.code
    assert f"--votes {votes}: expected auto, or a number from 1 to 9." in ended.err


def test_a_plan_has_the_tokens_that_a_prefix_cache_can_serve(run, shop):
    """As a number of tokens and a share of the prompts; more votes share more."""
    plan = ("recommend", shop, "--history", HISTORY, "--plan")
    once, twice = (run(*plan, "--json", "--votes", n).json["prefix"] for n in (1, 2))

    share = round(100 * once["shared"] / once["prompt"])
    result = " ".join(run(*plan).out.split())
    assert f"A prefix cache can serve about {once['shared']:,} prompt tokens ({share}%)." in result
    assert twice["shared"] > once["shared"]


def test_titles_in_place_of_a_profile_cost_no_call(run, shop, server):
    """The model's first question is about branches, and shows the titles; the plan agrees."""
    asked = ("recommend", shop, "--history", HISTORY, "--profile-from", "titles", "--json")

    plan = run(*asked, "--plan").json["plan"]
    result = run(*asked).json

    assert "profile" not in plan
    assert "profile" not in result["usage"]
    assert result["profile"][0]["interest"].startswith("items like The ")
    assert "items like The " in server.requests[0]["messages"][1]["content"]
