"""A small catalog with people who met things in it, and systems that answer as a test wants."""

import random

from tests import trees
from unillmrec.evaluation.data.cases import ItemIndex
from unillmrec.evaluation.systems.contract import RankedList
from unillmrec.people.interactions import InteractionsBuilder

PEOPLE = 36
TOPICS = len(trees.TOPICS)


def index():
    return ItemIndex(tuple(trees.items()))


def interactions(people=PEOPLE, seed=3):
    """People who each like one topic, six items of it, a day apart, all in one year."""
    chance = random.Random(seed)
    rows = InteractionsBuilder()
    for person in range(people):
        liked = range(person % TOPICS, trees.ITEMS, TOPICS)
        for day, number in enumerate(chance.sample(liked, 6)):
            rows.add(f"p{person}", f"item-{number:03}", 1_000.0 * person + 86_400 * day, 5.0)
    return rows.finish()


def rows_of(*rows):
    """Return interactions from tuples of person, item, time and rating."""
    taken = InteractionsBuilder()
    for row in rows:
        taken.add(*row)
    return taken.finish()


class Scripted:
    """A system that answers with what a function makes of each case."""

    zero_shot = True
    note = ""

    def __init__(self, answer, name="scripted"):
        self.name = name
        self._answer = answer

    def learn(self, data):
        self.data = data

    def answer(self, case, limit):
        made = self._answer(case, limit)
        return made if isinstance(made, RankedList) else RankedList(tuple(made))
