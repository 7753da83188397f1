from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import trees
from unillmrec.judge import LanguageModelJudge, PromptWriter, SimilarityJudge
from unillmrec.planning.shared_prefixes import (
    SharedTokens,
    SimulatedPrefixCache,
    measure_shared_prefix,
)
from unillmrec.recommending.recommender import Recommender
from unillmrec.stages import Options
from unillmrec.testing import ScriptedEndpoint, sensible_answer


class Letters:
    """Counts one token per letter."""

    def count(self, text):
        return len(text)


def prompt(*lines, system="s\n"):
    return (("system", system), ("user", "\n".join(lines)))


HEAD = len("system:s\nuser:")


def test_counts_the_prefix_of_an_earlier_prompt():
    """It compares line by line from the first message; the first prompt shares nothing."""
    prompts = [prompt("a", "b", "c"), prompt("a", "b", "d"), prompt("x", "b", "c")]

    shared = measure_shared_prefix(prompts, Letters())

    assert SharedTokens(3 * (HEAD + 5), HEAD + 4 + HEAD) == shared
    assert shared.shared / shared.prompt == shared.share


def test_any_earlier_prompt_counts_not_only_the_last():
    """A cache holds more than one prompt."""
    prompts = [prompt("a", "b"), prompt("x"), prompt("a", "b")]

    assert HEAD + HEAD + 3 == measure_shared_prefix(prompts, Letters()).shared


def test_prompts_with_different_starts_share_nothing():
    """The same lines after different ones are not cached."""
    prompts = [prompt("a", "b"), prompt("a", "b", system="t\n")]

    assert len("system:") == measure_shared_prefix(prompts, Letters()).shared


def test_nothing_under_the_minimum_is_served():
    """Prefixes shorter than the server's minimum are not served."""
    prompts = [prompt("a" * 30, "b"), prompt("a" * 30, "c"), prompt("x")]

    assert HEAD + 31 == measure_shared_prefix(prompts, Letters(), minimum=HEAD + 31).shared
    assert 0 == measure_shared_prefix(prompts, Letters(), minimum=HEAD + 32).shared


def test_the_least_recently_used_prompt_is_evicted():
    """With room for two prompts, the third one evicts the older of them."""
    room = HEAD + 2 * 11
    a, b, c = ("a" * 10 + "\n", "b" * 10 + "\n", "c" * 10 + "\n")
    cache = SimulatedPrefixCache(Letters(), capacity=room)
    taken = [cache.add((("system", "s\n"), ("user", each))).shared for each in (a, b, a, c, a, b)]

    assert [0, HEAD, HEAD + 11, HEAD, HEAD + 11, HEAD] == taken


@given(
    st.lists(st.lists(st.sampled_from("ab"), min_size=1, max_size=5).map("\n".join), max_size=30),
    st.integers(0, 60),
)
def test_a_smaller_cache_serves_no_more(contents, capacity):
    """A limited cache never serves more than an unlimited one."""
    prompts = [(("user", each),) for each in contents]

    small = measure_shared_prefix(prompts, Letters(), capacity=capacity)
    large = measure_shared_prefix(prompts, Letters())

    assert small.prompt == large.prompt
    assert 0 <= small.shared <= large.shared <= large.prompt


@given(st.lists(st.text("ab\n", max_size=9), max_size=12))
def test_is_the_longest_common_prefix_in_whole_lines(contents):
    """The result is the same as comparing each prompt with all before it."""
    prompts = [(("user", each),) for each in contents]
    expected = 0
    for place, one in enumerate(contents):
        known = [common(one, other) for other in contents[:place]]
        expected += max((len("user:") + each for each in known), default=0)

    assert expected == measure_shared_prefix(prompts, Letters()).shared


def common(one, other):
    """Return the length of the common prefix of two texts, in whole lines."""
    import re

    lines = re.compile(r"[^\n]*\n+|[^\n]+")
    length = 0
    for mine, theirs in zip(lines.findall(one), lines.findall(other), strict=False):
        if mine != theirs:
            break
        length += len(mine)
    return length


@pytest.fixture(scope="module")
def sent(shared, prompts, counter):
    """Ask a model for some people; return the requests of each."""

    def ask(layout, people, seed=0):
        tree = trees.tree(shared)
        writer = PromptWriter(prompts, counter, layout=layout)
        asked = []
        for history in people:
            endpoint = ScriptedEndpoint(
                lambda each: sensible_answer(each.messages[1].content, each.schema.name)
            )
            judge = LanguageModelJudge(endpoint, writer, SimilarityJudge(tree), at_once=1)
            options = Options(5, leaves=6, shown=30, candidates=10, seed=seed)
            Recommender(tree, judge).recommend(history, options=options)
            asked.append(endpoint.requests)
        return asked

    return ask


PEOPLE = [[f"item-{(start * 37 + n) % 300:03}" for n in range(5)] for start in range(8)]


def chosen(requests):
    """Return the prompts about branches."""
    return [each for each in requests if "guide one person" in each.messages[0].content]


def beginning(one, other):
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return one[:length]


@pytest.mark.parametrize("layout", ["person-first", "choices-first"])
def test_the_same_input_and_seed_make_the_same_requests(sent, layout):
    """Requests are equal byte for byte; another seed changes the order of lists."""
    first = sent(layout, PEOPLE[:3])

    assert first == sent(layout, PEOPLE[:3])
    assert first != sent(layout, PEOPLE[:3], seed=5)


def test_calls_about_one_person_begin_with_the_person(sent):
    """The prompts are equal byte for byte up to the list."""
    (requests,) = sent("person-first", PEOPLE[:1])

    asked = chosen(requests)
    assert len(asked) > 2
    for one, other in pairwise(asked):
        assert one.messages[0] == other.messages[0]
        shared = beginning(one.messages[1].content, other.messages[1].content)
        assert shared.startswith("The person likes:\n<person>\n")
        assert "</person>\n\nBranches:\n<choices>\n1. " in shared


def test_calls_about_one_node_begin_with_its_list(sent):
    """The prompts are equal for everybody up to the person, whatever they have seen."""
    roots = [chosen(requests)[0] for requests in sent("choices-first", PEOPLE)]

    assert len({each.messages[1].content for each in roots}) > 3
    for one, other in pairwise(roots):
        shared = beginning(one.messages[1].content, other.messages[1].content)
        assert one.messages[0] == other.messages[0]
        assert shared.startswith("Branches:\n<choices>\n1. ")
        assert "\n</choices>\n\nThe person likes:\n<person>\n" in shared


def test_each_layout_shares_its_part(sent, counter):
    """Prompts of one person share more person-first, those of many people more choices-first."""

    def share(layout, people):
        requests = [each for one in sent(layout, people) for each in one]
        prompts = [[(m.role, m.content) for m in each.messages] for each in requests]
        return measure_shared_prefix(prompts, counter).share

    assert share("person-first", PEOPLE[:1]) > share("choices-first", PEOPLE[:1])
    assert share("choices-first", PEOPLE) > share("person-first", PEOPLE)
