"""Descriptions of sibling nodes written by a language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from unillmrec.endpoint import Endpoint
from unillmrec.judge.prompting.dialogue import Dialogue
from unillmrec.judge.prompting.prompt_writer import SUMMARY_CEILING, PromptWriter
from unillmrec.judge.questions import Dropped
from unillmrec.judge.sibling_questions import SiblingsQuestion, Summaries
from unillmrec.replies.summaries import SummaryReading, read_summaries
from unillmrec.tokens import TokenCounter


class LanguageModelDescriber:
    """Asks a language model to describe sibling nodes.

    After an unusable reply the model is asked once more; siblings that are still missing stay
    undescribed.
    """

    def __init__(self, endpoint: Endpoint, writer: PromptWriter, *, at_once: int = 4) -> None:
        self.name = f"{endpoint.model} at {endpoint.name}"
        self.at_once = at_once
        self._endpoint = endpoint
        self._writer = writer

    def windows(self, question: SiblingsQuestion) -> Sequence[SiblingsQuestion]:
        """Split a question so that every prompt stays under the token ceiling."""
        return self._writer.sibling_windows(question)

    def summaries(self, question: SiblingsQuestion) -> Summaries:
        """Ask for one line about each choice."""
        dialogue = Dialogue(self._endpoint, self._writer)
        count = len(question.choices)
        readings: tuple[SummaryReading, ...] = dialogue.ask(
            self._writer.siblings_request(question),
            lambda text: read_summaries(text, count),
            lambda reading: reading.usable,
        )
        keys = [choice.key for choice in question.choices]
        summaries = collect_summaries(readings, keys, self._writer.counter)
        return replace(summaries, usage=dialogue.usage, exchanges=tuple(dialogue.exchanges))


def collect_summaries(
    readings: Sequence[SummaryReading], keys: Sequence[int], counter: TokenCounter
) -> Summaries:
    """Return the texts of the last reading by *keys*, and the mistakes of all readings."""
    lines = readings[-1].summaries
    texts = tuple((keys[number - 1], _shorten(line, counter)) for number, line in lines)
    dropped = Dropped(
        invented=sum(each.invented for each in readings),
        repeated=sum(each.repeated for each in readings),
        left_out=len(keys) - len(texts),
        asked_again=len(readings) - 1,
    )
    shortened = sum(text != line for (_, text), (_, line) in zip(texts, lines, strict=True))
    return Summaries(texts, shortened, dropped)


def _shorten(line: str, counter: TokenCounter) -> str:
    """Cut a line to the ceiling at the end of a word, and mark the cut with an ellipsis."""
    if counter.count(line) <= SUMMARY_CEILING:
        return line
    words = counter.cut(line, SUMMARY_CEILING - 1).rstrip("…").split(" ")
    whole = " ".join(words[:-1]).rstrip(" ,;:.-")
    # In a language without spaces, and in an endless word, the cut is wherever the limit is.
    return f"{whole}…" if len(words) > 1 else counter.cut(line, SUMMARY_CEILING)
