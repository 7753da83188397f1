import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.judge.prompting.test_prompt_writer import HOSTILE, SHARED
from unillmrec.endpoint import AnswerError, CallError, FailureKind
from unillmrec.judge import Choice, PromptWriter
from unillmrec.judge.describer import LanguageModelDescriber
from unillmrec.judge.prompting.prompt_writer import SUMMARY_CEILING
from unillmrec.judge.sibling_questions import SiblingsQuestion
from unillmrec.testing import ScriptedEndpoint
from unillmrec.usage import Stage, Usage


def family(count=3, others=(), words="ship, storm, whale, captain, island"):
    choices = tuple(Choice(n, f"{words} {n}", 100 + n) for n in range(1, count + 1))
    return SiblingsQuestion("sea stories", choices, tuple(others))


def answer(*lines):
    entries = [{"number": n, "summary": line} for n, line in enumerate(lines, start=1) if line]
    return json.dumps({"descriptions": entries})


def summaries(writer, *answers, count=3):
    endpoint = ScriptedEndpoint(answers)
    return LanguageModelDescriber(endpoint, writer).summaries(family(count)), endpoint


def test_lines_belong_to_the_nodes_they_describe(writer):
    """Numbers become keys, and the usage is one call."""
    written, endpoint = summaries(writer, answer("whales", "pirates", "islands"))

    assert ((101, "whales"), (102, "pirates"), (103, "islands")) == written.texts
    assert (1, 1, 0) == (written.usage.calls, len(written.exchanges), written.dropped.left_out)
    (request,) = endpoint.requests
    assert (Stage.DESCRIBE, "descriptions") == (request.stage, request.schema.name)


def test_a_partial_reply_is_used(writer):
    """The lines that are there are taken without another call; missing ones are counted."""
    written, endpoint = summaries(writer, answer("whales", "", "islands"))

    assert ((101, "whales"), (103, "islands")) == written.texts
    assert (1, 1) == (written.dropped.left_out, len(endpoint.requests))


def test_an_unusable_reply_is_asked_for_once_more(writer):
    """The second request contains the first reply and a complaint; both calls are billed."""
    written, endpoint = summaries(writer, "I would rather not." * 100, answer("a1", "b2", "c3"))

    assert (3, 1, 2) == (len(written.texts), written.dropped.asked_again, written.usage.calls)
    said, complaint = endpoint.requests[1].messages[2:]
    assert ("assistant", "user") == (said.role, complaint.role)
    assert len(said.content) <= 500


def test_two_unusable_replies_leave_nothing(writer):
    """There is no third attempt, and nothing is made up."""
    written, endpoint = summaries(writer, "No.", AnswerError("nothing came"))

    assert ((), 3, 2) == (written.texts, written.dropped.left_out, len(endpoint.requests))


def test_an_empty_reply_is_billed(writer):
    """An empty reply was paid for; it is asked for once more."""
    empty = AnswerError("the model thought and said nothing")
    empty.usage = Usage(1, 100, 900)

    written, _ = summaries(writer, empty, answer("a1", "b2", "c3"))

    assert (2, True) == (written.usage.calls, written.usage.completion > 900)


def test_a_failed_second_call_includes_the_cost_of_the_first(writer):
    """The error that ends a question has the usage of all its calls."""
    failure = CallError("the server is gone")
    failure.kind = FailureKind.SERVER

    with pytest.raises(CallError) as caught:
        summaries(writer, "No.", failure)

    assert (1, True) == (caught.value.usage.calls, caught.value.usage.prompt > 0)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("storms at sea, whales, islands, " * 8, "storms at sea, whales, islands"),
        ("龘" * 60, "龘"),
        ("zqxj" * 60, "zqxj"),
    ],
)
def test_a_long_line_is_cut_and_counted(writer, line, kept):
    """A line over the ceiling is cut at the end of a word, marked, and counted."""
    written, _ = summaries(writer, answer(line), count=1)

    ((_, text),) = written.texts
    assert writer.counter.count(text) <= SUMMARY_CEILING
    assert (True, True, 1) == (text.startswith(kept), text.endswith("…"), written.shortened)


def test_siblings_are_split_only_if_necessary(writer, prompts, counter):
    """Siblings that fit are in one question; otherwise each part shows the lines of the others."""
    whole = LanguageModelDescriber(ScriptedEndpoint([]), writer).windows(family(32, ["crimes"]))
    small = PromptWriter(prompts, counter, ceiling=900)
    parts = LanguageModelDescriber(ScriptedEndpoint([]), small).windows(
        family(32, ["crimes"], "whale " * 20)
    )

    assert [32] == [len(part.choices) for part in whole]
    assert len(parts) > 1
    assert [100 + n for n in range(1, 33)] == [c.key for part in parts for c in part.choices]
    for part in parts:
        assert [1, *range(2, len(part.choices) + 1)] == [each.number for each in part.choices]
        assert "crimes" == part.others[0]
        assert 2 < len(part.others) < 32
        assert not {each.line for each in part.choices} & set(part.others)
        request = small.siblings_request(part)
        assert counter.count_messages([each.content for each in request.messages]) <= 900


@SHARED
@given(
    ceiling=st.integers(900, 4000),
    lines=st.lists(HOSTILE, min_size=1, max_size=40),
    others=st.lists(HOSTILE, max_size=20),
    parent=HOSTILE,
)
def test_no_prompt_is_over_its_ceiling(prompts, counter, ceiling, lines, others, parent):
    """Each window fits, and each node is in exactly one window, whatever the lines hold."""
    writer = PromptWriter(prompts, counter, ceiling)
    choices = tuple(Choice(n, line, n) for n, line in enumerate(lines, start=1))

    windows = writer.sibling_windows(SiblingsQuestion(parent, choices, tuple(others)))

    assert [*range(1, len(lines) + 1)] == [each.key for part in windows for each in part.choices]
    for part in windows:
        request = writer.siblings_request(part)
        assert counter.count_messages([each.content for each in request.messages]) <= ceiling
