from unittest.mock import ANY

import pytest

from tests import trees
from unillmrec import LanguageModelJudge, Recommender, SimilarityJudge
from unillmrec.endpoint import OpenAIEndpoint
from unillmrec.errors import BudgetError, EndpointError
from unillmrec.judge.from_settings import build_writer
from unillmrec.settings import Settings
from unillmrec.stages import Options, Person
from unillmrec.testing import FakeServer, FaultKind
from unillmrec.usage import Usage
from unillmrec.usage_log import LoggedEndpoint, UsageLog, read_log


@pytest.fixture
def logged_to(tmp_path):
    """An endpoint at a server whose calls go to the file `log`."""
    opened = []

    def logged(server):
        endpoint = OpenAIEndpoint(
            server.model, base_url=server.base_url, api_key="", sleep=lambda seconds: None
        )
        log = UsageLog(tmp_path / "log", command="test", tree=tmp_path / "t", warn=print)
        opened.extend((endpoint, log))
        return LoggedEndpoint(endpoint, log)

    yield logged
    for each in opened:
        each.close()


def test_calls_carry_the_label_of_their_person(tmp_path, tmp_path_factory, logged_to):
    """In every stage; without a label, the log names nobody."""
    folder = tmp_path_factory.getbasetemp() / "trees"
    folder.mkdir(exist_ok=True)
    with FakeServer() as server, trees.tree(folder) as tree:
        judge = LanguageModelJudge(
            logged_to(server), build_writer(Settings()), SimilarityJudge(tree)
        )
        for label in ("visitor 7", ""):
            person = Person(("item-000", "item-006"), label=label)
            Recommender(tree, judge).recommend_to(person, Options())

    lines, total = read_log(tmp_path / "log", "person")

    assert ["(nobody named)", "visitor 7"] == [line.key for line in lines]
    assert lines[0].rows == lines[1].rows == total.rows / 2
    assert "item-000" not in (tmp_path / "log").read_bytes().decode("latin-1")


def test_usage_before_a_failure_is_logged(tmp_path, logged_to):
    """The texts of the first request were embedded and billed before the second failed."""
    texts = [f"text {number}" for number in range(200)]
    with FakeServer(faults=[None, 400]) as server, pytest.raises(EndpointError):
        logged_to(server).embed(texts)

    _, total = read_log(tmp_path / "log", "stage")

    assert (1, server.billed.prompt, 1) == (
        total.usage.calls,
        total.usage.prompt,
        total.failed,
    )


def test_the_known_part_of_a_retried_call_is_logged(tmp_path, logged_to):
    """One reply broke off and the next had counts: the sum is unknown, but a part is known."""
    from unillmrec.endpoint import Message, Request
    from unillmrec.usage import Stage

    with FakeServer(faults=[FaultKind.DROP]) as server:
        request = Request(Stage.RANK, (Message("user", "Which of these?"),), 100)
        logged_to(server).complete(request)

    _, total = read_log(tmp_path / "log", "stage")

    assert (2, None, 1) == (total.usage.calls, total.usage.prompt, total.retries)
    assert server.reported.prompt == total.usage.known_prompt > 0
    assert server.billed.prompt == 2 * total.usage.known_prompt


def test_a_budget_error_does_not_hide_the_cost_of_its_call(tmp_path):
    """The failure before it was an attempt that may have been paid for."""
    from unillmrec.endpoint import CallError, FailureKind, Message, Request
    from unillmrec.usage import Stage

    failed = CallError("HTTP 503")
    failed.kind, failed.usage, failed.retries = FailureKind.SERVER, Usage(1, 70, 3), 2

    class Ended:
        model, name = "m", "here"

        def complete(self, request):
            raise BudgetError("tokens", "the budget of tokens is spent.") from failed

    log = UsageLog(tmp_path / "log", command="test", tree=tmp_path / "t", warn=print)
    with log, pytest.raises(BudgetError):
        LoggedEndpoint(Ended(), log).complete(
            Request(Stage.RANK, (Message("user", "Which?"),), 100)
        )

    (line,), _ = read_log(tmp_path / "log", "stage")
    assert (Usage(1, 70, 3, 0, 0, ANY), 2) == (line.usage, line.retries)
