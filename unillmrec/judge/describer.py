"""The describer that asks a language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from unillmrec.endpoint import Endpoint
from unillmrec.judge.dialogue import Dialogue
from unillmrec.judge.prompt_writer import SUMMARY_CEILING, PromptWriter
from unillmrec.judge.questions import Dropped
from unillmrec.judge.sibling_questions import FamilyQuestion, Summaries
from unillmrec.replies.summaries import SummaryReading, read_summaries
from unillmrec.tokens import TokenCounter


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
        keys = [choice.key for choice in question.choices]
        kept = kept_summaries(readings, keys, self._writer.counter)
        return replace(kept, usage=dialogue.usage, exchanges=tuple(dialogue.exchanges))


def kept_summaries(
    readings: Sequence[SummaryReading], keys: Sequence[int], counter: TokenCounter
) -> Summaries:
    """Return what the last of some readings says of siblings, by their *keys* in order."""
    written = readings[-1].summaries
    texts = tuple((keys[number - 1], _shortened(line, counter)) for number, line in written)
    dropped = Dropped(
        invented=sum(each.invented for each in readings),
        repeated=sum(each.repeated for each in readings),
        left_out=len(keys) - len(texts),
        asked_again=len(readings) - 1,
    )
    shortened = sum(text != line for (_, text), (_, line) in zip(texts, written, strict=True))
    return Summaries(texts, shortened, dropped)


def _shortened(line: str, counter: TokenCounter) -> str:
    """Return a line within the ceiling: whole words, and a mark that some are missing."""
    if counter.count(line) <= SUMMARY_CEILING:
        return line
    words = counter.cut(line, SUMMARY_CEILING - 1).rstrip("…").split(" ")
    whole = " ".join(words[:-1]).rstrip(" ,;:.-")
    # A language without spaces, or a word without an end, is cut where the room ends.
    return f"{whole}…" if len(words) > 1 else counter.cut(line, SUMMARY_CEILING)
