import json
import shutil
from pathlib import Path

import pytest

from tests import trees
from unillmrec.describing.run import DescribeOptions, describe
from unillmrec.endpoint import Reply
from unillmrec.judge import CONTRACTS, LanguageModelJudge, SimilarityJudge
from unillmrec.judge.describer import LanguageModelDescriber
from unillmrec.recommending.recommender import Recommender
from unillmrec.stages import Options
from unillmrec.store import EditableTree
from unillmrec.testing import ScriptedEndpoint
from unillmrec.usage import Usage

GOLDENS = Path(__file__).parents[1] / "goldens"
INTERESTS = [{"interest": "storms at sea", "weight": 70}, {"interest": "riddles", "weight": 30}]
ANSWERS = [
    json.dumps({"interests": INTERESTS}),
    json.dumps({"picks": [{"number": 3, "score": 90}, {"number": 2, "score": 40}]}),
    json.dumps({"picks": [{"number": 2, "score": 80}, {"number": 6, "score": 60}]}),
    json.dumps({"order": [2, 1, 4, 3]}),
    json.dumps({"order": [3, 1]}),
]


SUMMARIES = [
    json.dumps(
        {"descriptions": [{"number": 1, "summary": "mysteries of theft, poison and proof"}]}
    ),
    json.dumps({"descriptions": [{"number": 1, "summary": "ships, captains and storms"}]}),
]


@pytest.fixture(scope="module")
def described(shared, writer, tmp_path_factory):
    """Return the request about siblings of which one has a description."""
    trees.shelf_tree(shared).close()
    path = shutil.copy(shared / "shelf.tree", tmp_path_factory.mktemp("described") / "shelf.tree")
    endpoint = ScriptedEndpoint(SUMMARIES)
    describer = LanguageModelDescriber(endpoint, writer)
    with EditableTree.open(path) as tree:
        describe(tree, describer, DescribeOptions(most=1))
        describe(tree, describer)
    return endpoint.requests[1]


@pytest.fixture(scope="module")
def requests(shared, writer, described):
    """Return the requests of one recommendation through all stages, and of a description."""
    tree = trees.shelf_tree(shared)
    endpoint = ScriptedEndpoint(ANSWERS)
    judge = LanguageModelJudge(endpoint, writer, SimilarityJudge(tree))
    history = ["emma", "the-moonstone", "typhoon", "kidnapped"]
    options = Options(2, leaves=2, candidates=4, history=3, reorder="model")
    Recommender(tree, judge).recommend(history, options=options)
    asked = zip(("profile", "choose", "pick", "rank", "rerank"), endpoint.requests, strict=True)
    lettered = ScriptedEndpoint([*ANSWERS[:1], _letter_answer("B"), *ANSWERS[2:]])
    judge = LanguageModelJudge(lettered, writer, SimilarityJudge(tree), label_bias={})
    Recommender(tree, judge).recommend(history, options=options)
    return {**dict(asked), "describe": described, "label": lettered.requests[1]}


def _letter_answer(letter):
    return Reply(letter, Usage(1), "labels", "length", None, 0.0, shares=((letter, 0.9),))


def written(request):
    """Return a request as text for review."""
    head = f"stage {request.stage}, at most {request.max_output} tokens of output"
    messages = [f"=== {each.role}\n{each.content}" for each in request.messages]
    schema = f"=== labels {' '.join(request.labels)}"
    if request.schema:
        schema = f"=== schema {request.schema.name}\n{json.dumps(request.schema.body, indent=2)}"
    return "\n\n".join([head, *messages, schema]) + "\n"


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_model_reads_exactly_this(name, requests, pytestconfig):
    """Every change of a prompt shows in review; `--update-goldens` writes the new text."""
    golden = GOLDENS / f"{name}.txt"
    actual = written(requests[name])
    if pytestconfig.getoption("--update-goldens"):
        golden.write_text(actual, encoding="utf-8")

    assert golden.read_text(encoding="utf-8") == actual


def test_there_is_a_golden_for_every_prompt():
    """No prompt is missing, and no golden is left over."""
    assert {f"{name}.txt" for name in CONTRACTS} == {file.name for file in GOLDENS.iterdir()}
