import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.judge.prompting.test_prompt_writer import HOSTILE, SHARED
from unillmrec.endpoint import AnswerError, CallError, Message, Request
from unillmrec.errors import PromptError
from unillmrec.judge import Choice, HistoryQuestion, PromptWriter
from unillmrec.judge.prompting.dialogue import Dialogue
from unillmrec.judge.prompting.prompt_writer import RETRY_MESSAGE
from unillmrec.judge.sibling_questions import SiblingsQuestion
from unillmrec.testing import ScriptedEndpoint
from unillmrec.usage import Stage, Usage

REQUEST = Request(Stage.DESCRIBE, (Message("user", "How many?"),), 100)


def test_a_usable_reply_ends_the_dialogue(writer):
    """There is one call and one exchange, with our own estimate beside the reported usage."""
    dialogue = Dialogue(ScriptedEndpoint(["12"]), writer)

    assert (12,) == dialogue.ask(REQUEST, int, bool)

    (exchange,) = dialogue.exchanges
    assert ((("user", "How many?"),), "12") == (exchange.messages, exchange.reply)
    assert (1, True) == (dialogue.usage.calls, dialogue.usage.estimated_prompt > 0)


@SHARED
@given(
    kind=st.sampled_from(["profile", "choose", "pick", "rank", "rerank", "describe"]),
    lines=st.lists(HOSTILE, min_size=1, max_size=60),
    repeats=st.integers(1, 6),
    rubbish=HOSTILE | st.integers(1, 500).map("ᚠᛇᚻ".__mul__),
    ceiling=st.integers(900, 4000),
)
def test_no_request_is_over_the_ceiling(
    prompts, counter, asking, kind, lines, repeats, rubbish, ceiling
):
    """A retry fits under the ceiling whatever the unusable reply holds."""
    writer = PromptWriter(prompts, counter, ceiling)
    choices = tuple(Choice(n, line, n) for n, line in enumerate(lines * repeats, start=1))
    if kind == "profile":
        requests = [writer.history_request(HistoryQuestion(tuple(lines * repeats)))]
    elif kind == "describe":
        question = SiblingsQuestion("all", choices)
        requests = [writer.siblings_request(each) for each in writer.sibling_windows(question)]
    else:
        question = asking(kind, lines * repeats)
        requests = [writer.request(each) for each in writer.windows(question)]
    for request in requests:
        endpoint = ScriptedEndpoint(["0" + rubbish, rubbish])

        Dialogue(endpoint, writer).ask(request, str, lambda _: False)

        lengths = [
            counter.count_messages([m.content for m in r.messages]) for r in endpoint.requests
        ]
        assert 2 == len(lengths)
        assert max(lengths) <= ceiling


def test_a_retry_over_the_ceiling_is_not_sent(prompts, counter):
    """A request without room for a retry raises an error instead of a second call."""
    writer = PromptWriter(prompts, counter, 50)

    with pytest.raises(PromptError, match=r"the second describe prompt needs about .* 50 are"):
        writer.retry_request(REQUEST, "ᚠᛇᚻ" * 100)


def test_a_failure_carries_all_calls_and_their_cost(writer):
    """The error has the answered calls before it, the failed one, and the reason."""
    failure = CallError("the server is gone.", detail="It says: 'bye'.")
    failure.usage = Usage(1, 5, 0)
    dialogue = Dialogue(ScriptedEndpoint(["0", failure]), writer)

    with pytest.raises(CallError) as caught:
        dialogue.ask(REQUEST, int, bool)

    first, last = caught.value.exchanges
    assert ("0", "") == (first.reply, first.error)
    assert ("", "the server is gone. It says: 'bye'.") == (last.reply, last.error)
    assert "How many?" == last.messages[0][1]
    assert (first.usage + Usage(1, 5, 0)) == caught.value.usage


def test_the_reason_for_an_empty_reply_is_recorded(writer):
    """An empty reply is asked for again, and its exchange has the error."""
    dialogue = Dialogue(ScriptedEndpoint([AnswerError("the answer is cut."), "7"]), writer)

    assert 7 == dialogue.ask(REQUEST, lambda text: int(text or 0), bool)[-1]

    assert ["the answer is cut.", ""] == [each.error for each in dialogue.exchanges]


def test_an_unusable_reply_is_asked_for_once_more(writer):
    """Both readings are returned, the last one counts, and both calls are recorded."""
    endpoint = ScriptedEndpoint(["0", "0"])
    dialogue = Dialogue(endpoint, writer)

    assert (0, 0) == dialogue.ask(REQUEST, int, bool)

    sent = [each.content for each in endpoint.requests[1].messages]
    assert ["How many?", "0", RETRY_MESSAGE] == sent
    assert 2 == dialogue.usage.calls
