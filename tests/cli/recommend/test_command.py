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
from unillmrec.testing import FakeServer
from unillmrec.usage_log import read_log

NO_MODEL = "No language model is set (`unillmrec settings`); the embedded judge answers.\n"
HISTORY = "item-000,item-006,item-012"


def test_recommends_without_a_model_and_says_so(run, shop):
    """Titles with reasons on stdout; on stderr one line about who answers."""
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


def test_json_has_the_fields_it_promises(run, shop):
    """The JSON is one object with the fields of the help, and k items."""
    told = run("recommend", shop, "--history", HISTORY, "--json", "-k", "4").json

    assert names_in(FIELDS) == sorted(told)
    fields = dict(FIELDS)
    assert sorted(told["walk"]) == sorted(re.sub(r" \(.*?\)", "", fields["walk"]).split(", "))
    assert set(fields["items"].removeprefix("a list of ").split(", ")) == set(told["items"][0])
    assert [1, 2, 3, 4] == [each["place"] for each in told["items"]]
    assert not {each["id"] for each in told["items"]} & set(HISTORY.split(","))
    assert (shop, {}) == (told["tree"], told["prompts"])


def test_json_says_why_there_are_no_items(run, shop):
    """A list may be empty for a reason, which is a field of its own."""
    told = run("recommend", shop, "--history", HISTORY, "--json", "--exclude", "all.txt")
    Path("all.txt").write_text("\n".join(f"item-{number:03}" for number in range(300)))
    none = run("recommend", shop, "--history", HISTORY, "--json", "--exclude", "all.txt")

    assert 3 == told.code
    assert [] == none.json["items"]
    assert "No item is left: all 300 are in the history or excluded." == none.json["note"]


def test_ids_may_hold_commas(run):
    """Where the whole text is an id the error says how to give it, and that works."""
    Path("c.jsonl").write_text('{"id": "a,b", "title": "A"}\n{"id": "c", "title": "C"}\n')
    assert 0 == run("build", "c.jsonl").code

    parted = run("recommend", "c.tree", "--history", "a,b")
    excluded = run("recommend", "c.tree", "--history", "c", "--exclude", "a,b")
    whole = run("recommend", "c.tree", "--history", '["a,b"]', "--json")

    assert 3 == parted.code
    assert [
        "Error: 2 of 2 history items are not in c.tree: 'a', 'b'.",
        "  'a,b' as a whole is an id; commas separate ids.",
        """  Try: --history '["a,b"]'""",
    ] == parted.err.splitlines()[-3:]
    assert """Try: --exclude '["a,b"]'\n""" in excluded.err
    assert ["c"] == [each["id"] for each in whole.json["items"]]


