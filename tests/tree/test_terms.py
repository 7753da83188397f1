import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.items import Item
from unillmrec.tree import terms as terms_module
from unillmrec.tree.terms import (
    END,
    PIECE,
    FieldWeights,
    TermCounter,
    pieces,
    term_worth,
    terms_of,
    vector_of,
    weighted_words,
    words,
    words_of_all,
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
    assert expected == words(text)


@given(LETTERS)
def test_any_text_has_words_that_cannot_be_taken_for_pieces(text):
    """Whatever the text, its words are not empty, and none begins as a piece does."""
    found = words(text)

    assert all(found)
    assert not any(word.startswith(PIECE) for word in found)


@given(st.lists(st.one_of(LETTERS, st.sampled_from(["Don't", "x's", "", "\0", "a\1b", "É'S"]))))
def test_many_texts_are_cut_as_each_alone(texts):
    """The words of each stand in order, and something after them that is no word."""
    expected = [word for text in texts for word in [*words(text), END]]

    assert expected == words_of_all(texts)


def test_the_pieces_of_a_word():
    """Three and four characters at a time, the ends of the word marked."""
    made = ["# ca", "#cat", "#at ", "# cat", "#cat "]

    assert made == list(pieces(["cat"]))


@given(SENTENCES)
def test_every_word_has_a_piece(text):
    """A word of one letter has one too."""
    found = words(text)

    assert all(list(pieces([word])) for word in found)


def test_words_count_by_where_they_stand():
    """Titles, paths, tags and names count in full, text half, numbers and addresses not."""
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


def test_a_long_attribute_is_no_name():
    """A text in an attribute does not drown the others."""
    item = Item("a", "t", attributes={"blurb": "word " * 30})

    assert [(["t"], 1.0)] == list(weighted_words(item))


def test_a_field_without_weight_is_not_read():
    """Weights of zero leave fields out."""
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


@pytest.mark.parametrize("with_pieces", [False, True])
@given(items=ITEMS)
def test_a_row_is_the_vector_of_its_item(with_pieces, items):
    """What streams by in bulk and what is asked for alone are weighted the same."""
    vocabulary, rows = counted(items, with_pieces=with_pieces)
    worth = term_worth(vocabulary.used_by, len(items)).tolist()
    known = {term: (n, worth[n]) for n, term in enumerate(vocabulary.terms)}

    for number, item in enumerate(items):
        alone = vector_of(terms_of(weighted_words(item), with_pieces=with_pieces), known)
        spread = np.zeros(rows.shape[1])
        spread[alone.ids] = alone.weights
        assert spread == pytest.approx(rows[[number]].toarray()[0], abs=1e-5)


@given(ITEMS)
def test_used_by_counts_items(items):
    """A term's count is the number of items that use it, however often each does."""
    vocabulary, _ = counted(items, with_pieces=False)

    sets = [{word for found, _ in weighted_words(item) for word in found} for item in items]
    expected = {word: sum(word in each for each in sets) for word in set().union(*sets)}
    assert (expected or {"": 0}) == dict(vocabulary.used())


def test_pieces_come_where_titles_are_all_there_is():
    """Items with titles alone are spelled out; with any other text they are not."""
    titles = [Item("a", "red fox"), Item("b", "blue fox")]

    assert counted(titles)[0].with_pieces
    assert not counted([*titles, Item("c", "dog", "barks")])[0].with_pieces
    assert not counted([*titles, Item("c", "dog", attributes={"tag": "pet"})])[0].with_pieces
    assert counted([*titles, Item("c", "dog", attributes={"year": 1999})])[0].with_pieces


def test_a_large_catalog_is_not_spelled_out(monkeypatch):
    """Above a number of items, words have to do."""
    monkeypatch.setattr(terms_module, "PIECES_UP_TO", 1)

    assert not counted([Item("a", "red fox"), Item("b", "blue fox")])[0].with_pieces


def test_words_used_once_go_from_a_large_catalog(monkeypatch):
    """They join nothing to anything there, and in a small one somebody may ask for them."""
    items = [Item("a", "red fox", "x"), Item("b", "blue fox")]

    small = counted(items)[0].terms
    monkeypatch.setattr(terms_module, "KEEP_SINGLE_BELOW", 2)
    large = counted(items)[0].terms

    assert ["red", "fox", "x", "blue"] == small
    assert ["fox"] == large


def test_rare_words_are_worth_more():
    """A word that every item has is worth one, one of a single item the most."""
    all_of_them, some, one = term_worth(np.array([100, 10, 1]), 100).tolist()

    assert 1 == all_of_them < some < one


@pytest.mark.parametrize("title", ["", "…", "   "])
def test_items_without_words_have_empty_rows(title):
    """They weigh nothing, and nothing breaks."""
    vocabulary, rows = counted([Item("a", title), Item("b", title)])

    assert 0 == rows.sum()
    assert (2, len(vocabulary.terms)) == rows.shape
