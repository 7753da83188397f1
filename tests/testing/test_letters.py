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
    """The best line's, with the probabilities of all, as OpenAI writes them."""
    choice = answer("logprobs")

    told = probabilities(choice)
    assert "B" == choice["message"]["content"] == max(told, key=told.get)
    assert 1 == pytest.approx(sum(told.values()))
    assert "B" == choice["logprobs"]["content"][0]["token"]


def test_a_planted_bias_shifts_the_odds():
    """By as much as it says, in log odds."""
    fair = probabilities(answer("logprobs"))
    biased = probabilities(answer(Dialect(tells_logprobs=True, label_bias=(0.0, -1.5, 0.0))))

    def odds(told):
        return math.log(told["B"] / told["A"])

    assert -1.5 == pytest.approx(odds(biased) - odds(fair))


@pytest.mark.parametrize("dialect", ["strict-schema", "cuts-prompts"])
def test_other_servers_take_the_request_and_tell_nothing(dialect):
    """The letter is there, the probabilities are not."""
    choice = answer(dialect)

    assert "B" == choice["message"]["content"]
    assert "logprobs" not in choice


def test_a_model_that_thinks_gets_nowhere_with_one_token():
    """The limit is reached before the answer begins."""
    choice = answer(Dialect(thinks=True))

    assert ("", "length") == (choice["message"]["content"], choice["finish_reason"])
