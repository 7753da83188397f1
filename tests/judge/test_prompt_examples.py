import json
import re

import pytest

from unillmrec.judge.replies import read_interests, read_order, read_scores

PARSERS = {
    "profile": lambda text: read_interests(text),
    "choose": lambda text: read_scores(text, 3),
    "pick": lambda text: read_scores(text, 3),
    "rank": lambda text: read_order(text, 3),
    "rerank": lambda text: read_order(text, 3),
}
READ = {
    "profile": (("slow science fiction about first contact", 0.6), ("island memoirs", 0.4)),
    "choose": ((3, 80), (1, 35)),
    "pick": ((3, 80), (1, 55)),
    "rank": ((3, 100), (1, 67), (2, 33)),
    "rerank": ((3, 100), (1, 67), (2, 33)),
}


def example(prompt):
    """Return the one line of a prompt that shows a reply."""
    (line,) = re.findall(r"^\{.*\}$", prompt.text, re.MULTILINE)
    return line


@pytest.mark.parametrize("name", PARSERS)
def test_the_example_in_a_prompt_can_be_read(prompts, name):
    """What a prompt shows as an answer is what the stage's parser understands, whole."""
    reading = PARSERS[name](example(prompts[name]))

    assert READ[name] == (reading if name == "profile" else reading.scores)
    if name != "profile":
        assert (0, 0, True) == (reading.invented, reading.repeated, reading.usable)


@pytest.mark.parametrize("name", PARSERS)
def test_the_example_in_a_prompt_fits_the_schema(prompts, writer, asking, name):
    """What a prompt shows as an answer is what the schema beside it enforces."""
    from tests.judge.test_writing import history

    request = writer.ask_history(history(["a"])) if name == "profile" else writer.ask(asking(name))
    shown = json.loads(example(prompts[name]))

    (field,) = request.schema.body["required"]
    entry = request.schema.body["properties"][field]["items"]
    assert [field] == list(shown)
    for each in shown[field]:
        if entry["type"] == "integer":
            assert type(each) is int
        else:
            assert entry["required"] == list(each)
            kinds = {"integer": int, "string": str}
            assert all(type(each[n]) is kinds[e["type"]] for n, e in entry["properties"].items())
