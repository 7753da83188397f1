import json
from dataclasses import replace

import pytest

from tests.judges import ScriptedJudge, in_order
from unillmrec.endpoint import AnswerError, Reply
from unillmrec.errors import EndpointError
from unillmrec.judge import (
    Dropped,
    EstimatingJudge,
    HistoryQuestion,
    Interest,
    LanguageModelJudge,
)
from unillmrec.judge.prompting.prompt_writer import QUOTE_CEILING, RETRY_MESSAGE
from unillmrec.testing import ScriptedEndpoint
from unillmrec.usage import Usage

NONSENSE = "I am sorry, I cannot help with that."
HISTORY = HistoryQuestion(("- Emma", "- Persuasion"), ("ball", "letter"))


def picks(*pairs):
    return json.dumps({"picks": [{"number": n, "score": score} for n, score in pairs]})


def order(*numbers):
    return json.dumps({"order": numbers})


@pytest.fixture
def judging(writer):
    """Return a function that builds a judge with prepared replies, and its endpoint."""

    def make(*answers, **options):
        endpoint = ScriptedEndpoint(answers)
        fallback = ScriptedJudge(in_order)
        return LanguageModelJudge(endpoint, writer, fallback, **options), endpoint

    return make


def test_is_named_after_the_model_and_its_host(judging):
    """The name in every output says which model answered, and where."""
    judge, _ = judging(at_once=7)

    assert ("scripted at script", 7) == (judge.name, judge.at_once)


@pytest.mark.parametrize(
    ("kind", "answer", "scores", "dropped"),
    [
        ("pick", picks((3, 80), (1, 90)), ((1, 90), (3, 80)), Dropped()),
        ("choose", picks((2, 10)), ((2, 10),), Dropped()),
        ("choose", picks(), (), Dropped()),
        ("pick", picks((9, 80), (2, 70), (0, 5)), ((2, 70),), Dropped(invented=2)),
        ("pick", picks((2, 70), (2, 60)), ((2, 70),), Dropped(repeated=1)),
        ("rank", order(3, 1, 2), ((3, 100), (1, 67), (2, 33)), Dropped()),
        ("rank", order(3), ((3, 100),), Dropped(left_out=2)),
        ("rank", order(4, 3, 3, 2), ((3, 100), (2, 50)), Dropped(1, 1, 1)),
    ],
)
def test_reads_scores_and_counts_mistakes(judging, asking, kind, answer, scores, dropped):
    """Invented and repeated numbers are dropped and counted, and so are missing ones."""
    judge, endpoint = judging(answer)

    verdict = judge.choose(asking(kind))

    assert (scores, dropped) == (verdict.scores, verdict.dropped)
    assert 1 == verdict.usage.calls == len(endpoint.requests)


@pytest.mark.parametrize(("limit", "left_out"), [(1, 0), (2, 0), (3, 1), (9, 1)])
def test_a_limited_list_may_leave_choices_out(judging, asking, limit, left_out):
    """Only missing places of the limit count as left out."""
    judge, _ = judging(order(3, 1))

    assert left_out == judge.choose(asking("rerank", limit=limit)).dropped.left_out


def test_an_unusable_reply_is_asked_for_once_more(judging, asking):
    """The second request is the first with the reply and a complaint; both are billed."""
    judge, endpoint = judging(NONSENSE, picks((2, 70)))

    verdict = judge.choose(asking())

    first, second = endpoint.requests
    assert first.messages == second.messages[:2]
    assert [("assistant", NONSENSE), ("user", RETRY_MESSAGE)] == [
        (message.role, message.content) for message in second.messages[2:]
    ]
    assert (first.schema, first.stage, first.max_output) == (
        second.schema,
        second.stage,
        second.max_output,
    )
    assert (((2, 70),), Dropped(asked_again=1)) == (verdict.scores, verdict.dropped)
    assert 2 == verdict.usage.calls == len(verdict.exchanges)
    assert verdict.usage.prompt > 2 * verdict.exchanges[0].usage.prompt


def test_a_retry_quotes_only_the_start_of_a_runaway_reply(judging, asking, counter):
    """An endless reply does not make the second prompt endless."""
    judge, endpoint = judging("blah " * 100_000, picks((2, 70)))

    judge.choose(asking())

    quoted = endpoint.requests[1].messages[2].content
    assert quoted.startswith("blah blah")
    assert QUOTE_CEILING - 2 <= counter.count(quoted) <= QUOTE_CEILING


