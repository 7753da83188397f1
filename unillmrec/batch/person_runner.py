"""One place where people of a batch are recommended to, one after the other or several at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from unillmrec.batch.resume import Keeper, ResumeStore
from unillmrec.endpoint import Endpoint
from unillmrec.errors import PersonError
from unillmrec.judge import Judge, SimilarityJudge
from unillmrec.people.people_file import PersonRow
from unillmrec.recommending.recommendation import Recommendation
from unillmrec.recommending.recommender import Recommender
from unillmrec.stages import Options, Person
from unillmrec.store import ItemTree
from unillmrec.usage import Stage, Usage

Over: TypeAlias = Callable[[Endpoint], Endpoint]
JudgeOver: TypeAlias = Callable[[Over], Judge]
"""Makes a judge whose endpoint is put through what it is given."""


@dataclass(frozen=True, slots=True)
class Made:
    """A line of the output, and what it cost by stage."""

    text: str
    usage: Mapping[Stage, Usage]


class PersonRunner:
    """Recommends to people with one tree and one judge; safe to share between threads."""

    def __init__(
        self,
        tree: ItemTree,
        keeper: Keeper,
        options: Options,
        *,
        judge_over: JudgeOver | None = None,
        where: str | None = None,
        exclude: tuple[str, ...] = (),
    ) -> None:
        self.answers = ResumeStore(keeper)
        self.judge = judge_over(self.answers.over) if judge_over else SimilarityJudge(tree)
        self._recommender = Recommender(tree, self.judge)
        self._options = options
        self._selection = self._recommender.select(where) if where else None
        self._exclude = exclude

    def serve(self, entry: PersonRow) -> Made:
        """Recommend to the person of a row.

        Raises:
            PersonError: nothing of the history is in the tree, or nothing can be made of it.
            BudgetError: the purse is spent.
            EndpointError: a call failed.
        """
        assert entry.person is not None
        person, unknown = self._known(entry.person)
        with self.answers.about(entry.line):
            made = self._recommender.recommend_to(
                person,
                self._options,
                where=self._selection,
                exclude=self._exclude,
            )
        return Made(_line(entry, made, unknown), made.usage)

    def _known(self, person: Person) -> tuple[Person, int]:
        """Return the person without the items that the tree does not have, and how many."""
        known = self._recommender.tree.locate(dict.fromkeys(person.history))
        history = tuple(each for each in person.history if each in known)
        if person.history and not (history or person.like or person.profile):
            count = len(set(person.history))
            told = "the only history item" if count == 1 else f"none of {count:,} history items"
            verb = "is not" if count == 1 else "is"
            raise PersonError(f"{told} {verb} in {self._recommender.tree.path.name}.")
        unknown = len(set(person.history) - known.keys())
        return (replace(person, history=history), unknown) if unknown else (person, 0)


_encode = json.JSONEncoder(ensure_ascii=False).encode


def _line(entry: PersonRow, made: Recommendation, unknown: int) -> str:
    """Return the line of a person: the same answers make the same line, whenever they came."""
    told = made.as_dict()
    del told["seconds"]
    told = {"id": entry.id, **told, "unknown_history": unknown, "note": made.note}
    return _encode(told).encode("utf-8", "replace").decode()
