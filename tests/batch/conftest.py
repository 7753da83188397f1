import json
from functools import partial

import pytest

from tests import trees
from tests.people.files import write_people
from unillmrec.batch import Batch, BatchOptions
from unillmrec.judge.from_settings import build_writer
from unillmrec.judge.language_model import LanguageModelJudge
from unillmrec.judge.similarity import SimilarityJudge
from unillmrec.people.people_file import PeopleFile
from unillmrec.settings import Settings
from unillmrec.stages import Options
from unillmrec.store import ItemTree
from unillmrec.testing import ScriptedEndpoint, sensible_answer

SHORT = Options(limit=3, leaves=2, shown=12, candidates=6)


@pytest.fixture(scope="session")
def words(tmp_path_factory):
    """The path of a tree of three hundred items."""
    folder = tmp_path_factory.getbasetemp() / "trees"
    folder.mkdir(exist_ok=True)
    trees.tree(folder).close()
    return folder / "words.tree"


@pytest.fixture
def people(tmp_path):
    """Write rows to a file of people and return it."""
    return partial(write_people, tmp_path)


def histories(count, start=0):
    """Return *count* people with different histories."""
    return [
        {"id": f"person-{n}", "history": [f"item-{n:03}", f"item-{n + 50:03}"]}
        for n in range(start, start + count)
    ]


def sensible(request):
    """Return a usable reply to a request."""
    return sensible_answer(request.messages[-1].content, request.schema.name)


class Scripted:
    """An endpoint with usable replies; *before* is called with the number of each request."""

    def __init__(self, before=lambda number: None):
        self.endpoint = ScriptedEndpoint(self._answer)
        self._before = before

    def _answer(self, request):
        self._before(len(self.endpoint.requests))
        return sensible(request)

    @property
    def asked(self):
        return len(self.endpoint.requests)

    def build_judge(self, tree):
        def build(wrap):
            settings = Settings(model="scripted", base_url="http://localhost/v1")
            fallback = SimilarityJudge(tree)
            writer = build_writer(settings)
            # One call at a time, so that tests know which call was in flight.
            return LanguageModelJudge(wrap(self.endpoint), writer, fallback, at_once=1)

        return build


@pytest.fixture
def run(words, tmp_path):
    """Run a batch over the tree of words and return its report."""

    def run(
        people,
        scripted=None,
        *,
        tree=words,
        out="out.jsonl",
        engine=None,
        price=None,
        on_progress=None,
        **options,
    ):
        with ItemTree.open(tree) as opened:
            batch = Batch(
                opened,
                PeopleFile(people),
                tmp_path / out,
                BatchOptions(**{"recommend": SHORT, "at_once": 3, **options}),
                build_judge=scripted.build_judge(opened) if scripted else None,
                price=price,
            )
            with batch:
                return batch.run(engine, on_progress or (lambda report: None))

    return run


@pytest.fixture
def lines(tmp_path):
    """Read the lines of an output file."""

    def lines(out="out.jsonl"):
        text = (tmp_path / out).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    return lines
