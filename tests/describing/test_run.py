import json
import shutil
import threading
import time
from collections import Counter

import pytest

from tests import trees
from unillmrec.describing import run as module
from unillmrec.describing.run import (
    DescribeOptions,
    describe,
    plan_describing,
)
from unillmrec.endpoint import AnswerError, CallError, FailureKind
from unillmrec.errors import SettingsError, StoreError
from unillmrec.judge import CONTRACTS, PromptWriter
from unillmrec.judge.describer import LanguageModelDescriber
from unillmrec.prompts import PromptSet
from unillmrec.store import ROOT, EditableTree
from unillmrec.testing import ScriptedEndpoint, sensible_answer
from unillmrec.tokens import TokenCounter


@pytest.fixture(scope="module")
def writer():
    return PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model("gpt-4o"))


@pytest.fixture
def tree(tmp_path_factory):
    """A tree of three hundred items that a test may change."""
    folder = tmp_path_factory.getbasetemp() / "trees"
    folder.mkdir(exist_ok=True)
    trees.tree(folder).close()
    with EditableTree.open(shutil.copy(folder / "words.tree", "shop.tree")) as opened:
        yield opened


def good_answer(request):
    return sensible_answer(request.messages[-1].content, "descriptions")


def choices_of(request):
    """Return the choices of a request, without the descriptions above them."""
    return request.messages[1].content.split("\n<choices>\n")[1].split("\n</choices>\n")[0]


def run(tree, writer, answers=good_answer, at_once=1, **options):
    """Describe; return the report and the requests."""
    endpoint = ScriptedEndpoint(answers)
    describer = LanguageModelDescriber(endpoint, writer, at_once=at_once)
    report = describe(tree, describer, DescribeOptions(**options))
    return report, endpoint.requests


def nodes(tree):
    """Return all nodes but the root."""
    ids = [node for (node,) in tree.rows("SELECT id FROM node WHERE parent NOT NULL ORDER BY id")]
    return [tree.node(each) for each in ids]


def age(tree, node_id, changed):
    """Make the summary of a node *changed* items old."""
    with tree.transaction():
        tree.set_descriptions([(tree.node(node_id).description.to_json(), changed, node_id)])


def failing(kind, problem="the server is gone"):
    error = CallError(problem)
    error.kind = kind
    return error


@pytest.mark.parametrize("at_once", [1, 4])
def test_describes_every_node_once(tree, writer, at_once):
    """Each group of siblings is one question; every node gets a summary and keeps its words."""
    before = nodes(tree)
    groups = len({node.parent for node in before})

    report, requests = run(tree, writer, at_once=at_once)

    after = nodes(tree)
    assert (len(before), groups) == (report.described, len(requests))
    assert {1} == set(Counter(map(choices_of, requests)).values())
    assert all(node.description.summary.startswith("about ") for node in after)
    assert [n.description.words for n in before] == [n.description.words for n in after]
    assert [n.description.titles for n in before] == [n.description.titles for n in after]
    assert (True, None, []) == (report.finished, report.stopped, report.undescribed)
    assert "scripted at script" == tree.facts["described_by"]


def test_the_top_comes_first(tree, writer):
    """Siblings are described from the root down, and prompts quote the parent's new summary."""
    _, requests = run(tree, writer)

    first, second = (request.messages[1].content for request in requests[:2])
    assert "parts of: the whole catalog\n" in first
    top = tree.children(ROOT)[0].description.summary
    assert f"parts of: {top}" in second


def test_a_second_run_asks_nothing(tree, writer):
    """A node with a fresh summary is not paid for again."""
    run(tree, writer)

    report, requests = run(tree, writer)

    assert (0, 0, True, []) == (report.described, report.questions, report.finished, requests)


def test_an_interrupted_run_is_resumed(tree, writer):
    """A run that ends early has kept every answer; the next run asks only for the others."""
    answered = []

    def until_the_fifth(request):
        if len(answered) == 4:
            raise KeyboardInterrupt
        answered.append(request)
        return good_answer(request)

    with pytest.raises(KeyboardInterrupt):
        run(tree, writer, until_the_fifth)
    kept = sum(bool(node.description.summary) for node in nodes(tree))
    _, requests = run(tree, writer)

    asked_before, asked_after = set(map(choices_of, answered)), set(map(choices_of, requests))
    assert kept == sum(text.count("\n") + 1 for text in asked_before) > 4
    assert not asked_before & asked_after
    assert len({node.parent for node in nodes(tree)}) == len(asked_before | asked_after)


def test_an_interrupt_keeps_finished_answers(tree, writer, monkeypatch):
    """Ctrl-C loses no answer that has arrived but is not written yet."""
    real = module.wait

    def interrupted(waiting, return_when):
        done = real(waiting)
        if len(waiting) == 3:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(module, "wait", interrupted)

    with pytest.raises(KeyboardInterrupt):
        run(tree, writer, at_once=3)

    assert 4 == len({node.parent for node in nodes(tree) if node.description.summary})


