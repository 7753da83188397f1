"""Ask for the interests of a person, and ask again where the reply is copied from the prompt."""

from __future__ import annotations

from dataclasses import dataclass

from unillmrec.judge.prompting.dialogue import Dialogue
from unillmrec.judge.prompting.prompt_writer import EXAMPLE_MESSAGE, RETRY_MESSAGE
from unillmrec.judge.questions import HistoryQuestion
from unillmrec.replies.choices import read_interests
from unillmrec.replies.uninformative import copies_example


@dataclass(frozen=True, slots=True)
class InterestReading:
    """The interests of one reply as pairs of phrase and share; *copied* ones say nothing."""

    interests: tuple[tuple[str, float], ...]
    copied: bool

    @property
    def usable(self) -> bool:
        """Whether there are interests of the person."""
        return bool(self.interests) and not self.copied


def ask_for_interests(question: HistoryQuestion, dialogue: Dialogue) -> tuple[InterestReading, ...]:
    """Return the reading of the reply, followed by that of a second one if it was unusable."""
    example = [name for name, _ in read_interests(dialogue.writer.prompts["profile"].example)]

    def read(text: str) -> InterestReading:
        interests = read_interests(text)
        copied = copies_example([name for name, _ in interests], example, text)
        dialogue.mark_uninformative("example" if copied else "")
        return InterestReading(interests, copied)

    return dialogue.ask(
        dialogue.writer.history_request(question),
        read,
        lambda reading: reading.usable,
        lambda reading: EXAMPLE_MESSAGE if reading.copied else RETRY_MESSAGE,
    )
