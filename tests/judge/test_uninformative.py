"""Models that answer without looking are caught within one person; honest ones are not."""

import json
import math

import pytest

from unillmrec.endpoint import Reply
from unillmrec.judge import LanguageModelJudge, PromptWriter, SimilarityJudge
from unillmrec.judge.prompting.letters import LETTERS
from unillmrec.judge.prompting.prompt_writer import EXAMPLE_MESSAGE, RETRY_MESSAGE
from unillmrec.recommending.recommender import Recommender
from unillmrec.testing import NoisyJudge, ScriptedEndpoint
from unillmrec.usage import Stage, Usage

HISTORIES = [[f"item-{first:03d}", f"item-{first + 6:03d}"] for first in range(4, 244, 6)]
KINDS = {Stage.PROFILE: "profile", Stage.RECALL: "choose", Stage.RANK: "rank"}
INTERESTS = '{"interests": [{"interest": "things in boxes", "weight": 70}]}'


class RememberingWriter(PromptWriter):
    """Remembers which question each prompt belongs to, so that a test double can answer it."""

    def __init__(self, prompts, counter):
        super().__init__(prompts, counter)
        self.questions = {}

    def request(self, question):
        request = super().request(question)
        self.questions[request.messages] = question
        return request

    def letter_request(self, question):
        request = super().letter_request(question)
        self.questions[request.messages] = question
        return request


@pytest.fixture
def asking_people(tree, prompts, counter):
    """Return a function that asks a model, given as a function of questions, for people."""

    def ask(answer, histories, *, profile=INTERESTS, by_letters=False):
        writer = RememberingWriter(prompts, counter)

        def reply(request):
            question = writer.questions.get(request.messages)
            if question is None:
                return profile
            return answer(question) if not request.labels else lettered(answer, question)

        bias = {} if by_letters else None
        judge = LanguageModelJudge(
            ScriptedEndpoint(reply), writer, SimilarityJudge(tree), label_bias=bias
        )
        return [Recommender(tree, judge).recommend(history) for history in histories]

    return ask


def lettered(answer, question):
    """Turn the scores of a JSON answer into letter probabilities."""
    scores = {entry["number"]: entry["score"] for entry in json.loads(answer(question))["picks"]}
    odds = {number: math.exp(score / 20) for number, score in scores.items()}
    total = sum(odds.values())
    shares = tuple((LETTERS[number - 1], odd / total) for number, odd in odds.items())
    return Reply("A", Usage(calls=1, prompt=1, completion=1), "labels", "stop", "m", 0.0, shares)


def written(question, pairs):
    """Write pairs of number and score as the reply that the question asks for."""
    if question.wants_order:
        return json.dumps({"order": [number for number, _ in pairs]})
    return json.dumps({"picks": [{"number": n, "score": round(s)} for n, s in pairs]})


def honest(judge):
    """Answer with a judge's scores, stretched to the scale that prompts ask for."""

    def answer(question):
        scores = judge.choose(question).scores
        best = max((score for _, score in scores), default=0) or 1
        pairs = [(number, 90 * score / best) for number, score in scores][: question.limit]
        return written(question, pairs)

    return answer


def by_position(question):
    count = len(question.choices)
    return written(question, [(n, 95 - 90 * n / count) for n in range(1, count + 1)])


def always_one_score(question):
    return written(question, [(n, 60) for n in range(1, len(question.choices) + 1)])


def nothing(question):
    return written(question, [])


def copying(question):
    """Answer with the example of the prompt."""
    if question.wants_order:
        return json.dumps({"order": [3, 1, 2]})
    return written(question, [(3, 80), (1, 35 if question.about_nodes else 55)])


def constant(question):
    pairs = [(2, 90), (1, 70), (3, 40)]
    return written(question, [pair for pair in pairs if pair[0] <= len(question.choices)])


def test_profiles_copied_from_the_example_are_replaced(asking_people, prompts, tree):
    """The example is no interest of the person, not even with other weights."""
    example = prompts["profile"].example.replace("60", "90")

    (result,) = asking_people(honest(SimilarityJudge(tree)), HISTORIES[:1], profile=example)

    assert (1, 1) == (result.uninformative, result.dropped.fallbacks)
    assert 2 == result.usage[Stage.PROFILE].calls
    (interest,) = result.profile.interests
    assert interest.text not in example


@pytest.mark.parametrize("by_letters", [False, True], ids=["json", "letters"])
@pytest.mark.parametrize("sigma", [2, 10])
def test_honest_models_are_hardly_ever_suspected(asking_people, tree, sigma, by_letters):
    """Fewer than one in a hundred answers of a noisy model is called uninformative."""
    judge = NoisyJudge(SimilarityJudge(tree), sigma)

    results = asking_people(honest(judge), HISTORIES, by_letters=by_letters)

    answers = sum(result.total_usage().calls for result in results)
    assert answers > 10 * len(HISTORIES)
    assert sum(result.uninformative for result in results) < answers / 100


@pytest.mark.parametrize("by_letters", [False, True], ids=["json", "letters"])
@pytest.mark.parametrize("answer", [by_position, always_one_score, nothing, constant, copying])
def test_models_that_do_not_look_are_caught_within_a_person(asking_people, answer, by_letters):
    """The embedded judge answers in their place, and the result says how often."""
    results = asking_people(answer, HISTORIES[:5], by_letters=by_letters)

    for result in results:
        assert 0 < result.uninformative <= result.dropped.fallbacks
        assert "embedded similarity judge for" in result.judge
        assert all(each.found != "judge" for each in result.items)


def test_the_complaint_fits_where_any_complaint_fits(counter):
    """The room of a prompt is computed with the message about unusable replies."""
    assert counter.count(EXAMPLE_MESSAGE) <= counter.count(RETRY_MESSAGE)


def test_an_order_is_the_models_own_if_it_survives_a_reversed_list(asking_people, tree):
    """A list may happen to be in the order in which the person likes its items."""
    order = []

    def answer(question):
        if question.kind != "rank":
            return honest(SimilarityJudge(tree))(question)
        order[:] = order or [choice.key for choice in question.choices]
        best = sorted(question.choices, key=lambda choice: order.index(choice.key))
        return written(question, [(choice.number, 0) for choice in best])

    (result,) = asking_people(answer, HISTORIES[:1])

    assert (0, 1) == (result.uninformative, result.dropped.asked_again)
    assert result.dropped.fallbacks == 0


def test_the_trace_names_the_pattern(prompts, counter, tree):
    """A line of the trace says why its reply was not used."""
    judge = LanguageModelJudge(
        ScriptedEndpoint(lambda request: prompts[KINDS[request.stage]].example),
        PromptWriter(prompts, counter),
        SimilarityJudge(tree),
    )
    lines = []

    Recommender(tree, judge).recommend(HISTORIES[0], trace=lines.append)

    assert ["example", "example"] == [line.get("uninformative") for line in lines[:2]]
    assert {"repeated"} < {line.get("uninformative") for line in lines[2:]}