@pytest.mark.parametrize("kind", ["choose", "pick", "rank", "rerank"])
def test_after_two_unusable_replies_the_fallback_answers(judging, asking, kind):
    """The result names the fallback, and both calls are billed."""
    judge, _ = judging(NONSENSE, "")

    verdict = judge.choose(asking(kind))

    assert ((1, 100.0), (2, pytest.approx(200 / 3)), (3, pytest.approx(100 / 3))) == verdict.scores
    assert (1, 1) == (verdict.dropped.asked_again, verdict.dropped.fallbacks)
    assert 2 == verdict.usage.calls
    assert [NONSENSE, ""] == [exchange.reply for exchange in verdict.exchanges]


def test_inventions_of_an_unusable_reply_are_counted(judging, asking):
    """Inventions count even if nothing usable is left."""
    judge, _ = judging(picks((8, 80), (9, 70)), picks((7, 80), (2, 70)))

    verdict = judge.choose(asking())

    assert (((2, 70),), Dropped(invented=3, asked_again=1)) == (verdict.scores, verdict.dropped)


def test_returns_the_interests_of_a_history(judging):
    """The model's interests have weights, and the call is billed."""
    interests = [{"interest": "courtship", "weight": 60}, {"interest": "letters", "weight": 20}]
    judge, endpoint = judging(json.dumps({"interests": interests}))

    result = judge.interests(HISTORY)

    assert (Interest("courtship", 0.75), Interest("letters", 0.25)) == result.interests
    assert (Dropped(), 1) == (result.dropped, result.usage.calls)
    assert "- Emma\n- Persuasion" in endpoint.requests[0].messages[1].content


def test_asks_once_more_for_interests(judging):
    """An unreadable profile is asked for again like any other reply."""
    judge, endpoint = judging("?", '{"interests": ["balls"]}')

    result = judge.interests(HISTORY)

    assert (Interest("balls", 1.0),) == result.interests
    assert (Dropped(asked_again=1), 2) == (result.dropped, result.usage.calls)
    assert RETRY_MESSAGE == endpoint.requests[1].messages[-1].content


def test_the_fallback_provides_the_profile_in_the_end(judging):
    """A model without a usable profile does not end the recommendation."""
    judge, _ = judging("?", "?!")

    result = judge.interests(HISTORY)

    assert (Interest("quiet things", 1.0),) == result.interests
    assert (Dropped(asked_again=1, fallbacks=1), 2) == (result.dropped, result.usage.calls)


def test_records_the_exchange_for_the_trace(judging, asking):
    """The verdict has the messages and the reply, as the server reported it."""
    usage = Usage(calls=1, prompt=50, completion=9)
    reply = Reply(picks((1, 5)), usage, "json_object", "stop", "model-2026", 0.5)
    judge, endpoint = judging(reply)

    (exchange,) = judge.choose(asking()).exchanges

    sent = tuple((message.role, message.content) for message in endpoint.requests[0].messages)
    assert (sent, reply.text) == (exchange.messages, exchange.reply)
    assert ("json_object", "stop", "model-2026", 0.5) == (
        exchange.asked_with,
        exchange.finish,
        exchange.model,
        exchange.seconds,
    )


