"""Ask for the interests of a person, and ask again where the reply is copied from the prompt."""

from __future__ import annotations

from dataclasses import dataclass

from unillmrec.judge.prompting.dialogue import Dialogue
from unillmrec.judge.prompting.prompt_writer import EXAMPLE_MESSAGE, RETRY_MESSAGE
from unillmrec.judge.questions import HistoryQuestion
from unillmrec.replies.choices import read_interests
from unillmrec.replies.uninformative import Pattern, find_profile_pattern


@dataclass(frozen=True, slots=True)
class InterestReading:
    """The interests of one reply as pairs of phrase and share.

    *pattern* makes them uninformative.
    """

    interests: tuple[tuple[str, float], ...]
    pattern: Pattern

    @property
    def usable(self) -> bool:
        """Whether there are interests of the person."""
        return bool(self.interests) and not self.pattern


def ask_for_interests(question: HistoryQuestion, dialogue: Dialogue) -> tuple[InterestReading, ...]:
    """Return the reading of the reply, followed by that of a second one if it was unusable."""
    example = [name for name, _ in read_interests(dialogue.writer.prompts["profile"].example)]

    def read(text: str) -> InterestReading:
        interests = read_interests(text)
        pattern = find_profile_pattern([name for name, _ in interests], example, text)
        dialogue.mark_uninformative(pattern)
        return InterestReading(interests, pattern)

    return dialogue.ask(
        dialogue.writer.history_request(question),
        read,
        lambda reading: reading.usable,
        lambda reading: EXAMPLE_MESSAGE if reading.pattern else RETRY_MESSAGE,
    )