def test_the_embedded_judge_may_be_asked_for(run, shop, server):
    """--judge embedded asks nobody, though an endpoint is set, and needs no word about it."""
    ended = run("recommend", shop, "--like", "whale", "--judge", "embedded")

    assert (0, "", []) == (ended.code, ended.err, server.requests)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"UNILLMREC_MODEL": "m"}, "A model but no endpoint is set (OPENAI_BASE_URL)"),
        ({"OPENAI_API_KEY": "sk-1"}, "An endpoint but no model is set (UNILLMREC_MODEL)"),
    ],
)
def test_half_an_endpoint_is_said(run, shop, monkeypatch, variables, told):
    """Where something is set and something missing, the line says what."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    ended = run("recommend", shop, "--like", "whale")

    assert (0, f"{told}; the embedded judge answers.\n") == (ended.code, ended.err)


def test_an_endpoint_that_is_demanded_must_be_set(run, shop):
    """--judge endpoint without settings names the variables, and asks nobody."""
    ended = run("recommend", shop, "--like", "whale", "--judge", "endpoint")

    assert (3, "") == (ended.code, ended.out)
    assert "UNILLMREC_MODEL or --model" in ended.err
    assert "OPENAI_BASE_URL or --base-url, or OPENAI_API_KEY" in ended.err


def test_a_model_walks_and_is_billed(run, shop, server):
    """With an endpoint set, the model answers; bill, log and server agree to the token."""
    ended = run("recommend", shop, "--history", HISTORY, "-k", "5")
    _, total = read_log(Path("shop.tree.usage"), "stage")
    bill = re.findall(r"^(\w+) +(\d+) +([\d,]+) +([\d,]+) ", ended.out, re.MULTILINE)
    (told,) = [[int(n.replace(",", "")) for n in row[1:]] for row in bill if row[0] == "total"]

    assert (0, "") == (ended.code, ended.err)
    assert ["profile", "recall", "rank", "total"] == [row[0] for row in bill]
    assert f"judge    fake-model at 127.0.0.1:{server.base_url.split(':')[2][:-3]}\n" in ended.out
    assert told == [server.billed.calls, server.billed.prompt, server.billed.completion]
    assert (server.billed.calls, server.billed.prompt, server.billed.completion) == (
        total.usage.calls,
        total.usage.prompt,
        total.usage.completion,
    )


def test_log_and_result_have_the_same_run(run, shop, server):
    """The JSON names the run under which its calls were logged, with the same estimates."""
    told = run("recommend", shop, "--like", "whale", "--json").json
    (line,), _ = read_log(Path("shop.tree.usage"), "run")

    assert told["run"] == line.key
    assert told["usage"]["total"] == line.usage.as_dict()
    assert sorted(CONTRACTS) == sorted(told["prompts"])


def test_what_a_server_does_not_say_is_unknown(run, shop, monkeypatch):
    """Without usage from the server the bill says unknown, and never nought."""
    with FakeServer(dialect="no-usage") as server:
        lead_to(server, monkeypatch)
        ended = run("recommend", shop, "--like", "whale")
        told = run("recommend", shop, "--like", "whale", "--json").json

    assert re.search(r"^total +\d+ +unknown +unknown +[\d,]+ +\d+$", ended.out, re.MULTILINE)
    assert (None, None) == (
        told["usage"]["total"]["prompt"],
        told["usage"]["total"]["completion"],
    )


def test_a_refused_key_ends_with_four(run, shop, monkeypatch):
    """What the endpoint refuses is its exit code, and is logged as failed."""
    with FakeServer(faults=lambda place: 401) as server:
        lead_to(server, monkeypatch)
        ended = run("recommend", shop, "--like", "whale")

    assert (4, "") == (ended.code, ended.out)
    assert "401" in ended.err
    lines, total = read_log(Path("shop.tree.usage"), "stage")
    assert ["recall"] == [line.key for line in lines]
    assert (0, total.rows) == (total.usage.calls, total.failed)


def test_useless_answers_are_told(run, shop, monkeypatch):
    """A model that only chats is asked again, then replaced, and both is said."""
    with FakeServer(lambda body: "Lovely weather.") as server:
        lead_to(server, monkeypatch)
        ended = run("recommend", shop, "--like", "whale", "-k", "2")

    assert 0 == ended.code
    assert "had to be asked again." in ended.out
    assert "could not be used; the embedded similarity judge answered instead." in ended.out


@pytest.mark.parametrize(
    ("dropped", "told"),
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
def test_what_was_dropped_is_said_in_words(dropped, told):
    """Only what happened is mentioned."""
    assert told == " ".join(format_dropped(dropped))


def test_items_the_model_did_not_pick_are_marked(run, shop, monkeypatch):
    """Where the nearest items fill up the model's picks, they have a mark."""

    def one_pick(body):
        first = '{"picks": [{"number": 1, "score": 90}]}'
        return '{"order": [1]}' if "order" in str(body["response_format"]) else first

    with FakeServer(one_pick) as server:
        lead_to(server, monkeypatch)
        out = run("recommend", shop, "--like", "whale", "-k", "3").out

    assert 2 == len(re.findall(r"^\d\. .* \*  item-\d+$", out, re.MULTILINE))
    assert "* not picked by the model, but the most similar of the items it saw\n" in out


def test_a_log_that_cannot_be_written_does_not_matter(run, shop, server):
    """The recommendation comes all the same, and one line says that usage is not logged."""
    ended = run("recommend", shop, "--like", "whale", "--usage-log", "no/such/folder/log")

    assert 0 == ended.code
    assert "Usage is not logged: no/such/folder/log: unable to open database file\n" == ended.err


def test_the_log_can_be_off(run, shop, server):
    """--usage-log off leaves no file."""
    assert 0 == run("recommend", shop, "--like", "whale", "--usage-log", "off").code
    assert [shop] == [path.name for path in Path().iterdir()]


