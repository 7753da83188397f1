import json

import pytest

from unillmrec.replies.choices import read_interests, read_order, read_scores
from unillmrec.replies.summaries import read_summaries
from unillmrec.testing import sensible_answer
from unillmrec.testing.sensible import sensible_prose

PROMPT = """The person likes: slow rivers.
1. Read long ago

Items:
1. A fast car
2. Slow rivers
3. Rivers

Answer with JSON: {"picks": [{"number": 3, "score": 80}]}"""


def test_choices_that_share_words_with_the_person_win():
    """The choices are the last list that is numbered from one."""
    answer = sensible_answer(PROMPT)

    assert [2, 3, 1] == [pick["number"] for pick in json.loads(answer)["picks"]]
    assert [2, 3, 1] == json.loads(sensible_answer(PROMPT, "order"))["order"]


def test_the_same_prompt_gets_the_same_answer():
    """Tests need that more than variety."""
    assert sensible_answer(PROMPT) == sensible_answer(PROMPT)


def test_interests_are_the_most_frequent_words():
    """They change with the history, as those of a model would."""
    answer = sensible_answer("Slow rivers\nRivers and lakes\nSlow lakes", "interests")

    assert "rivers" in answer
    assert sensible_answer("Chess", "interests") != answer


@pytest.mark.parametrize("form", ["picks", "order", "interests", "descriptions"])
def test_prose_has_the_same_content_as_json(form):
    """The answer of a server that ignores the schema can be read all the same."""
    answer = sensible_answer(PROMPT, form)
    prose = sensible_prose(answer)

    read = {
        "picks": lambda text: read_scores(text, 3),
        "order": lambda text: read_order(text, 3),
        "descriptions": lambda text: read_summaries(text, 3),
    }
    reader = read.get(form, read_interests)
    assert prose != answer
    assert reader(answer) == reader(prose)
    assert reader(answer)


def test_a_prompt_without_choices_gets_an_empty_list():
    """There is nothing to choose from."""
    assert {"picks": []} == json.loads(sensible_answer("Hello", "picks"))
