"""Recommend to the people of a batch, and format their output lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from unillmrec.batch.resume import ReplyStore, ResumeStore
from unillmrec.endpoint import Endpoint
from unillmrec.errors import PersonError
from unillmrec.judge import Judge, SimilarityJudge
from unillmrec.people.people_file import PersonRow
from unillmrec.recommending.recommendation import Recommendation
from unillmrec.recommending.recommender import Recommender
from unillmrec.stages import Options, Person
from unillmrec.store import ItemTree
from unillmrec.store.decoding import DECODE_ERRORS
from unillmrec.usage import Stage, Usage

WrapEndpoint: TypeAlias = Callable[[Endpoint], Endpoint]
BuildJudge: TypeAlias = Callable[[WrapEndpoint], Judge]
"""Builds a judge whose endpoint is wrapped by the given function."""


@dataclass(frozen=True, slots=True)
class OutputLine:
    """A line of the output, and its cost by stage."""

    text: str
    usage: Mapping[Stage, Usage]


class PersonRunner:
    """Recommends to people with one tree and one judge; safe to share between threads."""

    def __init__(
        self,
        tree: ItemTree,
        replies: ReplyStore,
        options: Options,
        *,
        build_judge: BuildJudge | None = None,
        where: str | None = None,
        exclude: tuple[str, ...] = (),
    ) -> None:
        self.replies = ResumeStore(replies)
        self.judge = build_judge(self.replies.wrap) if build_judge else SimilarityJudge(tree)
        self._recommender = Recommender(tree, self.judge)
        self._options = options
        self._selection = self._recommender.select(where) if where else None
        self._exclude = exclude

    def run(self, row: PersonRow) -> OutputLine:
        """Recommend to the person of a row.

        Raises:
            PersonError: nothing is known about the person, or no history item is in the tree.
            BudgetError: the budget is spent.
            EndpointError: a call failed.
            StoreError: the tree is damaged.
        """
        try:
            return self._recommend(row)
        except DECODE_ERRORS as error:
            self._recommender.tree.explain(error)
            raise

    def _recommend(self, row: PersonRow) -> OutputLine:
        assert row.person is not None
        person, unknown = self._without_unknown_items(row.person)
        with self.replies.for_row(row.line):
            recommendation = self._recommender.recommend_to(
                person, self._options, where=self._selection, exclude=self._exclude
            )
        return OutputLine(_format_line(row.id, recommendation, unknown), recommendation.usage)

    def _without_unknown_items(self, person: Person) -> tuple[Person, int]:
        """Return the person without history items that are not in the tree, and their number."""
        tree = self._recommender.tree
        known = tree.locate(dict.fromkeys(person.history))
        history = tuple(each for each in person.history if each in known)
        if person.history and not (history or person.like or person.profile):
            count = len(set(person.history))
            if count == 1:
                raise PersonError(f"the only history item is not in {tree.path.name}.")
            raise PersonError(f"none of {count:,} history items is in {tree.path.name}.")
        unknown = len(set(person.history) - known.keys())
        return (replace(person, history=history), unknown) if unknown else (person, 0)


_encode = json.JSONEncoder(ensure_ascii=False).encode


def _format_line(person_id: str, recommendation: Recommendation, unknown: int) -> str:
    """Return the line of a person; it depends on the replies only, not on their time."""
    plain = recommendation.as_dict()
    del plain["seconds"]
    notes = {"unknown_history": unknown, "note": recommendation.note}
    return _encode({"id": person_id, **plain, **notes}).encode("utf-8", "replace").decode()
