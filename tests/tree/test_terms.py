import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.items import Item
from unillmrec.tree import terms as terms_module
from unillmrec.tree.terms import (
    END,
    NGRAM_MARK,
    FieldWeights,
    TermCounter,
    character_ngrams,
    count_terms,
    split_texts,
    split_words,
    term_idf,
    term_vector,
    weighted_words,
)

LETTERS = st.text(st.characters(codec="utf-8"), max_size=40)
SENTENCES = st.lists(
    st.sampled_from(
        ["red", "fox", "Fox", "über", "日本", "日", "हिन्दी", "a_b", "x1", "1999", "o'neil"]
    ),
    max_size=12,
).map(" ".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Red FOX", ["the", "red", "fox"]),
        ("Don't stop_here—now!", ["don", "t", "stop", "here", "now"]),
        ("Émile Zola", ["émile", "zola"]),
        ("E\u0301mile", ["émile"]),  # a letter and its accent apart
        ("ﬁve ½ Ⅳ", ["five", "1", "2", "iv"]),
        ("\uff26\uff35\uff2c\uff2c \uff57ide", ["full", "wide"]),
        ("ΟΔΥΣΣΕΥΣ Straße", ["οδυσσευς", "straße"]),
        ("Война и мир", ["война", "и", "мир"]),
        ("東京物語", ["東", "京", "物", "語"]),
        ("スター・ウォーズ", list("スターウォーズ")),
        ("ドラえもん", ["ド", "ラ", "え", "も", "ん"]),
        ("기생충", ["기", "생", "충"]),
        ("iPhone15プロ max", ["iphone15", "プ", "ロ", "max"]),
        ("PCゲーム", ["pc", "ゲ", "ー", "ム"]),
        ("abc한국", ["abc", "한", "국"]),
        ("हिन्दी की दुनिया।", ["हिन्दी", "की", "दुनिया"]),
        ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        ("שָׁלוֹם", ["שָׁלוֹם"]),
        ("x2 3d 1984", ["x2", "3d", "1984"]),
        ("… — !? 🎬", []),
        ("", []),
    ],
)
def test_the_words_of_a_text(text, expected):
    """Words are runs of letters and digits; scripts without spaces give a word a character."""
    assert expected == split_words(text)


@given(LETTERS)
def test_no_word_of_any_text_looks_like_an_ngram(text):
    """Words are never empty, and none starts with the mark of n-grams."""
    words = split_words(text)

    assert all(words)
    assert not any(word.startswith(NGRAM_MARK) for word in words)


@given(st.lists(st.one_of(LETTERS, st.sampled_from(["Don't", "x's", "", "\0", "a\1b", "É'S"]))))
def test_texts_split_together_have_the_same_words_as_each_alone(texts):
    """The words of each text are in order, followed by a marker that is no word."""
    expected = [word for text in texts for word in [*split_words(text), END]]

    assert expected == split_texts(texts)


def test_the_character_ngrams_of_a_word():
    """Three and four characters at a time, with a space at both ends of the word."""
    expected = ["# ca", "#cat", "#at ", "# cat", "#cat "]

    assert expected == list(character_ngrams(["cat"]))


@given(SENTENCES)
def test_every_word_has_an_ngram(text):
    """Even a word of one letter has one."""
    words = split_words(text)

    assert all(list(character_ngrams([word])) for word in words)


def test_words_are_weighted_by_field():
    """Titles, paths, tags and names have full weight, text half; numbers and URLs have none."""
    item = Item(
        "a",
        "A Title",
        "some text",
        ("Films", "Drama"),
        {
            "tags": ("slow", "blue"),
            "maker": "Ann",
            "year": 1999,
            "link": "https://x.org",
            "on": True,
        },
    )

    expected = [
        (["a", "title"], 1.0),
        (["films", "drama"], 1.0),
        (["slow", "blue", "ann"], 1.0),
        (["some", "text"], 0.5),
    ]
    assert expected == list(weighted_words(item))