@pytest.mark.parametrize("depth", [1, 2])
def test_depth_limits_the_levels(tree, writer, depth):
    """With a depth, only the levels down to it are described."""
    report, _ = run(tree, writer, depth=depth)

    described = [node.depth for node in nodes(tree) if node.description.summary]
    assert report.described == len(described)
    assert {*range(1, depth + 1)} == set(described)


def test_most_limits_the_nodes(tree, writer):
    """At most so many nodes are described; further runs describe the others, none twice."""
    every = len(nodes(tree))

    first, _ = run(tree, writer, most=7)
    second, requests = run(tree, writer, most=every)

    assert (7, False) == (first.described, first.finished)
    assert every - 7 == second.described
    # The question about the rest of a group lists the siblings that are described already.
    assert "tell these apart from:\n<others>\n- about" in requests[0].messages[1].content


@pytest.mark.parametrize(
    "options",
    [{}, {"depth": 1}, {"most": 9}, {"which": "stale"}, {"which": "all"}],
    ids=["missing", "depth", "most", "stale", "all"],
)
def test_a_plan_equals_the_run(tree, writer, options):
    """A plan sends nothing, and has the calls, the nodes and the first prompt of the run."""
    if "which" in options:
        run(tree, writer)
        for node in nodes(tree)[::3]:
            age(tree, node.id, node.size)

    plan = plan_describing(tree, writer, DescribeOptions(**options))
    report, requests = run(tree, writer, **options)

    assert (plan.usage.calls, plan.nodes) == (len(requests), report.described)
    assert plan.first == requests[0]
    assert plan.usage.prompt is None
    difference = report.usage.estimated_prompt - plan.usage.estimated_prompt
    # Below the first level, the prompts of the run quote the parents' new summaries.
    assert abs(difference) <= 48 * len(requests)
    if "depth" in options or options.get("which") == "all":
        assert abs(difference) < 0.05 * plan.usage.estimated_prompt


def test_a_plan_of_nothing_is_empty(tree, writer):
    """If no node needs a summary, there is no call and no first prompt."""
    plan = plan_describing(tree, writer, DescribeOptions("stale"))

    assert (0, 0, 0, None) == (plan.nodes, plan.families, plan.usage.calls, plan.first)


