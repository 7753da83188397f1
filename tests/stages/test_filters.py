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
def test_no_stage_sees_what_does_not_fit(
    tree, placed, where, history, exclude, seed, limit, candidates, window, reorder
):
    """Whatever the predicate and the judge, only eligible items are shown and returned.

    A branch is offered for what may be recommended below it, and counts what fits, so that
    its line is the same for everybody.
    """
    condition = Predicate.parse(where).condition
    fitting = {each.number for each in placed if holds(condition, each.item)}
    out = {*history, *exclude}
    eligible = {n for n in fitting if placed[n].item.id not in out}
    judge = ScriptedJudge(moody(seed), window=window)
    options = Options(limit, leaves=2, shown=20, candidates=candidates, reorder=reorder)

    found = Recommender(tree, judge).recommend(
        history, like="whales", options=options, where=where, exclude=exclude
    )

    assert len(eligible) == found.eligible
    assert min(limit, len(eligible)) == len(found.items)
    allowed = {placed[number].item.id for number in eligible}
    assert {each.item.id for each in found.items} <= set(found.candidates) <= allowed
    assert (found.note == "") == bool(eligible)
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
    """Without a predicate, nothing of the columns is touched."""
    asked = []
    rows = ItemTree.rows
    monkeypatch.setattr(
        ItemTree,
        "rows",
        lambda self, query, values=(): asked.append(query) or rows(self, query, values),
    )

    found = Recommender(tree).recommend(["item-001"], exclude=exclude)

    assert (None, 299 - len(exclude)) == (found.where, found.eligible)
    assert not any("attribute_" in query for query in asked)


def test_asks_nothing_where_nothing_is_eligible(tree):
    """An empty list, a sentence that says why, and no call, not even for the profile."""
    judge = ScriptedJudge(by_key())

    found = Recommender(tree, judge).recommend(["item-000"], where="year < 1500")

    assert ((), (), [], {}) == (found.items, found.candidates, judge.asked, found.usage)
    assert "No item is left: none of 300 fits year < 1500." == found.note
    walk = found.as_dict()["walk"]
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
def test_says_why_nothing_is_left(tree, where, exclude, note):
    """The sentence tells a filter from an exclusion."""
    found = Recommender(tree).recommend(["item-000"], where=where, exclude=exclude)

    assert note == found.note


def test_asks_no_branch_where_all_that_fits_is_taken(tree):
    """Where a predicate leaves no more than are ranked anyway, the walk costs nothing."""
    judge = ScriptedJudge(by_key())

    found = Recommender(tree, judge).recommend(["item-000"], where="1800 <= year < 1810")

    assert 19 == found.eligible == len(found.candidates)
    kinds = ["history" if isinstance(q, HistoryQuestion) else q.kind for q in judge.asked]
    assert ["history", "rank"] == kinds
    assert not any(step.asked for step in found.opened)


def test_what_was_selected_serves_many_people(tree):
    """A predicate is looked up once for a batch."""
    recommender = Recommender(tree)
    selection = recommender.select("year >= 1900")

    first = recommender.recommend(["item-000"], where=selection)
    second = recommender.recommend(["item-120"], where="year >= 1900")
    third = recommender.recommend(["item-120"], where=selection)

    assert (100, 99, 99) == (first.eligible, second.eligible, third.eligible)
    assert [each.item.id for each in second.items] == [each.item.id for each in third.items]
    assert "year >= 1900" == third.where


def test_tells_which_ids_to_exclude_are_unknown(tree):
    """An id that is not in the tree cannot come back; it is told, not refused."""
    found = Recommender(tree).recommend(
        like="whales", exclude=["item-003", "nobody", "item-003", "nothing"]
    )

    assert ("nobody", "nothing") == found.unknown
    assert (1, 299) == (found.excluded, found.eligible)
    assert 2 == found.as_dict()["walk"]["unknown"]


def test_a_bad_predicate_is_refused_before_anything_is_asked(tree):
    """The error comes before the first call."""
    judge = ScriptedJudge(by_key())

    with pytest.raises(PredicateError, match="no attribute 'yeer'"):
        Recommender(tree, judge).recommend(["item-000"], where="yeer < 1900")

    assert [] == judge.asked


def test_the_root_counts_what_is_eligible(run_with, tree, placed):
    """What a run says of the root is what the result says."""
    run = run_with(None, placed[:3])

    assert 297 == run.eligible(tree.node(ROOT))
    assert not run.takes_all


def test_keeps_titles_where_there_is_no_predicate(run_with, tree):
    """A branch is described as ever unless a predicate says otherwise."""
    run = run_with(None)
    branch = tree.children(ROOT)[0]

    assert branch.description is run.description(branch)
