"""Judges that walk like a language model but send nothing; one counts what a model would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from unillmrec.budget import BudgetTracker
from unillmrec.endpoint import Request
from unillmrec.judge.prompting.letters import can_be_lettered
from unillmrec.judge.prompting.prompt_writer import PromptWriter
from unillmrec.judge.questions import (
    HistoryQuestion,
    Interest,
    Interests,
    Judge,
    Question,
    Verdict,
)
from unillmrec.usage import Exchange, Usage

# A profile of three or four interests, in tokens.
PROFILE_LENGTH = 50
# What remains of a profile reply once its JSON is reduced to phrases and weights.
TEXT_SHARE = 0.7


class WidthLimitedJudge:
    """Answers like *judge*, within the limits of a language model. Nothing is sent.

    Stages let free judges look further than paid ones; this judge counts as a paid one, and its
    questions are split to fit a model's prompts. The questions after the profile contain a
    profile as long as a model's; *profile_tokens* is the mean length of the model's profile
    replies so far.
    """

    def __init__(
        self,
        judge: Judge,
        writer: PromptWriter,
        profile_tokens: float | None = None,
        *,
        by_letters: bool = False,
        at_once: int | None = None,
    ) -> None:
        self.name = judge.name
        self.at_once = judge.at_once if at_once is None else at_once
        self.works_without_vector = judge.works_without_vector
        self.asks_by_letters = by_letters
        self._judge = judge
        self._writer = writer
        self._profile_length = (
            PROFILE_LENGTH if profile_tokens is None else round(TEXT_SHARE * profile_tokens)
        )
        self._own_profiles: set[tuple[Interest, ...]] = set()

    def interests(self, question: HistoryQuestion) -> Interests:
        """Return the interests that the wrapped judge finds in a history."""
        answer = self._judge.interests(question)
        self._own_profiles.add(answer.interests)
        return answer

    def choose(self, question: Question) -> Verdict:
        """Return the scores of the wrapped judge."""
        return self._judge.choose(question)

    def windows(self, question: Question) -> Sequence[Question]:
        """Split a question as it would be split for a model."""
        parts = self._writer.windows(self._with_model_profile(question))
        return tuple(replace(part, profile=question.profile) for part in parts)

    def _with_model_profile(self, question: Question) -> Question:
        """Lengthen the profile to what a model writes, unless the user wrote it."""
        interests = question.profile.interests
        if interests not in self._own_profiles:
            return question
        text = question.profile.text()
        times = -(-self._profile_length // max(self._writer.counter.count(text), 1))
        long = self._writer.counter.cut("\n".join([text] * times), self._profile_length)
        return replace(question, profile=replace(question.profile, interests=(Interest(long, 1),)))


class EstimatingJudge(WidthLimitedJudge):
    """Answers like another judge, and reports what asking a language model would have cost.

    The token counts that a server would report stay unknown; the estimates are counted from the
    real prompts.
    """

    def interests(self, question: HistoryQuestion) -> Interests:
        """Return interests, with the estimated usage of the profile prompt."""
        exchange = self._estimate(self._writer.history_request(question), question.tracker)
        return replace(super().interests(question), usage=exchange.usage, exchanges=(exchange,))

    def choose(self, question: Question) -> Verdict:
        """Return scores, with the estimated usage of the prompt."""
        sent = self._with_model_profile(question)
        by_letter = self.asks_by_letters and can_be_lettered(question)
        request = self._writer.letter_request(sent) if by_letter else self._writer.request(sent)
        exchange = self._estimate(request, question.tracker)
        return replace(super().choose(question), usage=exchange.usage, exchanges=(exchange,))

    def _estimate(self, request: Request, tracker: BudgetTracker | None) -> Exchange:
        prompt, completion = self._writer.estimate(request)
        if tracker is not None:
            # A budget ends a plan where it would end the real run.
            longest = self._writer.counter.at_most([each.content for each in request.messages])
            tracker.reserve(longest, request.max_output).settle(Usage(1, prompt, completion))
        usage = Usage(1, None, None, None, None, prompt, completion)
        messages = tuple((each.role, each.content) for each in request.messages)
        return Exchange(messages, reply="", usage=usage, asked_with="not sent")