def test_only_stale_summaries_are_renewed(tree, writer):
    """A node is described again when more than a fifth of its items changed."""
    run(tree, writer)
    family = tree.children(tree.children(ROOT)[0].id)
    age(tree, family[0].id, family[0].size // 5 + 1)
    age(tree, family[1].id, family[1].size // 5)

    report, (request,) = run(tree, writer, which="stale")

    assert 1 == report.described
    assert choices_of(request).startswith(f"1. {family[0].description.words[0]}")
    others = [f"- {sibling.description.summary}" for sibling in family[1:]]
    assert "\n".join(others) in request.messages[1].content
    assert [0, family[1].size // 5] == [each.stale for each in tree.children(family[0].parent)[:2]]


def test_the_share_of_changes_can_be_set(tree, writer):
    """If half of the items may change, a summary with a third changed is fresh."""
    run(tree, writer)
    node = nodes(tree)[0]
    age(tree, node.id, node.size // 3)

    kept, _ = run(tree, writer, which="stale", share=0.5)
    renewed, _ = run(tree, writer, which="stale", share=0.3)

    assert (0, 1) == (kept.described, renewed.described)


def test_without_a_summary_nothing_is_stale(tree, writer):
    """Words are always fresh: renewing skips nodes without a summary by a model."""
    assert (0, []) == (
        run(tree, writer, which="stale")[0].described,
        run(tree, writer, which="stale")[1],
    )


def test_all_summaries_can_be_rewritten(tree, writer):
    """Every summary is replaced, fresh ones too, and missing ones are written."""
    run(tree, writer, most=20)
    every = len(nodes(tree))

    def otherwise(request):
        return good_answer(request).replace("about ", "now ")

    report, _ = run(tree, writer, otherwise, which="all")

    assert every == report.described
    assert all(node.description.summary.startswith("now ") for node in nodes(tree))
    assert {0} == {node.stale for node in nodes(tree)}


def test_rewriting_all_can_be_resumed(tree, writer):
    """The second run describes what the first left; a third run starts again."""
    run(tree, writer)
    groups = len({node.parent for node in nodes(tree)})
    script = iter(range(4))

    def until_it_fails(request):
        return good_answer(request) if next(script, None) is not None else failing(FailureKind.KEY)

    first, _ = run(tree, writer, until_it_fails, which="all")
    _, second = run(tree, writer, which="all")
    _, third = run(tree, writer, which="all")

    assert (4, False) == (first.questions, first.finished)
    assert groups == 4 + len(second)
    assert groups == len(third)


def test_a_failed_call_leaves_its_nodes_as_they_are(tree, writer):
    """Its nodes keep their words, are in the report, and are described by the next run."""
    script = iter(
        [None, failing(FailureKind.SERVER), None, AnswerError("nothing"), AnswerError("x")]
    )

    def answer(request):
        return next(script, None) or good_answer(request)

    report, requests = run(tree, writer, answer)

    left = [node for node in nodes(tree) if not node.description.summary]
    assert sorted(node.id for node in left) == [each.node for each in report.undescribed]
    assert all(node.description.words for node in left)
    assert {"the server is gone", "the answer has no line for it"} == {
        each.reason for each in report.undescribed
    }
    assert (None, True) == (report.stopped, report.finished)
    assert len(nodes(tree)) == report.described + len(report.undescribed)

    again, requests = run(tree, writer)
    assert (len(left), 2) == (again.described, len(requests))


def test_a_node_that_the_model_left_out_is_reported(tree, writer):
    """A node without a line keeps its words; its siblings get their summaries."""

    def answer(request):
        reply = json.loads(good_answer(request))
        return json.dumps({"descriptions": reply["descriptions"][1:]})

    report, requests = run(tree, writer, answer, depth=1)

    first = tree.children(ROOT)[0]
    ((node, label, _),) = [(u.node, u.label, u.reason) for u in report.undescribed]
    assert (first.id, first.description.label, 1) == (node, label, len(requests))
    assert (1, "") == (report.dropped.left_out, first.description.summary)


def test_the_first_question_goes_alone(tree, writer):
    """No second question is sent before the first answer; then as many as are allowed."""
    lock, now, most = threading.Lock(), [], []

    def answer(request):
        with lock:
            now.append(request)
            most.append(len(now))
        time.sleep(0.02)
        with lock:
            now.remove(request)
        return good_answer(request)

    run(tree, writer, answer, at_once=3)

    assert (1, 1, 3) == (most[0], min(most[:2]), max(most))
    assert most[1:].count(3) > 2


@pytest.mark.parametrize("kind", [FailureKind.KEY, FailureKind.MONEY, FailureKind.UNREACHABLE])
def test_a_failure_that_would_happen_again_ends_the_run(tree, writer, kind):
    """A refused key is not tried again; summaries written before are kept."""
    script = iter([None])

    def answer(request):
        return good_answer(request) if next(script, 1) is None else failing(kind)

    report, requests = run(tree, writer, answer)

    assert (2, kind, False) == (len(requests), report.stopped.kind, report.finished)
    assert report.described == len(tree.children(ROOT))


def test_three_failures_in_a_row_end_the_run(tree, writer):
    """A server that is down does not get all questions."""
    report, requests = run(tree, writer, lambda request: failing(FailureKind.TIMEOUT))

    assert (3, FailureKind.TIMEOUT) == (len(requests), report.stopped.kind)


def test_a_change_during_the_question_is_not_lost(tree, writer):
    """Items inserted while the model wrote count as newer; a removed node is skipped."""
    first, second, *_ = tree.children(ROOT)

    def meanwhile(request):
        with EditableTree.open(tree.path) as other, other.transaction():
            other.add_move_counts({first.id: 3})
            other.remove_nodes([second.id])
        return good_answer(request)

    report, _ = run(tree, writer, meanwhile, depth=1)

    assert (3, 1) == (tree.node(first.id).stale, report.gone)
    assert tree.node(first.id).description.summary


def test_two_runs_share_the_work(tree, writer):
    """A node that another run has described meanwhile is not described again."""
    taken = []

    def answer(request):
        if not taken:
            taken.append(request)
            with EditableTree.open(tree.path) as other:
                run(other, writer)
        return good_answer(request)

    _, requests = run(tree, writer, answer)

    assert 1 == len(requests)


def test_an_answer_is_not_lost_to_another_writer(tree, writer, monkeypatch):
    """While another process changes the file, writing is tried again."""
    tried = []
    real = EditableTree.set_descriptions

    def busy_at_first(self, rows):
        tried.append(1)
        if len(tried) == 1:
            raise StoreError("another process is changing it.")
        real(self, rows)

    monkeypatch.setattr(EditableTree, "set_descriptions", busy_at_first)

    report, _ = run(tree, writer, depth=1)

    assert (2, len(tree.children(ROOT))) == (len(tried), report.described)


def test_a_tree_of_one_leaf_has_nothing_to_describe(writer):
    """A tree without siblings has no question."""
    from unillmrec.building import BuildOptions, build

    build(trees.items(10), "small.tree", BuildOptions(workers=1))
    with EditableTree.open("small.tree") as tree:
        report, requests = run(tree, writer)

    assert (0, [], True) == (report.described, requests, report.finished)


def test_callbacks_get_answers_and_progress(tree, writer):
    """The callbacks get every answer, and the count of every finished node."""
    answers, done = [], []
    describer = LanguageModelDescriber(ScriptedEndpoint(good_answer), writer)

    describe(tree, describer, on_answer=answers.append, on_progress=done.append)

    assert (len(done), len(nodes(tree))) == (len(answers), sum(done))


@pytest.mark.parametrize("options", [{"depth": 0}, {"most": 0}, {"share": -0.1}])
def test_invalid_options_are_refused(options):
    """The error names the invalid value."""
    with pytest.raises(SettingsError, match="it must"):
        DescribeOptions(**options)