def test_estimates_are_separate_from_reported_counts(judging, asking, counter):
    """Reported counts come only from the server; estimates have fields of their own."""
    judge, endpoint = judging(picks((1, 5)))

    usage = judge.choose(asking()).usage

    sent = [message.content for message in endpoint.requests[0].messages]
    assert counter.count_messages(sent) == usage.estimated_prompt
    assert counter.count(picks((1, 5))) == usage.estimated_completion
    assert sum(-(-len(text) // 4) for text in sent) == usage.prompt


def test_unknown_usage_stays_unknown(judging, asking):
    """A call without reported usage makes the sum unknown; the estimate continues."""
    unknown = Usage(1, None, None, None, None)
    silent = Reply(NONSENSE, unknown, "text", "stop", None, 0.0)
    judge, _ = judging(silent, picks((1, 5)))

    verdict = judge.choose(asking())

    assert 2 == verdict.usage.calls
    assert (None, None, None, None) == (
        verdict.usage.prompt,
        verdict.usage.completion,
        verdict.usage.cached,
        verdict.usage.reasoning,
    )
    assert verdict.usage.estimated_prompt == sum(
        exchange.usage.estimated_prompt for exchange in verdict.exchanges
    )
    assert verdict.exchanges[1].usage.prompt is not None


def test_a_failing_endpoint_is_not_hidden_by_the_fallback(judging, asking):
    """A wrong key or a dead server is an error, not a reason to use the fallback."""
    judge, _ = judging(EndpointError("no such model"))

    with pytest.raises(EndpointError, match="no such model"):
        judge.choose(asking())


def test_splits_questions_as_the_writer_does(judging, asking, writer):
    """The writer decides how much fits one prompt."""
    judge, _ = judging()
    question = asking("rank", ["a word and " * 40] * 200)

    assert writer.windows(question) == judge.windows(question)


@pytest.fixture
def estimating(writer):
    return EstimatingJudge(ScriptedJudge(in_order, at_once=3), writer)


@pytest.mark.parametrize("kind", ["choose", "pick", "rank", "rerank"])
def test_an_estimate_answers_like_the_wrapped_judge(estimating, asking, kind):
    """The walk is the same; only the usage is estimated."""
    inner = ScriptedJudge(in_order)

    verdict = estimating.choose(asking(kind))

    assert inner.choose(asking(kind)).scores == verdict.scores
    assert (inner.name, 3) == (estimating.name, estimating.at_once)


def test_an_estimate_bills_what_would_be_sent(estimating, writer, asking):
    """It is one call with unknown reported counts, and estimates of the real prompt."""
    verdict = estimating.choose(asking())

    prompt, completion = writer.estimate(writer.request(asking()))
    (exchange,) = verdict.exchanges
    assert Usage(1, None, None, None, None, prompt, completion) == verdict.usage == exchange.usage
    assert ("not sent", "") == (exchange.asked_with, exchange.reply)
    assert [(m.role, m.content) for m in writer.request(asking()).messages] == list(
        exchange.messages
    )


def test_an_estimate_covers_the_profile_call(estimating, writer):
    """The interests are the wrapped judge's; the prompt counts as if it had been sent."""
    result = estimating.interests(HISTORY)

    prompt, _ = writer.estimate(writer.history_request(HISTORY))
    assert (Interest("quiet things", 1.0),) == result.interests
    assert (1, None, prompt) == (
        result.usage.calls,
        result.usage.prompt,
        result.usage.estimated_prompt,
    )


def test_an_estimate_splits_questions_as_for_a_model(estimating, writer, asking):
    """A question that needs several prompts counts as several."""
    question = asking("rank", ["a word and " * 40] * 200)

    windows = estimating.windows(question)

    assert writer.windows(question) == windows
    assert all(estimating.choose(window).usage.calls == 1 for window in windows)


def test_a_plan_and_a_run_estimate_the_same_prompt(estimating, judging, asking):
    """`--plan` and the bill of the run give the same estimate."""
    judge, _ = judging(picks((1, 5)))
    planned, spent = estimating.choose(asking()).usage, judge.choose(asking()).usage

    assert planned.estimated_prompt == spent.estimated_prompt
    assert replace(planned, estimated_completion=0).prompt is None


def test_an_empty_reply_is_asked_for_again_and_billed(writer, asking):
    """An empty reply was paid for, and is treated like an unusable one."""
    spent = Usage(1, 100, 5, 0, 0)

    class EmptyFirst(ScriptedEndpoint):
        def complete(self, request):
            if not self.requests:
                self.requests.append(request)
                error = AnswerError("the answer is empty.")
                error.usage = spent
                raise error
            return super().complete(request)

    endpoint = EmptyFirst([picks((1, 90))])
    judge = LanguageModelJudge(endpoint, writer, ScriptedJudge(in_order))

    verdict = judge.choose(asking("pick"))

    assert ((1, 90),) == verdict.scores
    assert Dropped(asked_again=1) == verdict.dropped
    assert 100 == verdict.exchanges[0].usage.prompt


def lettered(*shares, text="B"):
    return Reply(text, Usage(1, 90, 1, 0, 0), "labels", "length", "m", 0.1, shares=shares)


LINES = ("a book", "a film", "a song")


def test_a_question_about_branches_takes_one_token(judging, asking):
    """The verdict has the probabilities and what is off the letters."""
    judge, endpoint = judging(lettered(("B", 0.7), ("A", 0.2)), label_bias={})

    verdict = judge.choose(asking("choose", LINES))

    (request,) = endpoint.requests
    assert (("A", "B", "C"), 1, None) == (request.labels, request.max_output, request.schema)
    assert "A. a book\nB. a film\nC. a song\n" in request.messages[1].content
    assert ((2, 0.7), (1, 0.2)) == tuple((n, round(share, 9)) for n, share in verdict.shares)
    assert [2, 1] == [number for number, _ in verdict.scores]
    assert (Dropped(), 1, 0.1) == (
        verdict.dropped,
        verdict.usage.completion,
        verdict.exchanges[0].off_labels,
    )


def test_a_measured_bias_is_corrected(judging, asking):
    """The letter that the model prefers does not win by that."""
    bias = {"A": 0.8, "B": 0.1, "C": 0.1}
    judge, _ = judging(lettered(("A", 0.6), ("B", 0.3)), label_bias=bias)

    verdict = judge.choose(asking("choose", LINES))

    assert [2, 1] == [number for number, _ in verdict.shares]


@pytest.mark.parametrize("kind", ["pick", "rank", "rerank"])
def test_other_questions_are_asked_for_json(kind, judging, asking):
    """Scores of items and orders need more than a token."""
    answer = picks((1, 5)) if kind == "pick" else order(1, 2, 3)
    judge, endpoint = judging(answer, label_bias={})

    verdict = judge.choose(asking(kind, LINES))

    assert () == endpoint.requests[0].labels == verdict.shares


def test_letters_are_not_used_by_default(judging, asking):
    """They are used only where they are known to work."""
    judge, endpoint = judging(picks((1, 5)))

    judge.choose(asking("choose", LINES))

    assert () == endpoint.requests[0].labels
    assert not judge.asks_by_letters


def test_useless_letters_lead_to_a_json_question(judging, asking):
    """The extra call is counted, and the next question tries letters again."""
    off = lettered(("B", 0.1), text="**")
    judge, endpoint = judging(off, picks((3, 80)), lettered(("C", 0.9)), label_bias={})

    first, second = (judge.choose(asking("choose", LINES)) for _ in range(2))

    assert [3, 0, 3] == [len(request.labels) for request in endpoint.requests]
    assert (((3, 80),), (), 2) == (first.scores, first.shares, first.usage.calls)
    assert (1, 0) == (first.dropped.asked_again, first.dropped.fallbacks)
    assert 0.9 == first.exchanges[0].off_labels
    assert ((3, 0.9),) == second.shares


@pytest.mark.parametrize(
    ("answers", "tried"),
    [
        ([lettered()], 1),
        ([AnswerError("Empty.")], 1),
        ([lettered(("B", 0.1)), lettered(("A", 0.2)), lettered(("A", 0.3))], 3),
    ],
)
def test_letters_that_keep_failing_are_given_up(answers, tried, judging, asking):
    """Without reported probabilities they are given up at once, otherwise after three failures."""
    script = [each for answer in answers for each in (answer, picks((1, 5)))]
    judge, endpoint = judging(*script, picks((1, 5)), label_bias={})

    for _ in range(len(answers) + 1):
        judge.choose(asking("choose", LINES))

    assert tried == sum(bool(request.labels) for request in endpoint.requests)
    assert not judge.asks_by_letters


def test_an_estimate_uses_letters_where_a_run_would(writer, asking):
    """The plan counts the prompts that would be sent."""
    judge = EstimatingJudge(ScriptedJudge(in_order), writer, by_letters=True)

    by_letter = judge.choose(asking("choose", LINES)).usage
    by_form = judge.choose(asking("pick", LINES)).usage

    sent = writer.letter_request(asking("choose", LINES))
    assert writer.estimate(sent) == (by_letter.estimated_prompt, by_letter.estimated_completion)
    assert 1 == by_letter.estimated_completion < by_form.estimated_completion


def test_an_estimate_counts_a_profile_as_long_as_a_models(writer, asking):
    """The embedded judge's short profile is lengthened to what a model would write."""
    usual = EstimatingJudge(ScriptedJudge(in_order), writer)
    wordy = EstimatingJudge(ScriptedJudge(in_order), writer, profile_tokens=200)
    (contents,) = usual.interests(HISTORY).interests
    wordy.interests(HISTORY)

    usual_prompt, wordy_prompt, own_prompt = (
        judge.choose(asking(likes=likes)).usage.estimated_prompt
        for judge, likes in ((usual, contents.text), (wordy, contents.text), (usual, "loud things"))
    )

    assert "quiet things" == contents.text
    assert own_prompt + 40 <= usual_prompt <= own_prompt + 50
    assert own_prompt + 130 <= wordy_prompt <= own_prompt + 140


@pytest.mark.parametrize("bias", [None, {}, {"A": 0.2}])
def test_with_another_fallback_it_asks_as_before(judging, asking, bias):
    """It still uses letters, with the same correction."""
    replies = (lettered(("A", 0.6), ("B", 0.3)), picks((3, 80)))
    judge, _ = judging(*replies[bias is None :], label_bias=bias)
    same, endpoint = judging(*replies[bias is None :], label_bias=bias)
    other = same.with_fallback(ScriptedJudge(in_order))

    assert (bias is not None, same.at_once) == (other.asks_by_letters, other.at_once)
    assert judge.choose(asking("choose")).scores == other.choose(asking("choose")).scores
    assert 1 == len(endpoint.requests)
