import json
import re

import pytest

from unillmrec.judge import Choice
from unillmrec.judge.prompting.letters import LETTERS
from unillmrec.judge.sibling_questions import SiblingsQuestion
from unillmrec.replies.choices import read_interests, read_order, read_scores
from unillmrec.replies.summaries import read_summaries

PARSERS = {
    "profile": lambda text: read_interests(text),
    "choose": lambda text: read_scores(text, 3),
    "pick": lambda text: read_scores(text, 3),
    "rank": lambda text: read_order(text, 3),
    "rerank": lambda text: read_order(text, 3),
    "describe": lambda text: read_summaries(text, 3),
}
READ = {
    "profile": (("slow science fiction about first contact", 0.6), ("island memoirs", 0.4)),
    "choose": ((3, 80), (1, 35)),
    "pick": ((3, 80), (1, 55)),
    "rank": ((3, 100), (1, 67), (2, 33)),
    "rerank": ((3, 100), (1, 67), (2, 33)),
    "describe": (
        (1, "voyages under sail, mutiny, whaling, castaways"),
        (2, "country-house murders solved by an amateur detective"),
    ),
}
# What a reading keeps is called after what was asked for.
KEPT = {"describe": "summaries"}


def example(prompt):
    """Return the line of a prompt that shows a reply."""
    (line,) = re.findall(r"^\{.*\}$", prompt.text, re.MULTILINE)
    return line


@pytest.mark.parametrize("name", PARSERS)
def test_the_example_in_a_prompt_can_be_read(prompts, name):
    """The parser of the stage understands the whole example reply."""
    reading = PARSERS[name](example(prompts[name]))

    kept = reading if name == "profile" else getattr(reading, KEPT.get(name, "scores"))
    assert READ[name] == kept
    if name != "profile":
        assert (0, 0, True) == (reading.invented, reading.repeated, reading.usable)


@pytest.mark.parametrize("name", PARSERS)
def test_the_example_in_a_prompt_fits_the_schema(prompts, writer, asking, name):
    """The schema allows the example reply."""
    from tests.judge.prompting.test_prompt_writer import history

    requests = {
        "profile": lambda: writer.history_request(history(["a"])),
        "describe": lambda: writer.siblings_request(SiblingsQuestion("all", (Choice(1, "a", 1),))),
    }
    request = requests.get(name, lambda: writer.request(asking(name)))()
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


def test_an_example_respects_its_own_limit(counter):
    """The example lines of the describe prompt are as short as it demands."""
    from unillmrec.judge.prompting.prompt_writer import SUMMARY_CEILING, SUMMARY_WORDS

    lines = [line for _, line in READ["describe"]]

    assert all(len(line.split()) <= SUMMARY_WORDS for line in lines)
    assert all(counter.count(line) <= SUMMARY_CEILING for line in lines)


def test_every_prompt_has_an_example_here(prompts):
    """A new prompt needs an example."""
    assert {prompt.name for prompt in prompts} == {*PARSERS, "label"}


def test_the_example_of_the_label_prompt_is_a_letter(prompts):
    """The example is a complete answer: a label, alone on its line."""
    examples = [line for line in prompts["label"].text.splitlines() if len(line) == 1]

    assert 1 == len(examples)
    assert set(examples) <= set(LETTERS)
