"""Ask for scores or an order in JSON, and ask again where the reply carries no information."""

from __future__ import annotations

from dataclasses import dataclass, replace

from unillmrec.judge.prompting.dialogue import Dialogue
from unillmrec.judge.prompting.prompt_writer import PromptWriter
from unillmrec.judge.questions import Dropped, Question, number_choices
from unillmrec.replies.choices import ChoiceReading, read_order, read_scores
from unillmrec.replies.uninformative import Answer, Pattern, Scores, find_pattern

# More than any list has: all numbers of an example count.
_ANY_NUMBER = 10_000


@dataclass(frozen=True, slots=True)
class ChoiceAnswer:
    """The scores of a question's choices, and what was wrong with the replies.

    Without *informative*, the scores are not to be used.
    """

    scores: tuple[tuple[int, float], ...]
    dropped: Dropped
    informative: bool


def answer_of(question: Question, scores: Scores, writer: PromptWriter) -> Answer:
    """Return *scores* as an answer whose pattern can be found."""
    return Answer(
        scores,
        len(question.choices),
        is_order=question.wants_order,
        is_sorted=question.kind == "rerank",
        example=_read(question, writer.prompts[question.kind].example, _ANY_NUMBER).scores,
    )


def ask_for_choices(question: Question, dialogue: Dialogue, tried: Pattern = "") -> ChoiceAnswer:
    """Ask for scores or an order; unsuccessful calls already in *dialogue* are counted.

    If the reply carries no information, the question is asked once more with the list reversed:
    an answer by position then contradicts itself. That is not done if another way of asking
    was *tried* before and got the given pattern, nor for a list that is shown best first.
    """
    before = len(dialogue.exchanges)
    readings, pattern = _ask(question, dialogue)
    found = tried or pattern
    scores: tuple[tuple[int, float], ...] = readings[-1].scores
    if pattern and not tried and question.kind != "rerank":
        turned = replace(question, choices=number_choices(reversed(question.choices)))
        again, second = _ask(turned, dialogue)
        readings += again
        if again[-1].usable and not second:
            # An order that survives the reversal of the list was the model's own.
            found = "" if pattern == "list order" else found
            scores = tuple((len(question.choices) + 1 - n, each) for n, each in again[-1].scores)
        pattern = second
    usable = readings[-1].usable
    dropped = Dropped(
        # An unusable reply may consist of inventions; they are counted like any others.
        invented=sum(each.invented for each in readings),
        repeated=sum(each.repeated for each in readings),
        left_out=_left_out(question, len(readings[-1].scores)),
        asked_again=before + len(readings) - 1,
        fallbacks=int(bool(pattern) or not usable),
        uninformative=int(bool(found)),
    )
    return ChoiceAnswer(scores, dropped, usable and not pattern)


def _ask(question: Question, dialogue: Dialogue) -> tuple[tuple[ChoiceReading, ...], Pattern]:
    """Return the readings of one or two replies, and the pattern that the last one fits."""
    readings: tuple[ChoiceReading, ...] = dialogue.ask(
        dialogue.writer.request(question),
        lambda text: _read(question, text, len(question.choices)),
        lambda reading: reading.usable,
    )
    pattern = find_pattern(answer_of(question, readings[-1].scores, dialogue.writer))
    dialogue.mark_uninformative(pattern)
    return readings, pattern


def _read(question: Question, text: str, count: int) -> ChoiceReading:
    return (read_order if question.wants_order else read_scores)(text, count)


def _left_out(question: Question, ranked: int) -> int:
    """Return how many choices are missing from an order of *ranked* choices."""
    return max(min(question.limit, len(question.choices)) - ranked, 0) * question.wants_order
