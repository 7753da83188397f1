from pathlib import Path

import pytest

import unillmrec
from tests import trees
from unillmrec.budget import Budget
from unillmrec.errors import SettingsError
from unillmrec.session import Session
from unillmrec.settings import Settings
from unillmrec.testing import FakeServer
from unillmrec.usage_log import read_log

LIKE = "whale captain storm"


@pytest.fixture
def tree(tmp_path):
    """A tree of three hundred items, as a file."""
    trees.tree(tmp_path).close()
    return tmp_path / "words.tree"


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


def leading_to(server):
    return {"base_url": server.base_url, "model": server.model}


def ids(recommendation):
    return [each.item.id for each in recommendation.items]


def test_a_session_is_offered_by_the_package():
    """It is imported when it is first used, as every promised name is."""
    assert Session is unillmrec.Session


def test_every_paid_call_is_in_the_usage_log(tree, server):
    """Under the name of the run and the command, with what the server billed."""
    with Session(tree, leading_to(server), command="nightly") as session:
        recommendation = session.recommend(like=LIKE, limit=3)
    (line,), total = read_log(Path(f"{tree}.usage"), "run")

    assert 3 == len(recommendation.items)
    assert session.asks_model
    assert session.run == line.key
    assert server.billed.calls == total.usage.calls == recommendation.total_usage().calls
    assert server.billed.prompt == total.usage.prompt


def test_a_second_run_is_answered_by_the_cache(tree, server):
    """The list is the same, nothing is sent, and the user sees what was saved."""
    notices = []
    with Session(tree, leading_to(server), cache="r.cache") as session:
        first = session.recommend(like=LIKE)
    billed = server.billed
    with Session(tree, leading_to(server), cache="r.cache", notify=notices.append) as session:
        second = session.recommend(like=LIKE)
        report = session.cache_report()

    assert ids(first) == ids(second)
    assert billed == server.billed
    assert 0 == second.total_usage().calls
    assert (billed.calls, 0) == (report["hits"], report["asked"])
    assert billed.prompt == report["saved"]["prompt"]
    assert [f"{billed.calls} of {billed.calls} replies came from the cache"] == [
        notice.partition(";")[0] for notice in notices
    ]


def test_a_recording_is_replayed_without_a_server(tree):
    """With the model, the run, the list and even the seconds of the recorded run."""
    with (
        FakeServer(dialect="logprobs") as server,
        Session(tree, leading_to(server), record="r.jsonl") as recorded,
    ):
        first = recorded.recommend(like=LIKE)

    with Session(tree, replay="r.jsonl") as replayed:
        second = replayed.recommend(like=LIKE)

    assert server.model == replayed.settings.model
    assert recorded.run == replayed.run
    assert first.as_dict() == second.as_dict()


def test_a_plan_sends_nothing_and_is_near_to_the_bill(tree, server):
    """It takes the arguments of the recommendation that it estimates."""
    with Session(tree, leading_to(server)) as session:
        planned = session.plan(like=LIKE, limit=5).plan.total
        sent = server.requests[:]
        session.recommend(like=LIKE, limit=5)

    assert [] == sent
    assert abs(planned.calls.likely - server.billed.calls) <= 2
    assert planned.prompt.low < server.billed.prompt < planned.prompt.high


def test_a_budget_of_money_needs_the_price_of_the_model(tree, server):
    """With one it ends the walk; without one it is an error; the embedded judge is free."""
    budget = Budget(cost=1e-9)
    with Session(tree, leading_to(server)) as session, pytest.raises(SettingsError, match="price"):
        session.recommend(like=LIKE, budget=budget)
    price = f'[prices."{server.model}"]\nprompt = 1.0\ncompletion = 1.0\n'
    Path("unillmrec.toml").write_text(price)

    with Session(tree, leading_to(server)) as session:
        partial = session.recommend(like=LIKE, budget=budget)
        cost = session.cost_of(partial)
    with Session(tree) as session:
        free = session.recommend(like=LIKE, budget=budget)

    assert ("cost", "") == (partial.partial, free.partial)
    assert 0.0 == cost.amount
    assert [] == server.requests


def test_without_an_endpoint_the_embedded_judge_answers(tree):
    """The user is warned once; no log is written, and the cost is nothing."""
    notices = []
    with Session(tree, notify=notices.append) as session:
        recommendation = session.recommend(like=LIKE)
        cost = session.cost_of(recommendation)

    assert not session.asks_model
    assert 10 == len(recommendation.items)
    assert (0.0, "") == (cost.amount, cost.currency)
    assert ["No language model is set (`unillmrec settings`); the embedded judge answers."] == (
        notices
    )
    assert not Path(f"{tree}.usage").exists()


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"cache": "a.cache"}, "asking a language model needs a model"),
        ({"record": "r.jsonl"}, "asking a language model needs a model"),
        ({"replay": "none.jsonl"}, "cannot be read"),
        ({"replay": "r.jsonl", "cache": "a.cache"}, "a replay answers from its recording only"),
    ],
)
def test_files_that_cannot_be_used_are_refused(files, problem, tree):
    """Before the tree is opened, and no file is left behind."""
    before = sorted(Path().iterdir())

    with pytest.raises(SettingsError, match=problem):
        Session(tree, **files)

    assert before == sorted(Path().iterdir())


def test_a_recording_is_never_overwritten(tree, server):
    """The cache that was opened before it is closed again."""
    Path("r.jsonl").write_text("precious\n")

    with pytest.raises(SettingsError, match=r"r\.jsonl exists already"):
        Session(tree, leading_to(server), record="r.jsonl", cache="a.cache")

    assert "precious\n" == Path("r.jsonl").read_text()


def test_a_tree_that_was_given_stays_open(tree):
    """Who opened it closes it; settings may be given as they are."""
    with unillmrec.ItemTree.open(tree) as opened:
        with Session(opened, Settings()) as session:
            session.recommend(like=LIKE)

        assert trees.ITEMS == len(opened)


def test_the_user_is_notified_which_host_gets_the_key(tree):
    """Before the first call, no matter what starts the session."""
    notices = []
    settings = Settings(base_url="https://models.example/v1", api_key="sk-1", model="m")

    with Session(tree, settings, notify=notices.append) as session:
        session.open_endpoint()

    assert ["The key from OPENAI_API_KEY is sent to models.example."] == notices