def test_a_trace_has_a_line_for_every_answer(run, shop, server):
    """--trace keeps each question and answer, with run, judge and the prompt's digest."""
    told = run("recommend", shop, "--history", HISTORY, "--trace", "t.jsonl", "--json").json
    lines = [json.loads(line) for line in Path("t.jsonl").read_text().splitlines()]
    digests = {each.name: each.digest for each in PromptSet.load(CONTRACTS)}

    assert told["usage"]["total"]["calls"] == len(lines)
    assert {"profile", "choose", "pick", "rank"} == {line["kind"] for line in lines}
    assert {told["run"]} == {line["run"] for line in lines}
    assert [digests[line["kind"]] for line in lines] == [line["prompt"] for line in lines]
    assert all(line["messages"] and line["reply"] for line in lines)


def test_a_trace_is_never_added_to_another(run, shop, server):
    """A file that is there stays as it is, and nobody is asked."""
    Path("t.jsonl").write_text("precious\n")

    ended = run("recommend", shop, "--like", "whale", "--trace", "t.jsonl")

    assert (3, [], "precious\n") == (ended.code, server.requests, Path("t.jsonl").read_text())
    assert "Error: t.jsonl exists already." in ended.err


def test_a_trace_of_nothing_is_not_left(run, shop):
    """When nothing was asked, the next attempt finds no file in its way."""
    ended = run("recommend", shop, "--history", "nobody", "--trace", "t.jsonl")

    assert 3 == ended.code
    assert not Path("t.jsonl").exists()


def test_a_plan_sends_nothing(run, shop, server):
    """--plan counts the real prompts by stage, and the server hears nothing of it."""
    ended = run("recommend", shop, "--history", HISTORY, "--plan")
    told = run("recommend", shop, "--history", HISTORY, "--plan", "--json").json

    assert (0, "", []) == (ended.code, ended.err, server.requests)
    assert "A recommendation by fake-model would need about this; nothing was sent." in ended.out
    assert ["stage", "profile", "recall", "rank", "total"] == [
        line.split()[0] for line in ended.out.splitlines()[2:7]
    ]
    names = next(text for name, text in FIELDS if name == "with --plan").split("; ")[1]
    assert {"plan", *names.split(", ")} == told.keys()
    assert 0 < told["prefix"]["shared"] < told["prefix"]["prompt"]
    assert ["system", "user"] == [each["role"] for each in told["first_prompt"]]
    assert "A tale of the sea" in told["first_prompt"][1]["content"]
    assert not Path("shop.tree.usage").exists()


def test_a_plan_is_near_to_what_it_plans(run, shop, monkeypatch):
    """For a model that chooses like the embedded judge would, the plan is what is billed."""
    plan = run("recommend", shop, "--like", "whale captain storm", "--plan", "--json").json
    with FakeServer() as server:
        lead_to(server, monkeypatch)
        run("recommend", shop, "--like", "whale captain storm")

    assert 0 == abs(plan["plan"]["total"]["calls"] - server.billed.calls) // 3
    assert 0.6 < plan["plan"]["total"]["prompt"] / server.billed.prompt < 1.6


def test_own_prompts_are_used(run, shop, server):
    """--prompts replaces the prompts of the same name, and the digests show it."""
    run("prompts", "export", "mine")
    Path("mine/rank.md").write_text(
        Path("mine/rank.md").read_text().replace("You order items", "You sort items")
    )

    told = run("recommend", shop, "--like", "whale", "--prompts", "mine", "--json").json

    bundled = {each.name: each.digest for each in PromptSet.load(CONTRACTS)}
    changed = [name for name in bundled if bundled[name] != told["prompts"][name]]
    assert ["rank"] == changed
    assert any("You sort items" in str(body["messages"]) for body in server.requests)


def test_a_judge_with_nothing_to_go_by_says_so(run, shelf):
    """A sentence cannot be placed among given vectors; that is said, not guessed."""
    ended = run("recommend", shelf, "--like", "whales")

    assert (3, "") == (ended.code, ended.out)
    assert "has nothing to compare 'whales' with" in ended.err


def test_who_met_everything_gets_a_word_and_no_items(run, shelf):
    """When no item is left, that is said; it is no error."""
    with ItemTree.open(shelf) as tree:
        every = [each.item.id for each in tree.items_by_number(range(15)).values()]
    Path("person.json").write_text(json.dumps(every))

    ended = run("recommend", shelf, "--history", "person.json")

    assert 0 == ended.code
    assert "No item is left: all 15 are in the history or excluded.\n" in ended.out


