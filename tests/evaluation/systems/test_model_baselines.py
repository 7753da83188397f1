"""Baselines that ask a model: one list, a shortlist, the scheme of the paper."""

import re
from dataclasses import replace

import pytest

from tests import trees
from unillmrec.endpoint import CallError, Reply
from unillmrec.evaluation.report.page import render_page
from unillmrec.evaluation.runner import evaluate
from unillmrec.evaluation.systems.content import FlatVectors
from unillmrec.evaluation.systems.model_baselines import (
    FlatListing,
    one_line_title,
    retrieve_and_rank,
)
from unillmrec.evaluation.systems.paper import PaperScheme, levels_over_leaves, read_titles
from unillmrec.evaluation.systems.registry import REFERENCE, SystemContext, build_systems
from unillmrec.judge import LanguageModelJudge, SimilarityJudge
from unillmrec.judge.prompting.prompt_writer import CONTRACTS, PromptWriter
from unillmrec.judge.registry import build_estimating_judge
from unillmrec.prompts import PromptSet
from unillmrec.settings import Settings
from unillmrec.testing import ScriptedEndpoint
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Usage


@pytest.fixture
def tree(tmp_path):
    with trees.tree(tmp_path) as opened:
        yield opened


@pytest.fixture
def writer():
    return PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model("gpt-4o"))


def test_a_list_of_everything_is_counted_as_it_would_be_sent(held_out, tree, writer):
    """The estimate is within a hundredth of the whole prompt."""
    sent = ScriptedEndpoint(lambda request: '{"picks": [{"number": 1, "score": 9}]}')
    judge = LanguageModelJudge(sent, writer, SimilarityJudge(tree))
    flat, asked = FlatListing(tree, writer), SystemContext(tree, judge, writer).build("flat")
    case = held_out.data.cases[0]
    for system in (flat, asked):
        system.learn(held_out.data)

    counted = flat.answer(case, 10).usage
    answered = asked.answer(case, 10)

    assert 1 == counted.calls
    assert counted.prompt is None
    (request,) = sent.requests
    whole = writer.counter.count_messages([each.content for each in request.messages])
    # What the person has seen is not listed to a model.
    assert pytest.approx(whole, rel=0.03) == counted.estimated_prompt
    first = next(i.id for i in held_out.data.index.items if i.id not in case.history)
    assert (first,) == answered.items


def test_without_a_model_the_list_is_that_of_the_vectors(held_out, tree, writer):
    """And the note says so."""
    made = evaluate(held_out, [FlatVectors(tree), FlatListing(tree, writer)])
    near, listing = made.results

    assert [a.items for a in near.answers] == [a.items for a in listing.answers]
    assert "not sent" in listing.note


def test_a_shortlist_is_the_nearest(held_out, tree):
    """No tree is walked, and the target is where the vectors have it."""
    near = FlatVectors(tree)
    near.learn(held_out.data)
    pricing = build_estimating_judge(tree, Settings.resolve({}))
    system = retrieve_and_rank(tree, SimilarityJudge(tree), pricing)

    for case in held_out.data.cases[:3]:
        answer = system.answer(case, 10)
        # Those that are equally near to the last of them may be others.
        assert set(near.answer(case, 50).items) <= set(answer.recalled)
        assert 72 == len(answer.recalled)
        # The history is summed up in one call, and the shortlist ranked in another.
        assert 2 == answer.usage.calls


def test_the_paper_keeps_to_its_parameters(held_out, tree):
    """Every call carries the history and the profile; five of a leaf, until there are twenty."""
    counter = TokenCounter.for_model("gpt-4o")

    def answer(request):
        asked = request.messages[-1].content
        if len(request.messages) == 2:
            return "1. Quiet things"
        count = int(re.search(r"top (\d+)", asked)[1])
        lines = re.findall(r"^\d+\. (.*)$", asked, re.MULTILINE)
        return "\n".join(f"{n}. {line}" for n, line in enumerate(lines[:count], 1))

    endpoint = ScriptedEndpoint(answer)
    scheme = PaperScheme(tree, counter, endpoint)
    scheme.learn(held_out.data)
    case = held_out.data.cases[0]
    found = scheme.answer(case, 10)

    titles = [
        one_line_title(held_out.data.index.items[held_out.data.index.positions[i]])
        for i in case.history
    ]
    first, *others = endpoint.requests
    assert all("\n".join(titles) in request.messages[1].content for request in endpoint.requests)
    assert all("1. Quiet things" == each.messages[2].content for each in others)
    assert 20 <= len(found.recalled) < 25
    assert 10 == len(found.items)
    leaves = [each for each in others if "about" in each.messages[-1].content]
    assert all(re.search("top [1-5] items", each.messages[-1].content) for each in leaves)
    assert len(endpoint.requests) == 1 + len(others) == found.usage.calls
    assert len(first.messages) == 2
    # Our own count stands beside the server's, whatever that has said.
    sent = [[each.content for each in request.messages] for request in endpoint.requests]
    assert sum(map(counter.count_messages, sent)) == found.usage.estimated_prompt
    assert found.usage.estimated_completion > 0


def test_the_paper_is_counted_as_it_would_be_sent(held_out, tree):
    """The estimate counts the same messages that a model would get."""
    counter = TokenCounter.for_model("gpt-4o")
    profile = " topic" * 170
    simulated = PaperScheme(tree, counter)
    simulated.learn(held_out.data)
    sent = []

    class Watching(PaperScheme):
        def _choose(self, search, question):
            listed = "\n".join(f"{n}. {line}" for n, line in enumerate(question.lines, 1))
            text = question.template.format(count=question.count, name=question.name, lines=listed)
            sent.append(counter.count_messages(["", search.history, profile, text]))
            return super()._choose(search, question)

    watching = Watching(tree, counter)
    watching.learn(held_out.data)
    found = watching.answer(held_out.data.cases[0], 10)
    case = held_out.data.cases[0]
    items = held_out.data.index
    history = "\n".join(one_line_title(items.items[items.positions[each]]) for each in case.history)
    begun = counter.count_messages(["", history])

    assert found == simulated.answer(case, 10)
    # The words around the history are on top of its titles.
    assert sum(sent) + begun < found.usage.estimated_prompt < sum(sent) + begun + 60


