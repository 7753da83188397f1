"""Questions as messages for a model: the prompt, the schema, the length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from unillmrec.endpoint import Message, Request, Schema
from unillmrec.errors import PromptError
from unillmrec.items import one_line
from unillmrec.judge.letters import LETTERS, letters_of
from unillmrec.judge.questions import Choice, HistoryQuestion, Question, numbered
from unillmrec.judge.sibling_questions import FamilyQuestion
from unillmrec.prompts import PromptSet
from unillmrec.tokens import TokenCounter

CONTRACTS: Mapping[str, frozenset[str]] = {
    "profile": frozenset({"history"}),
    "choose": frozenset({"person", "choices"}),
    "label": frozenset({"person", "choices"}),
    "pick": frozenset({"person", "choices", "limit"}),
    "rank": frozenset({"person", "choices"}),
    "rerank": frozenset({"person", "choices", "limit"}),
    "describe": frozenset({"parent", "others", "choices", "limit"}),
}
"""The placeholders each prompt must have, and may have."""

Layout: TypeAlias = Literal["person-first", "choices-first"]
"""What a prompt begins with: one person is asked about many nodes, or one node by many people."""

# No prompt is longer than this; what does not fit is parted into windows.
PROMPT_CEILING = 4_000
# An unusable answer is quoted and complained about in a second request, under the same ceiling.
COMPLAINT = (
    "That answer could not be used. Answer again, with nothing but the JSON object that was "
    "asked for, and only with numbers from the list."
)
QUOTE_CEILING = 60
LINE_CEILING = 64
# The number of a line and its end come on top.
AROUND_LINE = 4
# What is described once may be longer than what every walk reads.
DESCRIBED_CEILING = 112
PARENT_CEILING = 48
SIBLING_CEILING = 24
# Short lines win: longer summaries cost every walk more than they tell it.
SUMMARY_WORDS = 14
SUMMARY_CEILING = 25
# Models in JSON mode spend up to half of an answer on white space.
OUTPUT_ROOM = 3
REPEATED_TOKENS = {"picks": 12, "order": 3, "interests": 30, "descriptions": 34}


def _list_of(name: str, entry: Mapping[str, object]) -> Schema:
    """Return the strictest schema all servers take: no unions, no ranges, nothing optional."""
    body = {
        "type": "object",
        "properties": {name: {"type": "array", "items": entry}},
        "required": [name],
        "additionalProperties": False,
    }
    return Schema(name, body)


def _record(**fields: str) -> Mapping[str, object]:
    return {
        "type": "object",
        "properties": {field: {"type": kind} for field, kind in fields.items()},
        "required": list(fields),
        "additionalProperties": False,
    }


PICKS = _list_of("picks", _record(number="integer", score="integer"))
ORDER = _list_of("order", {"type": "integer"})
INTERESTS = _list_of("interests", _record(interest="string", weight="integer"))
DESCRIPTIONS = _list_of("descriptions", _record(number="integer", summary="string"))


class PromptWriter:
    """Writes requests, and says how long they are before they are sent.

    *layout* says what many of them share, and therefore begin with. A prompt without marked
    blocks stays as it was written.
    """

    def __init__(
        self,
        prompts: PromptSet,
        counter: TokenCounter,
        ceiling: int = PROMPT_CEILING,
        *,
        layout: Layout = "person-first",
    ) -> None:
        self.prompts = prompts
        self.counter = counter
        self.ceiling = ceiling
        self.layout = layout

    @property
    def room(self) -> int:
        """How long a first request may be, so that there is room to ask again."""
        count = self.counter.count_messages
        return self.ceiling - QUOTE_CEILING - (count(["", COMPLAINT]) - count([]))

    def again(self, request: Request, answer: str) -> Request:
        """Write a request once more, with the unusable *answer* and a complaint about it.

        Raises:
            PromptError: it is over the ceiling; no request written here is.
        """
        # A runaway answer must not make the second prompt longer than there is room for.
        quoted = self.counter.cut(one_line(answer), QUOTE_CEILING) or "(nothing)"
        added = (Message("assistant", quoted), Message("user", COMPLAINT))
        messages = (*request.messages, *added)
        length = self.counter.count_messages([each.content for each in messages])
        self._hold(f"second {request.stage}", length, "An unusable answer is quoted.")
        return replace(request, messages=messages)

    def ask_history(self, question: HistoryQuestion) -> Request:
        """Write the profile request; the oldest lines go where the history is too long.

        Raises:
            PromptError: it is over the ceiling even with the newest line alone.
        """
        lines = [self.counter.cut(line, LINE_CEILING) for line in question.lines]
        while True:
            filled = self.prompts["profile"].fill(history="\n".join(lines))
            if len(lines) < 2 or self.counter.count_messages(filled) <= self.room:
                break
            lines = lines[len(lines) // 4 + 1 :]
        self._check("profile", filled, f"{len(lines)} lines of the history are listed.")
        return self._request(question, filled, INTERESTS, 6)

    def ask(self, question: Question) -> Request:
        """Write a request about choices.

        Raises:
            PromptError: it is over the ceiling; `windows` keeps that from happening.
        """
        filled = self._filled(question)
        self._check(question.kind, filled, f"{len(question.choices)} choices are listed.")
        if question.wants_order:
            return self._request(question, filled, ORDER, len(question.choices))
        return self._request(question, filled, PICKS, min(len(question.choices), question.limit))

    def ask_letter(self, question: Question) -> Request:
        """Write a request for the letter of the best choice: one token of output.

        Raises:
            PromptError: it is over the ceiling; `windows` keeps that from happening.
        """
        filled = self.prompts["label"].fill(
            self.layout.removesuffix("-first"),
            person=question.profile.text(),
            choices="\n".join(map(self.lettered, question.choices)),
        )
        self._check("label", filled, f"{len(question.choices)} choices are listed.")
        messages = (Message("system", filled[0]), Message("user", filled[1]))
        return Request(
            question.stage,
            messages,
            max_output=1,
            labels=letters_of(question),
            about=question.about,
            person=question.person,
        )

    def ask_family(self, question: FamilyQuestion) -> Request:
        """Write a request for a line about each of several siblings.

        Raises:
            PromptError: it is over the ceiling; `family_windows` keeps that from happening.
        """
        filled = self._filled_family(question)
        self._check("describe", filled, f"{len(question.choices)} branches are listed.")
        return self._request(question, filled, DESCRIPTIONS, len(question.choices))

    def _filled_family(self, question: FamilyQuestion) -> tuple[str, str]:
        others = [self.counter.cut(line, SIBLING_CEILING) for line in question.others]
        return self.prompts["describe"].fill(
            parent=self.counter.cut(question.parent, PARENT_CEILING),
            others="\n".join(f"- {line}" for line in others) or "(none)",
            choices="\n".join(map(self._family_line, question.choices)),
            limit=str(SUMMARY_WORDS),
        )

    def _family_line(self, choice: Choice) -> str:
        return f"{choice.number}. {self.counter.cut(choice.line, DESCRIBED_CEILING)}"

    def _check(self, name: str, filled: tuple[str, str], listed: str) -> None:
        again = self.ceiling - self.room
        self._hold(name, self.counter.count_messages(filled) + again, listed)

    def _hold(self, name: str, length: int, listed: str) -> None:
        if length > self.ceiling:
            raise PromptError(
                f"the {name} prompt needs about {length:,} tokens; {self.ceiling:,} are allowed.",
                detail=listed,
                remedy="a shorter prompt (`unillmrec prompts show`), or a higher ceiling.",
            )

    def _filled(self, question: Question) -> tuple[str, str]:
        values = {
            "person": question.profile.text(),
            "choices": "\n".join(map(self.line, question.choices)),
            "limit": str(question.limit),
        }
        wanted = {k: v for k, v in values.items() if k in CONTRACTS[question.kind]}
        return self.prompts[question.kind].fill(self.layout.removesuffix("-first"), **wanted)

    def line(self, choice: Choice) -> str:
        """Return a numbered line under the line ceiling."""
        return f"{choice.number}. {self._told(choice)}"

    def lettered(self, choice: Choice) -> str:
        """Return the same line with a letter in the number's place."""
        return f"{LETTERS[choice.number - 1]}. {self._told(choice)}"

    def _told(self, choice: Choice) -> str:
        told = choice.line
        if choice.prior is not None:
            told += f" [popularity {choice.prior:.0%}]"
        return self.counter.cut(told, LINE_CEILING)

    def _request(
        self,
        question: Question | HistoryQuestion | FamilyQuestion,
        filled: tuple[str, str],
        schema: Schema,
        entries: int,
    ) -> Request:
        system, user = filled
        room = OUTPUT_ROOM * (16 + REPEATED_TOKENS[schema.name] * entries)
        return Request(
            stage=question.stage,
            messages=(Message("system", system), Message("user", user)),
            max_output=max(room, 256),
            schema=schema,
            about=question.about,
            person=question.person,
        )

    def estimate(self, request: Request) -> tuple[int, int]:
        """Return about how many tokens a request and a good answer to it have."""
        prompt = self.counter.count_messages([each.content for each in request.messages])
        return prompt, max(1, request.max_output // OUTPUT_ROOM)

    def windows(self, question: Question) -> Sequence[Question]:
        """Part the choices, renumbered from one in each, so that every prompt fits."""
        around = self.counter.count_messages(self._filled(replace(question, choices=())))
        room = self.room - around
        # Most lists fit however long their lines are: then none of them need be counted.
        if len(question.choices) * (LINE_CEILING + AROUND_LINE) <= room:
            return (replace(question, choices=numbered(question.choices)),)
        groups = self._groups(question.choices, room, self.line)
        return tuple(replace(question, choices=group) for group in groups)

    def family_windows(self, question: FamilyQuestion) -> Sequence[FamilyQuestion]:
        """Part siblings into questions that fit, each about some and beside the others' lines.

        How they are parted depends on the lines to be described alone, not on what has been
        written about the others, so that a plan and what then happens agree.
        """
        bare = replace(question, parent="", choices=(), others=())
        room = self.room - self.counter.count_messages(self._filled_family(bare))
        room -= PARENT_CEILING
        line = SIBLING_CEILING + AROUND_LINE
        groups = self._groups(
            question.choices, room - line * len(question.others), self._family_line
        )
        if len(groups) == 1:
            return (replace(question, choices=groups[0]),)
        # Those that are described in another window are siblings to be told apart from, too;
        # where there is little room, they get half of it.
        most = min(len(question.others) + len(question.choices), max(room, 0) // 2 // line)
        groups = self._groups(question.choices, room - line * most, self._family_line)
        return tuple(
            replace(
                question,
                choices=group,
                others=(*question.others, *_without(group, question))[:most],
            )
            for group in groups
        )

    def _groups(
        self, choices: Sequence[Choice], room: int, written: Callable[[Choice], str]
    ) -> list[tuple[Choice, ...]]:
        """Part choices into groups whose lines fit the room, each numbered from one."""
        groups: list[list[Choice]] = [[]]
        used = 0
        for choice in choices:
            length = self.counter.count(written(choice)) + 1
            if groups[-1] and used + length > room:
                groups.append([])
                used = 0
            groups[-1].append(choice)
            used += length
        return [numbered(group) for group in groups]


def _without(group: Sequence[Choice], question: FamilyQuestion) -> list[str]:
    """Return the lines of a question's choices that are not in a group."""
    keys = {choice.key for choice in group}
    return [choice.line for choice in question.choices if choice.key not in keys]
