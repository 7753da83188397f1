"""The judge that asks a language model, and the one that only says what asking would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from unillmrec.budget import BudgetTracker
from unillmrec.endpoint import Endpoint, OpenAIEndpoint, Request
from unillmrec.judge.dialogue import Dialogue
from unillmrec.judge.letters import Bias, LetterAnswer, can_be_lettered, read_letters
from unillmrec.judge.prompt_writer import CONTRACTS, PromptWriter
from unillmrec.judge.questions import (
    Dropped,
    Exchange,
    HistoryQuestion,
    Interest,
    Interests,
    Judge,
    Question,
    Verdict,
)
from unillmrec.judge.similarity import SimilarityJudge
from unillmrec.prompts import PromptSet
from unillmrec.replies.choices import Reading, read_interests, read_order, read_scores
from unillmrec.store import ItemTree
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Usage

_MOST_FAILURES = 3
# A profile of three or four interests, as prompts hold it; and what remains of an answer in JSON
# when only the phrases and weights are left.
PROFILE_LENGTH = 50
PROSE = 0.7


class LanguageModelJudge:
    """Fills a prompt, asks the endpoint, reads the reply.

    An unusable reply is complained about once; after that *fallback* answers, and the
    result says so. With a *label_bias*, an empty one for "not measured", branches are asked
    for in one token, by the probabilities of letters; where these say nothing about a
    question, it is asked as without.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        writer: PromptWriter,
        fallback: Judge,
        *,
        at_once: int = 4,
        label_bias: Bias | None = None,
    ) -> None:
        self.name = f"{endpoint.model} at {endpoint.name}"
        self.at_once = at_once
        self.works_without_vector = True
        self._endpoint = endpoint
        self._writer = writer
        self._fallback = fallback
        self._bias = label_bias or {}
        self._by_letters = _Confidence(label_bias is not None)

    @property
    def asks_by_letters(self) -> bool:
        """Whether the next short list of branches is asked about in one token."""
        return self._by_letters.holds

    @classmethod
    def of_model(
        cls, model: str, tree: ItemTree, *, base_url: str | None = None, at_once: int = 4
    ) -> LanguageModelJudge:
        """Return a judge with the bundled prompts, and the embedded judge to fall back on.

        Without *base_url* the model is where `OPENAI_BASE_URL` points, or at OpenAI; the
        key is that of `OPENAI_API_KEY`.

        Raises:
            SettingsError: there is no key where one is needed.
        """
        writer = PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model(model))
        endpoint = OpenAIEndpoint(model, base_url=base_url)
        return cls(endpoint, writer, SimilarityJudge(tree), at_once=at_once)

    @property
    def endpoint(self) -> Endpoint:
        """What is asked."""
        return self._endpoint

    def with_writer(self, writer: PromptWriter) -> LanguageModelJudge:
        """Return a judge that asks the same endpoint with other prompts, or longer ones."""
        return LanguageModelJudge(self._endpoint, writer, self._fallback, at_once=self.at_once)

    def with_fallback(self, fallback: Judge) -> LanguageModelJudge:
        """Return a judge that asks the same in the same way, such as about another tree."""
        bias = self._bias if self.asks_by_letters else None
        return LanguageModelJudge(
            self._endpoint, self._writer, fallback, at_once=self.at_once, label_bias=bias
        )

    def interests(self, question: HistoryQuestion) -> Interests:
        """Ask for a short list of weighted interests."""
        dialogue = Dialogue(self._endpoint, self._writer, question.tracker)
        readings = dialogue.ask(self._writer.ask_history(question), read_interests, bool)
        found = tuple(Interest(*pair) for pair in readings[-1])
        dropped = Dropped(asked_again=len(readings) - 1, fallbacks=0 if found else 1)
        stand_in = ""
        if not found:
            stand_in = self._fallback.name
            found = self._fallback.interests(question).interests
        return Interests(found, dropped, dialogue.usage, tuple(dialogue.exchanges), stand_in)

    def choose(self, question: Question) -> Verdict:
        """Ask for the probabilities of letters, for scores, or for an order."""
        dialogue = Dialogue(self._endpoint, self._writer, question.tracker)
        if can_be_lettered(question) and self.asks_by_letters:
            answer = self._by_one_token(question, dialogue)
            if answer.usable:
                exchanges = tuple(dialogue.exchanges)
                usage = dialogue.usage
                return Verdict(answer.scores, Dropped(), usage, exchanges, shares=answer.shares)
        return self._by_form(question, dialogue)

    def _by_one_token(self, question: Question, dialogue: Dialogue) -> LetterAnswer:
        reply = dialogue.send(self._writer.ask_letter(question))
        answer = read_letters(reply.shares, self._bias, len(question.choices))
        self._by_letters.learn(answer.usable, told=bool(reply.shares))
        return answer

    def _by_form(self, question: Question, dialogue: Dialogue) -> Verdict:
        """Ask for JSON; what *dialogue* has asked in vain before is part of the answer."""
        read = read_order if question.wants_order else read_scores
        before = len(dialogue.exchanges)
        count = len(question.choices)
        readings: tuple[Reading, ...] = dialogue.ask(
            self._writer.ask(question),
            lambda text: read(text, count),
            lambda reading: reading.usable,
        )
        last = readings[-1]
        # An unusable reply may have been all inventions; they are thrown away like any other.
        dropped = Dropped(
            invented=sum(each.invented for each in readings),
            repeated=sum(each.repeated for each in readings),
            left_out=_left_out(question, len(last.scores)),
            asked_again=before + len(readings) - 1,
            fallbacks=0 if last.usable else 1,
        )
        scores: tuple[tuple[int, float], ...] = last.scores
        stand_in = ""
        if not last.usable:
            stand_in = self._fallback.name
            scores = self._fallback.choose(question).scores
        return Verdict(scores, dropped, dialogue.usage, tuple(dialogue.exchanges), stand_in)

    def windows(self, question: Question) -> Sequence[Question]:
        """Part a question so that every prompt stays under the ceiling."""
        return self._writer.windows(question)


