"""Catalogs under false names."""

import re
from dataclasses import replace

import pytest

from tests import trees
from unillmrec import BuildOptions, ItemTree
from unillmrec.describing.run import describe
from unillmrec.evaluation.data.cases import ItemIndex
from unillmrec.evaluation.data.pseudonyms import (
    Pseudonyms,
    build_pseudonymised_tree,
    pseudonym_remark,
    pseudonymise,
)
from unillmrec.evaluation.systems.registry import REFERENCE, SystemContext
from unillmrec.items import Item
from unillmrec.judge.describer import LanguageModelDescriber
from unillmrec.judge.prompting.prompt_writer import CONTRACTS, PromptWriter
from unillmrec.prompts import PromptSet
from unillmrec.settings import Settings
from unillmrec.store import EditableTree
from unillmrec.testing import ScriptedEndpoint, sensible_answer
from unillmrec.tokens import TokenCounter

JOINING = {"the", "and"}


def title_words(items):
    return {word for item in items for word in re.findall("[a-z]+", item.title.lower())}


def test_no_word_of_a_title_is_left():
    """Only those that join words; and nothing else of the item goes."""
    real = trees.items()
    made = list(pseudonymise(real))
    left = title_words(real) & title_words(made)

    assert {"the", "and"} == left
    assert [item.id for item in real] == [item.id for item in made]
    assert [item.attributes["year"] for item in real] == [i.attributes["year"] for i in made]


def test_the_same_word_is_always_the_same_made_up_one():
    """So that what belongs together still does, and another seed gives other words."""
    made = Pseudonyms(1)

    assert made.replace_word("Whale") == made.replace_word("whale").capitalize()
    assert made.replace_word("WHALE") == made.replace_word("whale").upper()
    assert made.replace_word("whale") == Pseudonyms(1).replace_word("whale")
    assert made.replace_word("whale") != Pseudonyms(2).replace_word("whale")


def test_different_words_stay_different():
    """However many there are."""
    made = Pseudonyms()
    words = [
        f"word{'abcdefghij'[n % 10]}{'abcdefghij'[n // 10 % 10]}{n // 100 * 'z'}"
        for n in range(1000)
    ]

    assert len(words) == len({made.replace_word(word) for word in words})


def test_names_go_and_kinds_stay():
    """A brand names its maker's items; a genre that many share says of which kind they are."""
    items = [
        Item(
            f"i{n}",
            f"Moby the Whale {n}",
            "A tale of Moby and of whales, by Melville.",
            ("Books", "Sea"),
            {"author": "Herman Melville" if n < 2 else f"Somebody {n}", "genre": ("novel",)},
        )
        for n in range(20)
    ]
    first = next(iter(pseudonymise(items)))

    assert ("Books", "Sea") == first.path
    assert ("novel",) == first.attributes["genre"]
    assert "Melville" not in str(first)
    assert "Moby" not in str(first)
    assert first.text.startswith("A tale of ")
    assert "of whales" in first.text
    assert " the " in first.title
    assert first.title.endswith(" 0")


def goods(**attributes):
    """Items enough to share a tag, of a maker whose name begins no title."""
    return [Item(f"i{n}", f"Thing {n} by Dove", "", (), attributes) for n in range(40)]


def first_of(items):
    """Return the first item under false names."""
    return next(iter(pseudonymise(items)))


@pytest.mark.parametrize("key", ["brand", "author", "store", "director", "publisher", "maker"])
def test_a_name_goes_however_many_items_have_it(key):
    """A maker may have as many items as a genre: the attribute says which of the two it is."""
    made = first_of(goods(**{key: "Dove", "genre": "Soap"}))

    assert "Dove" != made.attributes[key]
    assert "Soap" == made.attributes["genre"]


@pytest.mark.parametrize("key", ["genres", "main_category", "productType", "Subjects", "language"])
def test_attributes_of_kinds_are_told_by_the_last_word_of_their_names(key):
    """As catalogs write them."""
    assert ("Soap",) == first_of(goods(**{key: ("Soap",)})).attributes[key]


def test_the_same_tag_stays_as_a_kind_and_goes_as_a_name():
    """ "Soap" may be what a thing is, and who made another."""
    made = first_of(goods(category="Soap", brand="Soap"))

    assert "Soap" == made.attributes["category"]
    assert "Soap" != made.attributes["brand"]


