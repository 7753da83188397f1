"""The token benchmark in small: what it counts adds up, and is what would be sent."""

import json
import re

import pytest

from benchmarks import report, tokens
from tests import trees
from unillmrec import Options, Recommender
from unillmrec.judge import Choice, Interest, Profile, Question
from unillmrec.judge.from_settings import build_writer
from unillmrec.judge.prompting.prompt_writer import PromptWriter
from unillmrec.judge.registry import build_estimating_judge
from unillmrec.settings import Settings
from unillmrec.usage import Stage


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    with trees.tree(tmp_path_factory.mktemp("tokens")) as tree:
        yield tree


@pytest.fixture(scope="module")
def writer():
    made = build_writer(Settings.resolve({"model": tokens.MODEL}))
    return PromptWriter(made.prompts, made.counter, 1 << 40)


@pytest.fixture(scope="module")
def rows(tree):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "PEOPLE", 3)
        return {row["way"]: row for row in tokens.counted(tree, "300 items")}


def numbers(cell):
    return [float(each) for each in re.findall(r"[\d.]+", str(cell).replace(",", ""))]


def test_stages_add_up_to_what_is_billed(rows):
    """In every way of asking, the read and the written each; and what is billed is their sum."""
    for way, row in rows.items():
        stages = [numbers(row[stage]) or [0, 0] for stage in ("profile", "recall", "rank")]
        assert pytest.approx(row["input"], abs=2) == sum(read for read, _ in stages), way
        assert pytest.approx(row["output"], abs=2) == sum(written for _, written in stages), way
        assert row["input"] + row["output"] == numbers(row["billed"])[0], way


def test_the_short_table_says_what_the_long_one_says(rows, monkeypatch):
    """Both take the sum from one place."""
    monkeypatch.setattr(report, "load", lambda name: {"rows": [*rows.values()]})
    short = {row["items"]: row["300"] for row in report._tokens_by_size()}

    assert {way: numbers(row["billed"])[0] for way, row in rows.items()} == short


def test_every_row_says_of_how_many_people_and_within_what(rows):
    """The shares too; only what is the same for everybody has no interval."""
    for way, row in rows.items():
        assert 3 == row["people"]
        value, low, high = numbers(row["billed"])
        assert low <= value <= high, way
        for share in ("item text shown / catalog text", "billed / flat listing"):
            value, *interval = numbers(row[share])
            assert not interval or interval[0] <= value <= interval[1], (way, share)
    assert 3 == len(numbers(rows[tokens.WALK]["item text shown / catalog text"]))
    assert [100] == numbers(rows[tokens.FLAT]["billed / flat listing"])


@pytest.mark.parametrize("size", [10, 15, 20, 21, 30, 34, 47])
def test_a_listing_and_windows_are_counted_as_they_would_be_written(
    size, tree, writer, monkeypatch
):
    """Numbered through the one, from one in each window the others; to the token."""
    listed_titles = [title for (title,) in tree.rows("SELECT title FROM item ORDER BY number")][
        :size
    ]
    monkeypatch.setattr(tokens, "BLOCK", 7)
    titles = tokens.Titles.of(Few(tree, size), writer.counter)
    met = ["The whale", "The comet"]

    def whole(kind, lines, limit, likes):
        choices = tuple(Choice(n, line, n) for n, line in enumerate(lines, 1))
        question = Question(kind, Stage.RECALL, likes, choices, limit)
        return writer.estimate(writer.request(question))[0]

    history = Profile((Interest("\n".join(met), 1.0),))
    listed = tokens._flat(writer, met, titles).stages[1][0]
    assert whole("pick", listed_titles, 10, history) == listed
    begins = range(0, max(size - tokens.STEP, 1), tokens.STEP)
    slid = tokens._windows(writer, met, titles)
    windows = [listed_titles[begin : begin + tokens.WINDOW] for begin in begins]
    assert len(windows) == titles.windows == slid.calls - 1
    assert listed_titles[-1] == windows[-1][-1]
    profile = Profile(tokens.INTERESTS)
    assert sum(whole("rank", lines, 0, profile) for lines in windows) == slid.stages[2][0]


class Few:
    """The first so many items of a tree."""

    def __init__(self, tree, size):
        self._tree, self._size = tree, size

    def rows(self, query):
        return self._tree.rows(f"{query} LIMIT {self._size}")


def test_titles_are_counted_to_the_last_digit_of_their_numbers(writer):
    """A thousand takes a token more than nine hundred and ninety-nine."""
    lines = [f"Title {number}" for number in range(1_200)]

    class Made:
        def rows(self, query):
            return [(str(number), line) for number, line in enumerate(lines)]

    counted = tokens.Titles.of(Made(), writer.counter)
    text = "".join(f"{number}. {line}\n" for number, line in enumerate(lines, 1))
    assert writer.counter.count(text) == counted.through
    assert 1_200 - 999 == counted.through - writer.counter.count(re.sub(r"(?m)^\d+", "1", text))


def test_all_lines_that_are_read_count_as_text_shown(tree, writer):
    """Those of branches with their example titles, and an item as often as it is listed."""
    settings = Settings.resolve({"model": tokens.MODEL, "judge": "embedded"})
    judge = tokens.Spoken(build_estimating_judge(tree, settings), writer)
    history = trees.items()[0].id
    asked = []
    spent = tokens._walked(Recommender(tree, judge), judge, [history], Options())
    Recommender(tree, judge).recommend([history], options=Options(), trace=asked.append)

    prompts = [each["messages"][-1]["content"] for each in asked if each["kind"] != "profile"]
    blocks = [re.search(r"<choices>\n(.*\n)</choices>", each, re.DOTALL)[1] for each in prompts]
    assert {"choose", "pick", "rank"} == {each["kind"] for each in asked} - {"profile"}
    assert sum(map(writer.counter.count, blocks)) == spent.shown
    titles = [item.title for item in trees.items()]
    assert any(title in blocks[0] for title in titles)


def test_what_is_written_back_can_be_read(tree, writer):
    """As many numbers as the question has choices, or as it wants."""
    settings = Settings.resolve({"model": tokens.MODEL, "judge": "embedded"})
    judge = tokens.Spoken(build_estimating_judge(tree, settings), writer)
    choices = tuple(Choice(n, f"line {n}", n) for n in range(1, 13))
    for kind, limit, named in (("choose", 12, 12), ("pick", 5, 5), ("rank", 5, 12)):
        question = Question(kind, Stage.RECALL, Profile(tokens.INTERESTS), choices, limit)
        written = tokens.order_json if kind == "rank" else tokens.picks_json
        answer = written(range(1, named + 1))
        assert named == len(next(iter(json.loads(answer).values())))
        usage = judge.choose(question).usage
        assert writer.counter.count(answer) == usage.estimated_completion


def test_people_met_fifty_items(tree):
    """Whatever the catalog, and the same ones each time."""
    people = tokens.histories(tree)

    assert {50} == {len(set(each)) for each in people}
    assert people == tokens.histories(tree)
