"""Write questions as requests to a model: the prompt, the reply schema, the output limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from unillmrec.endpoint import Message, Request, Schema
from unillmrec.errors import PromptError
from unillmrec.items import one_line
from unillmrec.judge.prompting.letters import LETTERS, letters_of
from unillmrec.judge.questions import Choice, HistoryQuestion, Question, number_choices
from unillmrec.judge.sibling_questions import SiblingsQuestion
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
"""The placeholders of each prompt: it must contain all of them and no others."""

Layout: TypeAlias = Literal["person-first", "choices-first"]
"""What a prompt begins with: the person, when one person is asked about many nodes, or the
choices, when many people are asked about one node. A common beginning can be cached."""

# No prompt has more tokens than this; longer questions are split into windows.
PROMPT_CEILING = 4_000
# The second request after an unusable reply: it quotes the reply, under the same ceiling.
RETRY_MESSAGE = (
    "That answer could not be used. Answer again, with nothing but the JSON object that was "
    "asked for, and only with numbers from the list."
)
EXAMPLE_MESSAGE = (
    "That answer repeats itself or the example. Answer again, about this person's own items, "
    "with nothing but the JSON object."
)
QUOTE_CEILING = 60
LINE_CEILING = 64
# The number in front of a line, and its line break.
LINE_OVERHEAD = 4
# A branch is described once, so the lines about it may be longer than what every walk reads.
DESCRIBED_CEILING = 112
PARENT_CEILING = 48
SIBLING_CEILING = 24
# Every walk reads the summaries: longer ones cost more than their words gain.
SUMMARY_WORDS = 14
SUMMARY_CEILING = 25
# In JSON mode, models spend up to half of a reply on white space.
OUTPUT_ROOM = 3
TOKENS_PER_ENTRY = {"picks": 12, "order": 3, "interests": 30, "descriptions": 34}


def _list_of(name: str, entry: Mapping[str, object]) -> Schema:
    """Return a schema for a list; it has no unions, ranges or options, which servers refuse."""
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
    """Writes the request for each kind of question, and counts its tokens before it is sent.

    *layout* says which part of the prompt comes first. It moves only blocks that the prompt file
    marks; other prompts are filled in as they are.
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
        """How many tokens a first request may have, so that a retry stays under the ceiling."""
        count = self.counter.count_messages
        return self.ceiling - QUOTE_CEILING - (count(["", RETRY_MESSAGE]) - count([]))

    def request(self, question: Question) -> Request:
        """Write the request for a question about choices.

        Raises:
            PromptError: it is over the ceiling, which `windows` prevents.
        """
        filled = self._fill(question)
        self._check(question.kind, filled, f"{len(question.choices)} choices are listed.")
        if question.wants_order:
            return self._request(question, filled, ORDER, len(question.choices))
        return self._request(question, filled, PICKS, min(len(question.choices), question.limit))

    def letter_request(self, question: Question) -> Request:
        """Write a request for the letter of the best choice, a single token.

        Raises:
            PromptError: it is over the ceiling, which `windows` prevents.
        """
        filled = self.prompts["label"].fill(
            self.layout.removesuffix("-first"),
            person=question.profile.text(),
            choices="\n".join(map(self.lettered_line, question.choices)),
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

    def history_request(self, question: HistoryQuestion) -> Request:
        """Write the profile request; the oldest lines are left out of a history that is too long.

        Raises:
            PromptError: it is over the ceiling even with only the newest line.
        """
        lines = [self.counter.cut(line, LINE_CEILING) for line in question.lines]
        while True:
            filled = self.prompts["profile"].fill(history="\n".join(lines))
            if len(lines) < 2 or self.counter.count_messages(filled) <= self.room:
                break
            lines = lines[len(lines) // 4 + 1 :]
        self._check("profile", filled, f"{len(lines)} lines of the history are listed.")
        return self._request(question, filled, INTERESTS, 6)

    def siblings_request(self, question: SiblingsQuestion) -> Request:
        """Write a request for a line about each of several siblings.

        Raises:
            PromptError: it is over the ceiling, which `sibling_windows` prevents.
        """
        filled = self._fill_siblings(question)
        self._check("describe", filled, f"{len(question.choices)} branches are listed.")
        return self._request(question, filled, DESCRIPTIONS, len(question.choices))

    def retry_request(self, request: Request, reply: str, message: str = RETRY_MESSAGE) -> Request:
        """Write a request again, followed by the unusable *reply* and what is wrong with it.

        Raises:
            PromptError: it is over the ceiling; no request written here is.
        """
        # A runaway reply must not push the second prompt over the ceiling.
        quoted = self.counter.cut(one_line(reply), QUOTE_CEILING) or "(nothing)"
        added = (Message("assistant", quoted), Message("user", message))
        messages = (*request.messages, *added)
        length = self.counter.count_messages([each.content for each in messages])
        self._require_room(f"second {request.stage}", length, "An unusable answer is quoted.")
        return replace(request, messages=messages)

    def line(self, choice: Choice) -> str:
        """Return the numbered line of a choice, cut to the line ceiling."""
        return f"{choice.number}. {self._line_text(choice)}"

    def lettered_line(self, choice: Choice) -> str:
        """Return the line of a choice with a letter instead of its number."""
        return f"{LETTERS[choice.number - 1]}. {self._line_text(choice)}"

    def estimate(self, request: Request) -> tuple[int, int]:
        """Return the estimated tokens of a request and of a typical reply to it."""
        prompt = self.counter.count_messages([each.content for each in request.messages])
        return prompt, max(1, request.max_output // OUTPUT_ROOM)

    def windows(self, question: Question) -> Sequence[Question]:
        """Split the choices so that every prompt fits; each part is numbered from one."""
        around = self.counter.count_messages(self._fill(replace(question, choices=())))
        room = self.room - around
        # Most lists fit even if every line were at its ceiling: then no line has to be counted.
        if len(question.choices) * (LINE_CEILING + LINE_OVERHEAD) <= room:
            return (replace(question, choices=number_choices(question.choices)),)
        groups = self._groups(question.choices, room, self.line)
        return tuple(replace(question, choices=group) for group in groups)

    def sibling_windows(self, question: SiblingsQuestion) -> Sequence[SiblingsQuestion]:
        """Split siblings into questions that fit, each with the lines of the others beside it.

        The split depends only on the lines to be described, not on descriptions written in the
        meantime, so that a plan and the run that follows it agree.
        """
        bare = replace(question, parent="", choices=(), others=())
        room = self.room - self.counter.count_messages(self._fill_siblings(bare))
        room -= PARENT_CEILING
        line = SIBLING_CEILING + LINE_OVERHEAD
        groups = self._groups(
            question.choices, room - line * len(question.others), self._sibling_line
        )
        if len(groups) == 1:
            return (replace(question, choices=groups[0]),)
        # The siblings described in other windows count as others as well; where there is little
        # room, the others get half of it.
        most = min(len(question.others) + len(question.choices), max(room, 0) // 2 // line)
        groups = self._groups(question.choices, room - line * most, self._sibling_line)
        return tuple(
            replace(
                question,
                choices=group,
                others=(*question.others, *_lines_outside(group, question))[:most],
            )
            for group in groups
        )

    def _groups(
        self, choices: Sequence[Choice], room: int, format_line: Callable[[Choice], str]
    ) -> list[tuple[Choice, ...]]:
        """Split choices into groups whose lines fit into *room* tokens, each numbered from one."""
        groups: list[list[Choice]] = [[]]
        used = 0
        for choice in choices:
            length = self.counter.count(format_line(choice)) + 1
            if groups[-1] and used + length > room:
                groups.append([])
                used = 0
            groups[-1].append(choice)
            used += length
        return [number_choices(group) for group in groups]

    def _line_text(self, choice: Choice) -> str:
        text = choice.line
        if choice.prior is not None:
            text += f" [popularity {choice.prior:.0%}]"
        return self.counter.cut(text, LINE_CEILING)

    def _sibling_line(self, choice: Choice) -> str:
        return f"{choice.number}. {self.counter.cut(choice.line, DESCRIBED_CEILING)}"

    def _fill(self, question: Question) -> tuple[str, str]:
        values = {
            "person": question.profile.text(),
            "choices": "\n".join(map(self.line, question.choices)),
            "limit": str(question.limit),
        }
        wanted = {k: v for k, v in values.items() if k in CONTRACTS[question.kind]}
        return self.prompts[question.kind].fill(self.layout.removesuffix("-first"), **wanted)

    def _fill_siblings(self, question: SiblingsQuestion) -> tuple[str, str]:
        others = [self.counter.cut(line, SIBLING_CEILING) for line in question.others]
        return self.prompts["describe"].fill(
            parent=self.counter.cut(question.parent, PARENT_CEILING),
            others="\n".join(f"- {line}" for line in others) or "(none)",
            choices="\n".join(map(self._sibling_line, question.choices)),
            limit=str(SUMMARY_WORDS),
        )

    def _check(self, name: str, filled: tuple[str, str], contents: str) -> None:
        retry = self.ceiling - self.room
        self._require_room(name, self.counter.count_messages(filled) + retry, contents)

    def _require_room(self, name: str, length: int, contents: str) -> None:
        if length > self.ceiling:
            raise PromptError(
                f"the {name} prompt needs about {length:,} tokens; {self.ceiling:,} are allowed.",
                detail=contents,
                remedy="a shorter prompt (`unillmrec prompts show`), or a higher ceiling.",
            )

    def _request(
        self,
        question: Question | HistoryQuestion | SiblingsQuestion,
        filled: tuple[str, str],
        schema: Schema,
        entries: int,
    ) -> Request:
        system, user = filled
        room = OUTPUT_ROOM * (16 + TOKENS_PER_ENTRY[schema.name] * entries)
        return Request(
            stage=question.stage,
            messages=(Message("system", system), Message("user", user)),
            max_output=max(room, 256),
            schema=schema,
            about=question.about,
            person=question.person,
        )


def _lines_outside(group: Sequence[Choice], question: SiblingsQuestion) -> list[str]:
    """Return the lines of the question's choices that are not in *group*."""
    keys = {choice.key for choice in group}
    return [choice.line for choice in question.choices if choice.key not in keys]
