"""Vectors for items that come to a tree that an endpoint's embeddings were built from."""

import numpy as np
import pytest

from unillmrec import BuildOptions, TreeChanger, build
from unillmrec.building.given_vectors import EmbeddedVectors
from unillmrec.errors import TreeError
from unillmrec.items import Item
from unillmrec.store.invariants import breaches
from unillmrec.updating.change_vectors import EmbeddedChanges

TOPICS = ("whale", "orbit", "clue")


class Embedding:
    """An endpoint's embeddings: a vector for each text, by the topic that is in it."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts):
        self.asked += texts
        rows = [[float(topic in text) for topic in TOPICS] + [len(text) / 900] for text in texts]
        return np.array(rows, np.float32)


def item(topic, number):
    return Item(f"{topic}-{number}", f"The {topic} number {number}")


@pytest.fixture
def embed(tmp_path):
    """A tree over embeddings, and who makes more of them."""
    embed = Embedding()
    items = [item(topic, number) for topic in TOPICS for number in range(30)]
    options = BuildOptions(workers=1, given=EmbeddedVectors("embedder", embed))
    build(items, tmp_path / "a.tree", options)
    embed.asked.clear()
    return embed


def test_what_is_new_is_embedded_once_and_put_beside_its_like(embed, tmp_path):
    """Only the items of a change are sent, each once, though a batch is checked twice."""
    with TreeChanger(tmp_path / "a.tree", given=EmbeddedChanges("embedder", embed)) as changer:
        changer.insert([item("whale", 90), item("orbit", 91)])
        placed = changer.tree.items_by_id(["whale-90", "orbit-91"])
        beside = {
            each.item.id.split("-")[0] for each in changer.tree.items_in([placed["whale-90"].leaf])
        }

        assert 2 == len(embed.asked)
        assert {"whale"} == beside
        assert [] == list(breaches(changer.tree))


def test_what_says_the_same_is_not_sent_again(embed, tmp_path):
    """Another price asks for no vector; another title asks for one."""
    dear = Item("clue-3", "The clue number 3", attributes={"price": 7})
    told = Item("clue-4", "The orbit number 4")
    with TreeChanger(tmp_path / "a.tree", given=EmbeddedChanges("embedder", embed)) as changer:
        assert 1 == changer.update([dear]).updated
        assert [] == embed.asked
        changer.upsert([dear, told])

        assert 1 == len(embed.asked)
        assert "orbit" in embed.asked[0]
        home = changer.tree.items_by_id(["clue-4"])["clue-4"].leaf
        assert any(e.item.id.startswith("orbit") for e in changer.tree.items_in([home]))


def test_an_endpoint_that_fails_changes_nothing(embed, tmp_path):
    """The vectors are fetched before the file is locked."""

    def broken(texts):
        raise TreeError("the endpoint has no embeddings.")

    given = EmbeddedChanges("embedder", broken)
    with TreeChanger(tmp_path / "a.tree", given=given) as changer:
        with pytest.raises(TreeError, match="no embeddings"):
            changer.insert([item("whale", 90)])

        assert 90 == len(changer.tree)
        assert not changer.tree.items_by_id(["whale-90"])
