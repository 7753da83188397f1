"""Pseudonymised catalogs."""

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


def test_all_words_of_titles_are_replaced():
    """Function words stay, and so does everything else."""
    real = trees.items()
    pseudonymised = list(pseudonymise(real))
    left = title_words(real) & title_words(pseudonymised)

    assert {"the", "and"} == left
    assert [item.id for item in real] == [item.id for item in pseudonymised]
    years = [[item.attributes["year"] for item in items] for items in (real, pseudonymised)]
    assert years[0] == years[1]


def test_a_word_always_has_the_same_pseudonym():
    """Another seed gives other pseudonyms."""
    pseudonyms = Pseudonyms(1)

    assert pseudonyms.replace_word("Whale") == pseudonyms.replace_word("whale").capitalize()
    assert pseudonyms.replace_word("WHALE") == pseudonyms.replace_word("whale").upper()
    assert pseudonyms.replace_word("whale") == Pseudonyms(1).replace_word("whale")
    assert pseudonyms.replace_word("whale") != Pseudonyms(2).replace_word("whale")


def test_different_words_stay_different():
    """However many there are."""
    pseudonyms = Pseudonyms()
    words = [
        f"word{'abcdefghij'[n % 10]}{'abcdefghij'[n // 10 % 10]}{n // 100 * 'z'}"
        for n in range(1000)
    ]

    assert len(words) == len({pseudonyms.replace_word(word) for word in words})


def test_names_are_replaced_and_kinds_stay():
    """A brand names its items; a genre that many items share is a kind."""
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
    """Return enough items to share a tag; the brand begins no title."""
    return [Item(f"i{n}", f"Thing {n} by Dove", "", (), attributes) for n in range(40)]


def first_of(items):
    """Return the first item under pseudonyms."""
    return next(iter(pseudonymise(items)))


@pytest.mark.parametrize("key", ["brand", "author", "store", "director", "publisher", "maker"])
def test_names_are_replaced_however_many_items_have_them(key):
    """The attribute decides whether a value is a name or a kind."""
    pseudonymised = first_of(goods(**{key: "Dove", "genre": "Soap"}))

    assert "Dove" != pseudonymised.attributes[key]
    assert "Soap" == pseudonymised.attributes["genre"]


@pytest.mark.parametrize("key", ["genres", "main_category", "productType", "Subjects", "language"])
def test_kind_attributes_are_recognised_by_their_last_word(key):
    """In all spellings of catalogs."""
    assert ("Soap",) == first_of(goods(**{key: ("Soap",)})).attributes[key]


def test_a_tag_stays_as_a_kind_and_is_replaced_as_a_name():
    """ "Soap" can be a category and a brand."""
    pseudonymised = first_of(goods(category="Soap", brand="Soap"))

    assert "Soap" == pseudonymised.attributes["category"]
    assert "Soap" != pseudonymised.attributes["brand"]


def test_a_brand_among_the_categories_is_replaced():
    """A title begins with it, with any apostrophe; it is replaced elsewhere as well."""
    items = goods(categories=("Skin", "Burt's Bees"))
    items[7] = replace(items[7], title="BURTS BEES hand cream", path=("Skin", "Burt's Bees"))
    pseudonymised = list(pseudonymise(items))

    assert all("Skin" == item.attributes["categories"][0] for item in pseudonymised)
    assert all("Burt's Bees" != item.attributes["categories"][1] for item in pseudonymised)
    assert "Skin" == pseudonymised[7].path[0]
    assert pseudonymised[7].attributes["categories"][1] == pseudonymised[7].path[1] != "Burt's Bees"


def test_a_kind_at_the_start_of_a_title_of_another_kind_stays():
    """ "History of soap" among the soaps does not make history a brand."""
    items = [*goods(genre="Soap"), *(replace(i, id=f"h{i.id}") for i in goods(genre="History"))]
    items[0] = replace(items[0], title="History of soap")

    assert {"Soap", "History"} == {item.attributes["genre"] for item in pseudonymise(items)}


def test_names_are_found_in_scripts_without_capital_letters():
    """The longest match wins, since one name may begin with another."""
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


def test_pseudonyms_hardly_change_a_system_without_memory(held_out, tmp_path):
    """Words are as similar under pseudonyms."""
    from unillmrec.evaluation.data.cases import EvaluationData, ItemIndex, Split
    from unillmrec.evaluation.runner import evaluate
    from unillmrec.evaluation.systems.content import TfIdf

    pseudonymised = ItemIndex(tuple(pseudonymise(held_out.data.index.items)))
    renamed = Split(
        EvaluationData(pseudonymised, held_out.data.training, held_out.data.cases), held_out.truth
    )
    real, false = (
        evaluate(each, [TfIdf("title")], at=20).results[0].estimates["recall@20"].value
        for each in (held_out, renamed)
    )

    assert real == false


def test_a_pseudonymised_tree_is_built_like_the_original(tmp_path):
    """It has the same bounds, popularity and kind."""
    options = BuildOptions(seed=4, bounds=trees.NARROW, popularity="readers", tree="paths+clusters")
    pathed = [replace(item, path=(item.attributes["subjects"][0],)) for item in trees.items()]
    with trees.tree(tmp_path, "real", pathed, options) as real:
        build_pseudonymised_tree(real, pathed, tmp_path / "pseudonymised.tree", 1)
        with ItemTree.open(tmp_path / "pseudonymised.tree") as pseudonymised:
            for fact in ("seed", "bounds", "popularity", "tree", "items", "space"):
                assert real.facts[fact] == pseudonymised.facts[fact], fact
            assert (
                not title_words(pathed)
                & title_words(ItemIndex.of_tree(pseudonymised).items) - JOINING
            )


def test_given_vectors_are_reused(tmp_path):
    """The same items are neighbours; only their text differs."""
    with trees.given_tree(tmp_path) as real:
        items = ItemIndex.of_tree(real).items
        build_pseudonymised_tree(real, items, tmp_path / "pseudonymised.tree", 1)
        with ItemTree.open(tmp_path / "pseudonymised.tree") as pseudonymised:
            near = (pseudonymised.item_matrix([0, 9]) * real.item_matrix([0, 9])).sum(axis=1)

            assert [1, 1] == pytest.approx(near, abs=2e-3)
            assert real.facts["space"] == pseudonymised.facts["space"]


def test_missing_summaries_of_a_pseudonymised_tree_are_reported(tmp_path):
    """A tree with summaries is walked by other lines than its copy."""
    with trees.tree(tmp_path) as tree:
        assert "" == pseudonym_remark(tree)
    writer = PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model(None))
    model = ScriptedEndpoint(lambda r: sensible_answer(r.messages[-1].content, "descriptions"))
    with EditableTree.open(tree.path) as changed:
        describe(changed, LanguageModelDescriber(model, writer))
    with ItemTree.open(tree.path) as described:
        remark = pseudonym_remark(described)
        context = replace(SystemContext.without_model(described, Settings()), remark=remark)

        assert re.search(r"[1-9]\d* of words\.tree by summaries of a model", remark)
        assert remark in context.build(REFERENCE).note
        build_pseudonymised_tree(described, trees.items(), tmp_path / "pseudonymised.tree", 1)
    with ItemTree.open(tmp_path / "pseudonymised.tree") as pseudonymised:
        assert "" == pseudonym_remark(pseudonymised)
