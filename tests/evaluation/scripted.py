"""A small catalog with interactions, and systems with scripted lists."""

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
    """Interactions of people who like one topic each: six items, a day apart."""
    chance = random.Random(seed)
    rows = InteractionsBuilder()
    for person in range(people):
        liked = range(person % TOPICS, trees.ITEMS, TOPICS)
        for day, number in enumerate(chance.sample(liked, 6)):
            rows.add(f"p{person}", f"item-{number:03}", 1_000.0 * person + 86_400 * day, 5.0)
    return rows.finish()


def rows_of(*rows):
    """Return interactions from tuples of person, item, time and rating."""
    builder = InteractionsBuilder()
    for row in rows:
        builder.add(*row)
    return builder.finish()


class Scripted:
    """A system whose lists are computed by a function of case and limit."""

    zero_shot = True
    note = ""

    def __init__(self, answer, name="scripted"):
        self.name = name
        self._answer = answer

    def learn(self, data):
        self.data = data

    def answer(self, case, limit):
        answer = self._answer(case, limit)
        return answer if isinstance(answer, RankedList) else RankedList(tuple(answer))
