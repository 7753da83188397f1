"""Baselines that ask a model: one list, a shortlist, the paper's scheme."""

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


def test_the_estimate_of_the_flat_listing_matches_its_prompt(held_out, tree, writer):
    """It is within one percent."""
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
    # Seen items are not listed to a model.
    assert pytest.approx(whole, rel=0.03) == counted.estimated_prompt
    first = next(i.id for i in held_out.data.index.items if i.id not in case.history)
    assert (first,) == answered.items


def test_without_a_model_the_flat_listing_uses_the_vectors(held_out, tree, writer):
    """The note says so."""
    evaluation = evaluate(held_out, [FlatVectors(tree), FlatListing(tree, writer)])
    near, listing = evaluation.results

    assert [a.items for a in near.answers] == [a.items for a in listing.answers]
    assert "not sent" in listing.note


def test_the_shortlist_consists_of_the_nearest_items(held_out, tree):
    """No tree is walked, and the target has its rank by the vectors."""
    near = FlatVectors(tree)
    near.learn(held_out.data)
    pricing = build_estimating_judge(tree, Settings.resolve({}))
    system = retrieve_and_rank(tree, SimilarityJudge(tree), pricing)

    for case in held_out.data.cases[:3]:
        answer = system.answer(case, 10)
        # Items as near as the last one may be others.
        assert set(near.answer(case, 50).items) <= set(answer.recalled)
        assert 72 == len(answer.recalled)
        # One call for the profile, and one for ranking the shortlist.
        assert 2 == answer.usage.calls


def test_the_paper_keeps_to_its_parameters(held_out, tree):
    """Every call has the history and the profile; five items per leaf, twenty in total."""
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
    # Our own estimate is kept apart from the server's count.
    sent = [[each.content for each in request.messages] for request in endpoint.requests]
    assert sum(map(counter.count_messages, sent)) == found.usage.estimated_prompt
    assert found.usage.estimated_completion > 0


def test_the_estimate_of_the_paper_matches_its_prompts(held_out, tree):
    """It counts the messages that a model would receive."""
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
    # The prompt around the history adds to its titles.
    assert sum(sent) + begun < found.usage.estimated_prompt < sum(sent) + begun + 60


def test_the_note_of_the_paper_says_that_its_list_is_not_ranked(held_out, tree):
    """The list is the first of twenty items, found leaf after leaf."""
    scheme = PaperScheme(tree, TokenCounter.for_model("gpt-4o"))
    scheme.learn(held_out.data)
    found = scheme.answer(held_out.data.cases[0], 10)

    assert found.recalled[:10] == found.items
    assert "the first of 20 items as they were found" in scheme.note


def test_titles_must_match_exactly():
    """A similar title may belong to another item."""
    lines = ["The Sea", "The Seas", "the sea", "12 Years"]
    reply = "Sure!\n1. The Seas\n2) THE SEA\n3. The See\n4. 12 Years\n5. The Seas"

    assert [1, 0, 3] == read_titles(reply, lines)


def test_two_levels_hold_every_leaf_once(tree):
    """There are about as many groups as leaves per group."""
    groups = levels_over_leaves(tree)
    leaves = [leaf.leaf for group in groups for leaf in group.children]
    counted = tree.rows("SELECT count(*) FROM node WHERE leaf = 1")[0][0]

    assert counted == len(leaves) == len(set(leaves))
    assert abs(len(groups) ** 2 - counted) <= 2 * len(groups)
    assert all(group.name for group in groups)


def test_there_may_be_more_than_two_levels(tree):
    """The lists get shorter; the leaves are the same."""
    two, three = levels_over_leaves(tree), levels_over_leaves(tree, 3)

    assert [leaf.leaf for group in two for leaf in group.children] == [
        leaf.leaf for group in three for part in group.children for leaf in part.children
    ]
    assert max(len(group.children) for group in three) < max(len(group.children) for group in two)


def test_a_catalog_that_is_too_long_is_not_sent(held_out, tree, writer, monkeypatch):
    """The prompt is only counted, whatever the judge."""
    monkeypatch.setattr("unillmrec.evaluation.systems.model_baselines.FLAT_CEILING", 100)
    sent = ScriptedEndpoint([])
    judge = LanguageModelJudge(sent, writer, SimilarityJudge(tree))
    system = SystemContext(tree, judge, writer).build("flat")
    system.learn(held_out.data)
    system.answer(held_out.data.cases[0], 10)

    assert "not sent" in system.note
    assert [] == sent.requests


@pytest.mark.parametrize("name", ["flat", "retrieve", "paper", REFERENCE])
def test_unusable_replies_are_reported(held_out, tree, writer, name):
    """Whether the embedded judge replaced them or nothing did."""
    judge = LanguageModelJudge(ScriptedEndpoint(lambda _: "no"), writer, SimilarityJudge(tree))
    first = replace(held_out, data=replace(held_out.data, cases=held_out.data.cases[:2]))
    evaluation = evaluate(first, build_systems(SystemContext(tree, judge, writer), [name]))
    result, plain = evaluation.results[0], evaluation.as_dict()["systems"][0]

    # Without a vector of the person, the embedded judge lists nothing in a flat listing.
    counts = (0, 2) if name in {"flat", "paper"} else (2, 0)
    assert counts == (plain["fallbacks"], plain["unusable"])
    (remark,) = [each for each in result.remarks if "could not be used" in each]
    assert remark.startswith("2 of 2 people")
    assert ("embedded judge" in remark) == bool(result.fallbacks)
    assert remark in render_page(evaluation, {})


@pytest.mark.parametrize(
    ("name", "before"), [("flat", 1), ("retrieve", 3), ("paper", 1), (REFERENCE, 3)]
)
def test_the_calls_of_a_person_who_failed_are_billed(held_out, tree, writer, name, before):
    """This includes the failed call and those before it."""
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
    evaluation = evaluate(first, build_systems(SystemContext(tree, judge, writer), [name]))
    result = evaluation.results[0]

    assert (1, 1) == (result.failed, result.priced)
    assert (before + 1, 1_000 * before + 300) == (result.usage.calls, result.usage.prompt)
    assert any("1 of 1 people failed" in each for each in result.remarks)
    assert not any("tokens of" in each for each in result.remarks)


def test_usable_replies_leave_no_remark(held_out, tree, writer):
    """There were no fallbacks."""
    sent = ScriptedEndpoint(lambda request: '{"picks": [{"number": 1, "score": 9}]}')
    flat = SystemContext(
        tree, LanguageModelJudge(sent, writer, SimilarityJudge(tree)), writer
    ).build("flat")
    (result,) = evaluate(held_out, [flat]).results

    assert (0, 0) == (result.fallbacks, result.unusable)
    assert not any("could not be used" in each for each in result.remarks)
