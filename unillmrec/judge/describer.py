"""The describer that asks a language model."""

from __future__ import annotations

from collections.abc import Sequence

from unillmrec.endpoint import Endpoint
from unillmrec.judge.dialogue import Dialogue
from unillmrec.judge.families import FamilyQuestion, Summaries
from unillmrec.judge.questions import Dropped
from unillmrec.judge.summary_replies import SummaryReading, read_summaries
from unillmrec.judge.writing import SUMMARY_CEILING, PromptWriter


class LanguageModelDescriber:
    """Fills the prompt for a family, asks the endpoint, reads the reply.

    An unusable reply is complained about once; what is missing then stays undescribed.
    """

    def __init__(self, endpoint: Endpoint, writer: PromptWriter, *, at_once: int = 4) -> None:
        self.name = f"{endpoint.model} at {endpoint.name}"
        self.at_once = at_once
        self._endpoint = endpoint
        self._writer = writer

    def windows(self, question: FamilyQuestion) -> Sequence[FamilyQuestion]:
        """Part a question so that every prompt stays under the ceiling."""
        return self._writer.family_windows(question)

    def summaries(self, question: FamilyQuestion) -> Summaries:
        """Ask for a line about each choice."""
        dialogue = Dialogue(self._endpoint, self._writer)
        count = len(question.choices)
        readings: tuple[SummaryReading, ...] = dialogue.ask(
            self._writer.ask_family(question),
            lambda text: read_summaries(text, count),
            lambda reading: reading.usable,
        )
        keys = {choice.number: choice.key for choice in question.choices}
        written = readings[-1].summaries
        texts = tuple((keys[number], self._shortened(line)) for number, line in written)
        dropped = Dropped(
            invented=sum(each.invented for each in readings),
            repeated=sum(each.repeated for each in readings),
            left_out=count - len(texts),
            asked_again=len(readings) - 1,
        )
        shortened = sum(text != line for (_, text), (_, line) in zip(texts, written, strict=True))
        exchanges = tuple(dialogue.exchanges)
        return Summaries(texts, shortened, dropped, dialogue.usage, exchanges)

    def _shortened(self, line: str) -> str:
        """Return a line within the ceiling: whole words, and a mark that some are missing."""
        count = self._writer.counter.count
        if count(line) <= SUMMARY_CEILING:
            return line
        words = self._writer.counter.cut(line, SUMMARY_CEILING - 1).rstrip("…").split(" ")
        whole = " ".join(words[:-1]).rstrip(" ,;:.-")
        # A language without spaces, or a word without an end, is cut where the room ends.
        return f"{whole}…" if len(words) > 1 else self._writer.counter.cut(line, SUMMARY_CEILING)
