"""Vectors for new items of a tree that was built from embeddings."""

import numpy as np
import pytest

from unillmrec import BuildOptions, TreeChanger, build
from unillmrec.building.given_vectors import EmbeddedVectors
from unillmrec.errors import TreeError
from unillmrec.items import Item
from unillmrec.store.invariants import find_breaches
from unillmrec.updating.change_vectors import EmbeddedChanges

TOPICS = ("whale", "orbit", "clue")


class Embedding:
    """Embeds texts by the topic that each contains, and records them."""

    def __init__(self):
        self.texts = []

    def __call__(self, texts):
        self.texts += texts
        rows = [[float(topic in text) for topic in TOPICS] + [len(text) / 900] for text in texts]
        return np.array(rows, np.float32)


def item(topic, number):
    return Item(f"{topic}-{number}", f"The {topic} number {number}")


@pytest.fixture
def embed(tmp_path):
    """A function that embeds texts, with which a tree was built."""
    embed = Embedding()
    items = [item(topic, number) for topic in TOPICS for number in range(30)]
    options = BuildOptions(workers=1, given=EmbeddedVectors("embedder", embed))
    build(items, tmp_path / "a.tree", options)
    embed.texts.clear()
    return embed


def test_new_items_are_embedded_once_and_placed_with_similar_ones(embed, tmp_path):
    """Only the items of a change are sent, each once, though a batch is checked twice."""
    with TreeChanger(tmp_path / "a.tree", given=EmbeddedChanges("embedder", embed)) as changer:
        changer.insert([item("whale", 90), item("orbit", 91)])
        placed = changer.tree.items_by_id(["whale-90", "orbit-91"])
        beside = {
            each.item.id.split("-")[0] for each in changer.tree.items_in([placed["whale-90"].leaf])
        }

        assert 2 == len(embed.texts)
        assert {"whale"} == beside
        assert [] == list(find_breaches(changer.tree))


def test_unchanged_texts_are_not_embedded_again(embed, tmp_path):
    """A new price needs no vector; a new title needs one."""
    dear = Item("clue-3", "The clue number 3", attributes={"price": 7})
    renamed = Item("clue-4", "The orbit number 4")
    with TreeChanger(tmp_path / "a.tree", given=EmbeddedChanges("embedder", embed)) as changer:
        assert 1 == changer.update([dear]).updated
        assert [] == embed.texts
        changer.upsert([dear, renamed])

        assert 1 == len(embed.texts)
        assert "orbit" in embed.texts[0]
        home = changer.tree.items_by_id(["clue-4"])["clue-4"].leaf
        assert any(e.item.id.startswith("orbit") for e in changer.tree.items_in([home]))


def test_an_endpoint_that_fails_changes_nothing(embed, tmp_path):
    """Texts are embedded before the file is locked."""

    def broken(texts):
        raise TreeError("the endpoint has no embeddings.")

    given = EmbeddedChanges("embedder", broken)
    with TreeChanger(tmp_path / "a.tree", given=given) as changer:
        with pytest.raises(TreeError, match="no embeddings"):
            changer.insert([item("whale", 90)])

        assert 90 == len(changer.tree)
        assert not changer.tree.items_by_id(["whale-90"])
