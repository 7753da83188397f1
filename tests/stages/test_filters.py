import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import trees
from tests.judges import ScriptedJudge, by_key, moody
from tests.predicates import holds
from unillmrec.errors import PredicateError
from unillmrec.filters.predicates import Predicate
from unillmrec.judge import HistoryQuestion
from unillmrec.recommending.recommender import Recommender
from unillmrec.stages import Options
from unillmrec.store import ROOT, ItemTree

# The tree is only read.
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

YEARS = st.integers(1790, 1960)
SUBJECTS = st.sampled_from(["sea", "space", "crime", "whale", "rose", "opera"])
CLAUSES = st.one_of(
    st.builds("year < {}".format, YEARS),
    st.builds("{} <= year < {}".format, YEARS, YEARS),
    st.builds("'{}' in subjects".format, SUBJECTS),
    st.builds("subjects not in ('{}', '{}')".format, SUBJECTS, SUBJECTS),
    st.builds("id == 'item-{:03}'".format, st.integers(0, 299)),
    st.just("has(readers)"),
)
PREDICATES = st.recursive(
    CLAUSES,
    lambda parts: st.one_of(
        st.builds("not ({})".format, parts),
        st.builds("({}) and ({})".format, parts, parts),
        st.builds("({}) or ({})".format, parts, parts),
    ),
    max_leaves=4,
)
IDS = st.lists(st.integers(0, 299).map("item-{:03}".format), max_size=30)


def leaves_below(tree, node_id):
    children = tree.children(node_id)
    return [leaf for child in children for leaf in leaves_below(tree, child.id)] or [node_id]


def shown_titles(line):
    """Return the titles in the line of a branch."""
    _, _, titles = line.partition(": ")
    return set(titles.split(" / ")) if titles else set()


@SHARED
@given(
    where=PREDICATES,
    history=IDS,
    exclude=IDS,
    seed=st.integers(0, 999),
    limit=st.integers(1, 12),
    candidates=st.integers(1, 40),
    window=st.sampled_from([3, 1000]),
    reorder=st.sampled_from(["tree", "model", "none"]),
)
def test_no_stage_sees_items_that_do_not_match(
    tree, placed, where, history, exclude, seed, limit, candidates, window, reorder
):
    """Whatever the predicate and the judge, only eligible items are shown and returned.

    A branch is offered if it holds an eligible item. Its line counts all matching items, so that
    it is the same for everybody.
    """
    condition = Predicate.parse(where).condition
    fitting = {each.number for each in placed if holds(condition, each.item)}
    out = {*history, *exclude}
    eligible = {n for n in fitting if placed[n].item.id not in out}
    judge = ScriptedJudge(moody(seed), window=window)
    options = Options(limit, leaves=2, shown=20, candidates=candidates, reorder=reorder)

    result = Recommender(tree, judge).recommend(
        history, like="whales", options=options, where=where, exclude=exclude
    )

    assert len(eligible) == result.eligible
    assert min(limit, len(eligible)) == len(result.items)
    allowed = {placed[number].item.id for number in eligible}
    assert {each.item.id for each in result.items} <= set(result.candidates) <= allowed
    assert (result.note == "") == bool(eligible)
    titles = {placed[number].item.title for number in fitting}
    for question in judge.asked:
        for choice in question.choices:
            if question.about_nodes:
                below = {each.number for each in tree.items_in(leaves_below(tree, choice.key))}
                assert f"({len(below & fitting):,})" in choice.line
                assert below & eligible
                assert shown_titles(choice.line) <= titles
            else:
                assert choice.key in eligible


@pytest.mark.parametrize("exclude", [[], ["item-000"]])
def test_a_history_alone_reads_no_columns(tree, exclude, monkeypatch):
    """Without a predicate, the attribute columns are not read."""
    asked = []
    rows = ItemTree.rows
    monkeypatch.setattr(
        ItemTree,
        "rows",
        lambda self, query, values=(): asked.append(query) or rows(self, query, values),
    )

    result = Recommender(tree).recommend(["item-001"], exclude=exclude)

    assert (None, 299 - len(exclude)) == (result.where, result.eligible)
    assert not any("attribute_" in query for query in asked)


def test_asks_nothing_where_nothing_is_eligible(tree):
    """The list is empty with an explanation, and there is no call, not even for the profile."""
    judge = ScriptedJudge(by_key())

    result = Recommender(tree, judge).recommend(["item-000"], where="year < 1500")

    assert ((), (), [], {}) == (result.items, result.candidates, judge.asked, result.usage)
    assert "No item is left: none of 300 fits year < 1500." == result.note
    walk = result.as_dict()["walk"]
    assert (0, "year < 1500", 1) == (walk["eligible"], walk["where"], walk["excluded"])


@pytest.mark.parametrize(
    ("where", "exclude", "note"),
    [
        (
            "id in ('item-000', 'item-007')",
            ["item-007"],
            "No item is left: all 2 that fit id in ('item-000', 'item-007')"
            " are in the history or excluded.",
        ),
        (
            None,
            [each.id for each in trees.items()],
            "No item is left: all 300 are in the history or excluded.",
        ),
    ],
)
def test_explains_why_nothing_is_left(tree, where, exclude, note):
    """The note distinguishes a filter from exclusions."""
    result = Recommender(tree).recommend(["item-000"], where=where, exclude=exclude)

    assert note == result.note


def test_asks_about_no_branch_if_all_matches_are_wanted(tree):
    """If a predicate leaves no more items than are ranked, the walk costs nothing."""
    judge = ScriptedJudge(by_key())

    result = Recommender(tree, judge).recommend(["item-000"], where="1800 <= year < 1810")

    assert 19 == result.eligible == len(result.candidates)
    kinds = ["history" if isinstance(q, HistoryQuestion) else q.kind for q in judge.asked]
    assert ["history", "rank"] == kinds
    assert not any(step.asked for step in result.opened)


def test_a_selection_serves_many_people(tree):
    """A predicate is evaluated once for a batch."""
    recommender = Recommender(tree)
    selection = recommender.select("year >= 1900")

    first = recommender.recommend(["item-000"], where=selection)
    second = recommender.recommend(["item-120"], where="year >= 1900")
    third = recommender.recommend(["item-120"], where=selection)

    assert (100, 99, 99) == (first.eligible, second.eligible, third.eligible)
    assert [each.item.id for each in second.items] == [each.item.id for each in third.items]
    assert "year >= 1900" == third.where


def test_reports_unknown_ids_to_exclude(tree):
    """An id that is not in the tree is reported, and is not an error."""
    result = Recommender(tree).recommend(
        like="whales", exclude=["item-003", "nobody", "item-003", "nothing"]
    )

    assert ("nobody", "nothing") == result.unknown
    assert (1, 299) == (result.excluded, result.eligible)
    assert 2 == result.as_dict()["walk"]["unknown"]


def test_a_bad_predicate_is_refused_before_anything_is_asked(tree):
    """The error comes before the first call."""
    judge = ScriptedJudge(by_key())

    with pytest.raises(PredicateError, match="no attribute 'yeer'"):
        Recommender(tree, judge).recommend(["item-000"], where="yeer < 1900")

    assert [] == judge.asked


def test_the_result_counts_eligible_items(run_with, tree, placed):
    """The number is that of the run's root."""
    run = run_with(None, placed[:3])

    assert 297 == run.eligible(tree.node(ROOT))
    assert not run.takes_all


def test_descriptions_keep_all_titles_without_a_predicate(run_with, tree):
    """Only a predicate removes titles."""
    run = run_with(None)
    branch = tree.children(ROOT)[0]

    assert branch.description is run.description(branch)