def test_long_attributes_are_left_out():
    """A text in an attribute does not outweigh the other fields."""
    item = Item("a", "t", attributes={"blurb": "word " * 30})

    assert [(["t"], 1.0)] == list(weighted_words(item))


def test_a_field_without_weight_is_not_read():
    """A weight of zero leaves the field out."""
    item = Item("a", "t", "text", ("path",), {"tag": "x"})

    assert [(["t"], 1.0)] == list(weighted_words(item, FieldWeights(1, 0, 0, 0)))


def counted(items, **options):
    counter = TermCounter(**options)
    for item in items:
        counter.add(item)
    return counter.finish()


ITEMS = st.lists(
    st.builds(
        lambda title, text, tags: Item("", title, text, attributes={"tags": tuple(tags)}),
        SENTENCES,
        SENTENCES,
        st.lists(SENTENCES, max_size=2),
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize("with_ngrams", [False, True])
@given(items=ITEMS)
def test_a_row_is_the_vector_of_its_item(with_ngrams, items):
    """Items weighed in bulk and items weighed alone get the same weights."""
    vocabulary, rows = counted(items, with_ngrams=with_ngrams)
    idf = term_idf(vocabulary.used_by, len(items)).tolist()
    known = {term: (n, idf[n]) for n, term in enumerate(vocabulary.terms)}

    for number, item in enumerate(items):
        alone = term_vector(count_terms(weighted_words(item), with_ngrams=with_ngrams), known)
        spread = np.zeros(rows.shape[1])
        spread[alone.ids] = alone.weights
        assert spread == pytest.approx(rows[[number]].toarray()[0], abs=1e-5)


@given(ITEMS)
def test_used_by_counts_items(items):
    """A term's count is the number of items that use it, however often each does."""
    vocabulary, _ = counted(items, with_ngrams=False)

    sets = [{word for found, _ in weighted_words(item) for word in found} for item in items]
    expected = {word: sum(word in each for each in sets) for word in set().union(*sets)}
    assert (expected or {"": 0}) == dict(vocabulary.counts())


def test_catalogs_of_titles_alone_get_ngrams():
    """As soon as an item has any other text, there are no n-grams."""
    titles = [Item("a", "red fox"), Item("b", "blue fox")]

    assert counted(titles)[0].with_ngrams
    assert not counted([*titles, Item("c", "dog", "barks")])[0].with_ngrams
    assert not counted([*titles, Item("c", "dog", attributes={"tag": "pet"})])[0].with_ngrams
    assert counted([*titles, Item("c", "dog", attributes={"year": 1999})])[0].with_ngrams


def test_large_catalogs_get_no_ngrams(monkeypatch):
    """Above a number of items, words are enough."""
    monkeypatch.setattr(terms_module, "NGRAMS_UP_TO", 1)

    assert not counted([Item("a", "red fox"), Item("b", "blue fox")])[0].with_ngrams


def test_words_used_once_are_dropped_from_large_catalogs(monkeypatch):
    """There they connect no items; in a small catalog somebody may ask for them."""
    items = [Item("a", "red fox", "x"), Item("b", "blue fox")]

    small = counted(items)[0].terms
    monkeypatch.setattr(terms_module, "KEEP_SINGLE_BELOW", 2)
    large = counted(items)[0].terms

    assert ["red", "fox", "x", "blue"] == small
    assert ["fox"] == large


def test_rare_words_have_a_higher_idf():
    """A word of every item has an idf of one, a word of a single item the highest."""
    all_of_them, some, one = term_idf(np.array([100, 10, 1]), 100).tolist()

    assert 1 == all_of_them < some < one


@pytest.mark.parametrize("title", ["", "…", "   "])
def test_items_without_words_have_empty_rows(title):
    """They have no weight, and nothing fails."""
    vocabulary, rows = counted([Item("a", title), Item("b", title)])

    assert 0 == rows.sum()
    assert (2, len(vocabulary.terms)) == rows.shape