def test_nobody_cannot_be_recommended_to(run, shop):
    """Without a history or a sentence there is an error that says what to give."""
    ended = run("recommend", shop)

    assert 3 == ended.code
    assert "--history ID,ID" in ended.err


def test_an_unknown_history_item_is_named(run, shop):
    """An id that is not in the tree is said, with the nearest one."""
    ended = run("recommend", shop, "--history", "item-0000")

    assert 3 == ended.code
    assert "1 of 1 history items are not in shop.tree: 'item-0000'." in ended.err


def test_walk_options_reach_the_walk(run, shop):
    """The numbers of the walk's options are those of the walk."""
    told = run(
        *("recommend", shop, "--like", "whale storm", "--leaves", 3, "--candidates", 8),
        *("--show", 16, "--variety", 1, "--most-per-branch", 1, "--rerank", "none", "-k", 4),
        "--json",
    ).json

    assert (3, 8, 4) == (told["walk"]["leaves"], told["walk"]["candidates"], len(told["items"]))


def test_an_interruption_shows_the_list_so_far(run, shop, server, monkeypatch):
    """Ctrl-C ends the asking: the embedded judge finishes the list, and the code is 130."""
    monkeypatch.setattr(LanguageModelJudge, "choose", _interrupt)

    ended = run("recommend", shop, "--history", HISTORY, "-k", "3", "--json")

    told = json.loads(ended.out)
    assert (130, "interrupted", 3) == (ended.code, told["partial"], len(told["items"]))


def test_a_budget_is_kept_and_told(run, shop, server):
    """Where the calls run out, the list comes all the same, and the page says who made it."""
    ended = run("recommend", shop, "--history", HISTORY, "-k", "3", "--max-calls", "2")

    assert 0 == ended.code
    assert 2 == len(server.requests)
    assert "Partial: the call budget is spent; the embedded judge answered" in ended.out


def _interrupt(*_):
    raise KeyboardInterrupt


def asked_about_branches(server):
    """What the server was asked about branches: for each person the lines, in their order."""
    told = [body["messages"] for body in server.requests]
    lists = [each[1]["content"] for each in told if "guide one person" in each[0]["content"]]
    return [each.split("<choices>\n")[1].split("\n</choices>")[0].splitlines() for each in lists]


def test_a_seed_turns_the_lists(run, shop, server):
    """The same seed makes the same requests; another one shows the same lines in another order."""
    first, again, other = [], [], []
    for kept, seed in ((first, 3), (again, 3), (other, 4)):
        server.requests.clear()
        assert 0 == run("recommend", shop, "--like", "whale", "--seed", seed).code
        kept += sorted(asked_about_branches(server))

    assert first == again != other


def test_votes_ask_again_in_another_order(run, shop, server):
    """Twice as many calls about branches, each pair about the same lines, and the judge says so."""
    told = run("recommend", shop, "--like", "whale", "--votes", "2", "--concurrency", 1, "--json")

    asked = asked_about_branches(server)
    assert told.json["judge"].endswith(", asked 2 times")
    for one, other in zip(asked[::2], asked[1::2], strict=True):
        lines = [line.split(". ", 1)[1] for line in one]
        assert lines[::-1] == [line.split(". ", 1)[1] for line in other]


@pytest.mark.parametrize("votes", ["0", "ten", "-1", "2.5", "10"])
def test_votes_that_cannot_be_counted_are_refused(run, shop, votes):
    """The error says what is possible."""
    ended = run("recommend", shop, "--like", "whale", f"--votes={votes}")

    assert 3 == ended.code
    assert f"--votes {votes}: expected auto, or a number from 1 to 9." in ended.err


def test_a_plan_says_what_a_prefix_cache_can_serve(run, shop):
    """As a number of tokens and a share of the prompts; more votes make for more."""
    plan = ("recommend", shop, "--history", HISTORY, "--plan")
    once, twice = (run(*plan, "--json", "--votes", n).json["prefix"] for n in (1, 2))

    share = round(100 * once["shared"] / once["prompt"])
    told = " ".join(run(*plan).out.split())
    assert f"A prefix cache can serve about {once['shared']:,} prompt tokens ({share}%)." in told
    assert twice["shared"] > once["shared"]
