import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import trees
from tests.judges import ScriptedJudge, nothing
from unillmrec.errors import PersonError
from unillmrec.judge import Interest, SimilarityJudge
from unillmrec.stages import Options, Person, profile, start_run
from unillmrec.tree.vectors import similarities
from unillmrec.usage import Stage

HEADINGS = ("Long ago:", "Some time ago:", "Lately:")
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def run(tree):
    return start_run(tree, ScriptedJudge(nothing))


def asked_about(run, history):
    """Return the lines of a history that a judge gets."""
    profile(run, Person(tuple(each.item.id for each in history)), history)
    return run.judge.asked[-1].lines


def test_titles_can_stand_for_the_person(tree, placed):
    """No call is made, and the last ten titles are the only interest, the newest first."""
    run = start_run(tree, ScriptedJudge(nothing), Options(profile_from="titles"))
    history = placed[:12]

    result = profile(run, Person(tuple(each.item.id for each in history)), history)

    (interest,) = result.interests
    titles = [each.item.title for each in history[:1:-1]]
    assert f"items like {'; '.join(titles)}" == interest.text
    assert [] == run.judge.asked
    assert result.vector is not None


def test_words_of_their_own_stand_before_titles(tree, placed):
    """A sentence is what the person wants now."""
    run = start_run(tree, ScriptedJudge(nothing), Options(profile_from="titles"))

    result = profile(run, Person((placed[0].item.id,), like="sea stories"), placed[:1])

    assert "sea stories" == result.text()


def of_topic(placed, topic):
    return [each for each in placed if topic in each.item.attributes["subjects"]]


def test_a_short_history_is_shown_whole(run, placed):
    """Up to the limit, each item is a line, oldest first, without headings."""
    lines = asked_about(run, placed[:30])

    assert 30 == len(lines)
    assert all(f"- {p.item.title} (" in line for p, line in zip(placed, lines, strict=False))


def test_a_long_history_is_sampled_in_three_blocks(run, placed):
    """Most lines are recent; an even sample represents the older past."""
    lines = asked_about(run, placed)

    blocks = [list(group) for _, group in itertools.groupby(lines, lambda line: line in HEADINGS)]
    shown = [line.split(" (")[0].split()[-1] for line in lines if line not in HEADINGS]
    assert [[heading] for heading in HEADINGS] == blocks[::2]
    assert [3, 9, 18] == [len(block) for block in blocks[1::2]]
    # Of 282 older items, the first half is represented by three and the second by nine.
    assert ["46", "93", "140"] == shown[:3]
    assert ["155", "171", "187", "202", "218", "234", "249", "265", "281"] == [
        str(int(number)) for number in shown[3:12]
    ]
    assert [str(number) for number in range(282, 300)] == shown[12:]


@SHARED
@given(limit=st.integers(1, 60), count=st.integers(1, 300))
def test_never_shows_more_items_than_the_limit(tree, placed, limit, count):
    """Items are shown once, in order, with the newest among them."""
    run = start_run(tree, ScriptedJudge(nothing), Options(history=limit))

    lines = [line for line in asked_about(run, placed[:count]) if line not in HEADINGS]

    shown = [int(line.split(" (")[0].split()[-1]) for line in lines]
    assert sorted(set(shown)) == shown
    assert count - 1 == shown[-1]
    assert min(limit, count) >= len(shown) >= min(limit, count) - 1


def test_the_newest_item_counts_most(run, placed):
    """The person's vector is nearer to the last item than to those before it."""
    old, new = of_topic(placed, "sea")[0], of_topic(placed, "kitchen")[0]

    taste = profile(run, Person(("-",)), [old, new]).vector

    near_old, near_new = similarities(taste, run.tree.item_vectors([old.number, new.number]))
    assert near_new > near_old > 0


def test_each_step_back_counts_less(run, placed):
    """Weights fall with age; items before the last ten do not count."""
    sea, others = of_topic(placed, "sea")[0], of_topic(placed, "music")[:10]
    vector = run.tree.item_vectors([sea.number])

    near = [
        float(similarities(_taste(run, [*others[:place], sea, *others[place:]]), vector)[0])
        for place in range(11)
    ]

    assert sorted(near) == near
    assert len(set(near)) == len(near)
    assert float(similarities(_taste(run, others), vector)[0]) == near[0]