class _Confidence:
    """Whether letters are worth asking for: not where they failed three times in a row."""

    def __init__(self, holds: bool) -> None:
        self.holds = holds
        self._failures = 0

    def learn(self, usable: bool, *, told: bool) -> None:
        """Note how an answer turned out; a server that told nothing never will."""
        self._failures = 0 if usable else self._failures + 1
        if not told or self._failures >= _MOST_FAILURES:
            self.holds = False


def _left_out(question: Question, named: int) -> int:
    """Return how many choices an order should have named and did not."""
    return max(min(question.limit, len(question.choices)) - named, 0) * question.wants_order


class WidthLimitedJudge:
    """Answers as another judge does, over a walk no wider than one by a model; nothing is sent.

    The limits of such a walk are for whoever costs something to ask, and its questions are
    parted so that they fit a model's prompts. Those after the first carry a profile as long as
    a model's, whose answers had *spoken* tokens so far.
    """

    def __init__(
        self,
        judge: Judge,
        writer: PromptWriter,
        spoken: float | None = None,
        *,
        by_letters: bool = False,
    ) -> None:
        self.name = judge.name
        self.at_once = judge.at_once
        self.works_without_vector = judge.works_without_vector
        self._judge = judge
        self._writer = writer
        self.asks_by_letters = by_letters
        self._profile_length = PROFILE_LENGTH if spoken is None else round(PROSE * spoken)
        self._own_words: set[tuple[Interest, ...]] = set()

    def interests(self, question: HistoryQuestion) -> Interests:
        """Answer as the other judge does."""
        answer = self._judge.interests(question)
        self._own_words.add(answer.interests)
        return answer

    def choose(self, question: Question) -> Verdict:
        """Answer as the other judge does."""
        return self._judge.choose(question)

    def windows(self, question: Question) -> Sequence[Question]:
        """Part a question as it would be for a model."""
        parts = self._writer.windows(self._as_a_model_would(question))
        return tuple(replace(part, profile=question.profile) for part in parts)

    def _as_a_model_would(self, question: Question) -> Question:
        """Return a question with a profile as long as a model's, if it is not the person's own."""
        interests = question.profile.interests
        if interests not in self._own_words:
            return question
        text = question.profile.text()
        times = -(-self._profile_length // max(self._writer.counter.count(text), 1))
        long = self._writer.counter.cut("\n".join([text] * times), self._profile_length)
        return replace(question, profile=replace(question.profile, interests=(Interest(long, 1),)))


class EstimatingJudge(WidthLimitedJudge):
    """Answers as another judge does, and bills what asking a model would have cost.

    Nothing is sent: the counts a server would report stay unknown, the estimates are those
    of the real prompts.
    """

    def interests(self, question: HistoryQuestion) -> Interests:
        """Answer, with the estimate of the profile prompt."""
        exchange = self._not_sent(self._writer.ask_history(question), question.tracker)
        return replace(super().interests(question), usage=exchange.usage, exchanges=(exchange,))

    def choose(self, question: Question) -> Verdict:
        """Answer, with the estimate of the prompt."""
        told = self._as_a_model_would(question)
        lettered = self.asks_by_letters and can_be_lettered(question)
        request = self._writer.ask_letter(told) if lettered else self._writer.ask(told)
        exchange = self._not_sent(request, question.tracker)
        return replace(super().choose(question), usage=exchange.usage, exchanges=(exchange,))

    def _not_sent(self, request: Request, tracker: BudgetTracker | None) -> Exchange:
        prompt, completion = self._writer.estimate(request)
        if tracker is not None:
            # A budget ends a plan where it would end the run.
            longest = self._writer.counter.at_most([each.content for each in request.messages])
            tracker.reserve(longest, request.max_output).settle(Usage(1, prompt, completion))
        usage = Usage(1, None, None, None, None, prompt, completion)
        messages = tuple((each.role, each.content) for each in request.messages)
        return Exchange(messages, reply="", usage=usage, asked_with="not sent")