def test_a_brand_among_the_categories_goes():
    """A title of its own items begins with it, whatever its apostrophe; elsewhere it goes too."""
    items = goods(categories=("Skin", "Burt's Bees"))
    items[7] = replace(items[7], title="BURTS BEES hand cream", path=("Skin", "Burt's Bees"))
    made = list(pseudonymise(items))

    assert all("Skin" == item.attributes["categories"][0] for item in made)
    assert all("Burt's Bees" != item.attributes["categories"][1] for item in made)
    assert "Skin" == made[7].path[0]
    assert made[7].attributes["categories"][1] == made[7].path[1] != "Burt's Bees"


def test_a_kind_that_begins_the_title_of_an_item_of_another_kind_stays():
    """A book called "History of soap" among the soaps makes no brand of history."""
    items = [*goods(genre="Soap"), *(replace(i, id=f"h{i.id}") for i in goods(genre="History"))]
    items[0] = replace(items[0], title="History of soap")

    assert {"Soap", "History"} == {item.attributes["genre"] for item in pseudonymise(items)}


def test_titles_are_found_in_texts_that_write_nothing_large():
    """And names; the longest that fits, as one may begin with another."""
    items = [
        Item(
            "a",
            "千と千尋の神隠し (2001)",
            "千と千尋の神隠しは宮崎駿の映画。",
            (),
            {"author": "宮崎駿"},
        ),
        Item("b", "千と", "千と千尋の神隠しのあとで千とを見た。"),
    ]
    first, second = pseudonymise(items)
    long, short = first.title.partition(" (")[0], second.title

    assert f"{long}は{first.attributes['author']}の映画。" == first.text
    assert f"{long}のあとで{short}を見た。" == second.text


def test_the_embedded_judge_remembers_nothing(held_out, tmp_path):
    """Words it compares are as alike under false names: its figures hardly change."""
    from unillmrec.evaluation.data.cases import EvaluationData, ItemIndex, Split
    from unillmrec.evaluation.runner import evaluate
    from unillmrec.evaluation.systems.content import TfIdf

    made = ItemIndex(tuple(pseudonymise(held_out.data.index.items)))
    renamed = Split(
        EvaluationData(made, held_out.data.training, held_out.data.cases), held_out.truth
    )
    real, false = (
        evaluate(each, [TfIdf("title")], at=20).results[0].estimates["recall@20"].value
        for each in (held_out, renamed)
    )

    assert real == false


def test_a_tree_under_false_names_is_built_like_the_real_one(tmp_path):
    """With its bounds, its popularity and its kind of tree."""
    options = BuildOptions(seed=4, bounds=trees.NARROW, popularity="readers", tree="paths+clusters")
    pathed = [replace(item, path=(item.attributes["subjects"][0],)) for item in trees.items()]
    with trees.tree(tmp_path, "real", pathed, options) as real:
        build_pseudonymised_tree(real, pathed, tmp_path / "false.tree", 1)
        with ItemTree.open(tmp_path / "false.tree") as made:
            for fact in ("seed", "bounds", "popularity", "tree", "items", "space"):
                assert real.facts[fact] == made.facts[fact], fact
            assert not title_words(pathed) & title_words(ItemIndex.of_tree(made).items) - JOINING


def test_given_vectors_are_given_again(tmp_path):
    """The same items sit together; only what is read of them is another."""
    with trees.given_tree(tmp_path) as real:
        items = ItemIndex.of_tree(real).items
        build_pseudonymised_tree(real, items, tmp_path / "false.tree", 1)
        with ItemTree.open(tmp_path / "false.tree") as made:
            near = (made.item_matrix([0, 9]) * real.item_matrix([0, 9])).sum(axis=1)

            assert [1, 1] == pytest.approx(near, abs=2e-3)
            assert real.facts["space"] == made.facts["space"]


def test_summaries_that_are_missing_under_false_names_are_told(tmp_path):
    """A tree that a model has described is walked by other lines than its copy is."""
    with trees.tree(tmp_path) as tree:
        assert "" == pseudonym_remark(tree)
    writer = PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model(None))
    model = ScriptedEndpoint(lambda r: sensible_answer(r.messages[-1].content, "descriptions"))
    with EditableTree.open(tree.path) as changed:
        describe(changed, LanguageModelDescriber(model, writer))
    with ItemTree.open(tree.path) as described:
        told = pseudonym_remark(described)
        means = replace(SystemContext.without_model(described, Settings()), remark=told)

        assert re.search(r"[1-9]\d* of words\.tree by summaries of a model", told)
        assert told in means.build(REFERENCE).note
        build_pseudonymised_tree(described, trees.items(), tmp_path / "false.tree", 1)
    with ItemTree.open(tmp_path / "false.tree") as made:
        assert "" == pseudonym_remark(made)