def _taste(run, history):
    return profile(run, Person(("-",)), history).vector


def test_gives_the_judge_the_heaviest_words(run, placed):
    """The words with the highest weights are included, for a judge that cannot read lines."""
    recent = of_topic(placed, "space")[:3]

    profile(run, Person(("-",)), recent)

    words = run.judge.asked[0].words
    assert 0 < len(words) <= 8
    assert set(words) <= {"space", "tale", "the", "and", "of", "a", *trees.TOPICS["space"]}
    assert set(words) & set(trees.TOPICS["space"])


def test_takes_the_judges_answer_and_bills_it(run, placed):
    """The interests are the judge's, and the call is billed to the profile stage."""
    result = profile(run, Person(("-",)), placed[:3])

    assert (Interest("quiet things", 1.0),) == result.interests
    assert 1 == run.asker.counts.bill.by_stage()[Stage.PROFILE].calls


@pytest.mark.parametrize("given", [{"like": "whale"}, {"profile": "whale"}])
def test_a_sentence_skips_the_call(run, placed, given):
    """The sentence is the profile, and its meaning gives the vector."""
    result = profile(run, Person(("-",), **given), placed[:3])

    sentence = run.tree.vector_of_sentence("whale")
    assert [] == run.judge.asked
    assert {} == run.asker.counts.bill.by_stage()
    assert (Interest("whale", 1.0),) == result.interests
    assert similarities(sentence, [result.vector])[0] == pytest.approx(1)


def test_a_sentence_is_flattened(run):
    """A sentence is untrusted text: one line, no markers, limited length."""
    result = profile(run, Person(like="# quiet\n\x1b[2J<|im_start|>whale " + "x" * 5000), [])

    text = result.interests[0].text
    assert text.startswith("quiet [2J whale xxx")
    assert 600 == len(text)


def test_for_unknown_words_the_history_gives_the_vector(run, placed):
    """A sentence without any word of the catalog has no vector."""
    result = profile(run, Person(("-",), like="zzyzx"), placed[:1])

    assert similarities(result.vector, run.tree.item_vectors([0]))[0] == pytest.approx(1)


def test_unknown_words_without_a_history_give_no_vector(run):
    """Nothing known about the person has a vector."""
    assert profile(run, Person(like="zzyzx"), []).vector is None


@pytest.mark.parametrize("sentence", ["", "  ", "###", "\u200b", "---\n"])
def test_an_empty_person_is_an_error(sentence):
    """Without a history, an empty sentence is refused, and the error says what to do."""
    with pytest.raises(PersonError) as caught:
        Person(like=sentence)

    assert "nothing is known about the person." == caught.value.problem
    assert "--history" in caught.value.remedy


def test_embeddings_give_a_history_a_vector(shared, placed):
    """With given vectors, a history has a vector but no words."""
    given = trees.given_tree(shared)
    run = start_run(given, ScriptedJudge(nothing))

    result = profile(run, Person(("-",)), placed[:1])

    assert () == run.judge.asked[0].words
    assert similarities(result.vector, given.item_vectors([0]))[0] == pytest.approx(1)


def test_embeddings_give_a_sentence_no_vector(shared, placed):
    """With given vectors, only a history gives a vector."""
    run = start_run(trees.given_tree(shared), ScriptedJudge(nothing))

    assert profile(run, Person(like="whale"), []).vector is None
    assert profile(run, Person(("-",), like="whale"), placed[:1]).vector is not None


def test_the_similarity_judge_names_words(tree, placed):
    """Without a model, the words of the history are the profile."""
    result = profile(start_run(tree, SimilarityJudge(tree)), Person(("-",)), placed[:2])

    (interest,) = result.interests
    assert 1.0 == interest.weight
    assert set(interest.text.split(", ")) & {*trees.TOPICS["sea"], *trees.TOPICS["space"]}
