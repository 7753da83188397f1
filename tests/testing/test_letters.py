import json
import math

import pytest

from tests.testing.test_server import post
from unillmrec.testing import Dialect, FakeServer

BODY = {
    "model": "m",
    "messages": [{"role": "user", "content": "Slow rivers?\nA. Cars\nB. Slow rivers\nC. Sea"}],
    "max_tokens": 1,
    "logprobs": True,
    "top_logprobs": 20,
}


def answer(dialect, body=BODY):
    with FakeServer(dialect=dialect) as server:
        return json.loads(post(server, body)[1])["choices"][0]


def probabilities(choice):
    (position,) = choice["logprobs"]["content"]
    return {each["token"]: math.exp(each["logprob"]) for each in position["top_logprobs"]}


def test_a_lettered_list_is_answered_with_a_letter():
    """The letter of the best line, with the probabilities of all letters in OpenAI's format."""
    choice = answer("logprobs")

    shares = probabilities(choice)
    assert "B" == choice["message"]["content"] == max(shares, key=shares.get)
    assert 1 == pytest.approx(sum(shares.values()))
    assert "B" == choice["logprobs"]["content"][0]["token"]


def test_a_planted_bias_shifts_the_odds():
    """By its value in log odds."""
    fair = probabilities(answer("logprobs"))
    biased = probabilities(answer(Dialect(tells_logprobs=True, label_bias=(0.0, -1.5, 0.0))))

    def odds(shares):
        return math.log(shares["B"] / shares["A"])

    assert -1.5 == pytest.approx(odds(biased) - odds(fair))


@pytest.mark.parametrize("dialect", ["strict-schema", "cuts-prompts"])
def test_other_servers_give_no_probabilities(dialect):
    """They accept the request and answer with the letter alone."""
    choice = answer(dialect)

    assert "B" == choice["message"]["content"]
    assert "logprobs" not in choice


def test_a_reasoning_model_cannot_answer_in_one_token():
    """It reaches the limit before its answer begins."""
    choice = answer(Dialect(thinks=True))

    assert ("", "length") == (choice["message"]["content"], choice["finish_reason"])