def test_the_paper_says_that_its_list_is_cut_and_not_ranked(held_out, tree):
    """Twenty items are found leaf after leaf, and the first of them are the list."""
    scheme = PaperScheme(tree, TokenCounter.for_model("gpt-4o"))
    scheme.learn(held_out.data)
    found = scheme.answer(held_out.data.cases[0], 10)

    assert found.recalled[:10] == found.items
    assert "the first of 20 items as they were found" in scheme.note


def test_titles_are_read_letter_for_letter():
    """One that is merely like one of the list may be another item."""
    lines = ["The Sea", "The Seas", "the sea", "12 Years"]
    reply = "Sure!\n1. The Seas\n2) THE SEA\n3. The See\n4. 12 Years\n5. The Seas"

    assert [1, 0, 3] == read_titles(reply, lines)


def test_two_levels_hold_every_leaf_once(tree):
    """In about as many groups as each has leaves."""
    groups = levels_over_leaves(tree)
    leaves = [leaf.leaf for group in groups for leaf in group.children]
    counted = tree.rows("SELECT count(*) FROM node WHERE leaf = 1")[0][0]

    assert counted == len(leaves) == len(set(leaves))
    assert abs(len(groups) ** 2 - counted) <= 2 * len(groups)
    assert all(group.name for group in groups)


def test_levels_may_be_more(tree):
    """Each is then a shorter list, and the leaves are the same ones."""
    two, three = levels_over_leaves(tree), levels_over_leaves(tree, 3)

    assert [leaf.leaf for group in two for leaf in group.children] == [
        leaf.leaf for group in three for part in group.children for leaf in part.children
    ]
    assert max(len(group.children) for group in three) < max(len(group.children) for group in two)


def test_a_catalog_too_long_to_send_is_not_sent(held_out, tree, writer, monkeypatch):
    """Whatever judge there is: the prompt is only counted."""
    monkeypatch.setattr("unillmrec.evaluation.systems.model_baselines.FLAT_CEILING", 100)
    sent = ScriptedEndpoint([])
    judge = LanguageModelJudge(sent, writer, SimilarityJudge(tree))
    system = SystemContext(tree, judge, writer).build("flat")
    system.learn(held_out.data)
    system.answer(held_out.data.cases[0], 10)

    assert "not sent" in system.note
    assert [] == sent.requests


@pytest.mark.parametrize("name", ["flat", "retrieve", "paper", REFERENCE])
def test_replies_that_cannot_be_used_are_told(held_out, tree, writer, name):
    """What the embedded judge listed instead, or nobody did, is no list of the model's."""
    judge = LanguageModelJudge(ScriptedEndpoint(lambda _: "no"), writer, SimilarityJudge(tree))
    first = replace(held_out, data=replace(held_out.data, cases=held_out.data.cases[:2]))
    made = evaluate(first, build_systems(SystemContext(tree, judge, writer), [name]))
    outcome, told = made.results[0], made.as_dict()["systems"][0]

    # The embedded judge has no taste to go by in a flat listing, and lists nothing.
    counts = (0, 2) if name in {"flat", "paper"} else (2, 0)
    assert counts == (told["fallbacks"], told["unusable"])
    (remark,) = [each for each in outcome.remarks if "could not be used" in each]
    assert remark.startswith("2 of 2 people")
    assert ("embedded judge" in remark) == bool(outcome.fallbacks)
    assert remark in render_page(made, {})


@pytest.mark.parametrize(
    ("name", "before"), [("flat", 1), ("retrieve", 3), ("paper", 1), (REFERENCE, 3)]
)
def test_the_calls_of_a_person_who_failed_are_billed(held_out, tree, writer, name, before):
    """Those before the one that failed, and what that one cost itself."""
    answered = Reply("no", Usage(1, 1_000, 10), "text", "stop", "scripted", 0.0)

    def answer(request):
        if len(sent.requests) <= before:
            return answered
        error = CallError("the call failed.")
        error.usage = Usage(1, 300, 0)
        return error

    sent = ScriptedEndpoint(answer)
    judge = LanguageModelJudge(sent, writer, SimilarityJudge(tree), at_once=1)
    first = replace(held_out, data=replace(held_out.data, cases=held_out.data.cases[:1]))
    made = evaluate(first, build_systems(SystemContext(tree, judge, writer), [name]))
    outcome = made.results[0]

    assert (1, 1) == (outcome.failed, outcome.priced)
    assert (before + 1, 1_000 * before + 300) == (outcome.usage.calls, outcome.usage.prompt)
    assert any("1 of 1 people failed" in each for each in outcome.remarks)
    assert not any("tokens of" in each for each in outcome.remarks)


def test_replies_that_can_be_used_leave_no_remark(held_out, tree, writer):
    """Nobody stood in for anybody."""
    sent = ScriptedEndpoint(lambda request: '{"picks": [{"number": 1, "score": 9}]}')
    flat = SystemContext(
        tree, LanguageModelJudge(sent, writer, SimilarityJudge(tree)), writer
    ).build("flat")
    (outcome,) = evaluate(held_out, [flat]).results

    assert (0, 0) == (outcome.fallbacks, outcome.unusable)
    assert not any("could not be used" in each for each in outcome.remarks)
