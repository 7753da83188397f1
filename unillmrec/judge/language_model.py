"""The judge that asks a language model."""

from __future__ import annotations

from collections.abc import Sequence

from unillmrec.endpoint import Endpoint, OpenAIEndpoint
from unillmrec.judge.prompting.dialogue import Dialogue
from unillmrec.judge.prompting.letters import (
    Bias,
    LetterAnswer,
    can_be_lettered,
    read_letters,
)
from unillmrec.judge.prompting.prompt_writer import CONTRACTS, PromptWriter
from unillmrec.judge.questions import (
    Dropped,
    HistoryQuestion,
    Interest,
    Interests,
    Judge,
    Question,
    Verdict,
)
from unillmrec.judge.similarity import SimilarityJudge
from unillmrec.prompts import PromptSet
from unillmrec.replies.choices import ChoiceReading, read_interests, read_order, read_scores
from unillmrec.store import ItemTree
from unillmrec.tokens import TokenCounter

_MOST_FAILURES = 3


class LanguageModelJudge:
    """Asks a language model: writes the prompt, calls the endpoint, reads the reply.

    After an unusable reply the model is asked once more; then *fallback* answers, and the result
    says so. With a *label_bias* (empty if not measured), questions about branches are answered
    by one token, with the probabilities of letters as scores. Where the letters are of no use, the
    question is asked again in the ordinary way.
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
        self._letters = _LetterSwitch(label_bias is not None)

    @property
    def asks_by_letters(self) -> bool:
        """Whether the next short question about branches is answered by one letter."""
        return self._letters.on

    @classmethod
    def of_model(
        cls, model: str, tree: ItemTree, *, base_url: str | None = None, at_once: int = 4
    ) -> LanguageModelJudge:
        """Return a judge with the bundled prompts and the embedded judge as its fallback.

        Without *base_url* the model is at `OPENAI_BASE_URL`, or at OpenAI; the key comes from
        `OPENAI_API_KEY`.

        Raises:
            SettingsError: there is no key where one is needed.
        """
        writer = PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model(model))
        endpoint = OpenAIEndpoint(model, base_url=base_url)
        return cls(endpoint, writer, SimilarityJudge(tree), at_once=at_once)

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint that answers."""
        return self._endpoint

    def with_writer(self, writer: PromptWriter) -> LanguageModelJudge:
        """Return a judge that asks the same endpoint with other prompts or longer ones."""
        return LanguageModelJudge(self._endpoint, writer, self._fallback, at_once=self.at_once)

    def with_fallback(self, fallback: Judge) -> LanguageModelJudge:
        """Return the same judge with another fallback, for example to ask about another tree."""
        bias = self._bias if self.asks_by_letters else None
        return LanguageModelJudge(
            self._endpoint, self._writer, fallback, at_once=self.at_once, label_bias=bias
        )

    def interests(self, question: HistoryQuestion) -> Interests:
        """Ask for a short list of weighted interests."""
        dialogue = Dialogue(self._endpoint, self._writer, question.tracker)
        readings = dialogue.ask(self._writer.history_request(question), read_interests, bool)
        interests = tuple(Interest(*pair) for pair in readings[-1])
        dropped = Dropped(asked_again=len(readings) - 1, fallbacks=0 if interests else 1)
        fallback = ""
        if not interests:
            fallback = self._fallback.name
            interests = self._fallback.interests(question).interests
        return Interests(interests, dropped, dialogue.usage, tuple(dialogue.exchanges), fallback)

    def choose(self, question: Question) -> Verdict:
        """Ask for letter probabilities, scores or an order, whichever suits the question."""
        dialogue = Dialogue(self._endpoint, self._writer, question.tracker)
        if can_be_lettered(question) and self.asks_by_letters:
            answer = self._ask_for_letter(question, dialogue)
            if answer.usable:
                exchanges = tuple(dialogue.exchanges)
                usage = dialogue.usage
                return Verdict(answer.scores, Dropped(), usage, exchanges, shares=answer.shares)
        return self._ask_for_json(question, dialogue)

    def _ask_for_letter(self, question: Question, dialogue: Dialogue) -> LetterAnswer:
        reply = dialogue.send(self._writer.letter_request(question))
        answer = read_letters(reply.shares, self._bias, len(question.choices))
        self._letters.update(answer.usable, reported=bool(reply.shares))
        return answer

    def _ask_for_json(self, question: Question, dialogue: Dialogue) -> Verdict:
        """Ask for scores or an order; unsuccessful calls already in *dialogue* are included."""
        read = read_order if question.wants_order else read_scores
        before = len(dialogue.exchanges)
        count = len(question.choices)
        readings: tuple[ChoiceReading, ...] = dialogue.ask(
            self._writer.request(question),
            lambda text: read(text, count),
            lambda reading: reading.usable,
        )
        last = readings[-1]
        # An unusable reply may consist of inventions; they are counted like any others.
        dropped = Dropped(
            invented=sum(each.invented for each in readings),
            repeated=sum(each.repeated for each in readings),
            left_out=_left_out(question, len(last.scores)),
            asked_again=before + len(readings) - 1,
            fallbacks=0 if last.usable else 1,
        )
        scores: tuple[tuple[int, float], ...] = last.scores
        fallback = ""
        if not last.usable:
            fallback = self._fallback.name
            scores = self._fallback.choose(question).scores
        return Verdict(scores, dropped, dialogue.usage, tuple(dialogue.exchanges), fallback)

    def windows(self, question: Question) -> Sequence[Question]:
        """Split a question so that every prompt stays under the token ceiling."""
        return self._writer.windows(question)


class _LetterSwitch:
    """Turns letters off for good after three useless answers in a row."""

    def __init__(self, on: bool) -> None:
        self.on = on
        self._failures = 0

    def update(self, usable: bool, *, reported: bool) -> None:
        """Count an answer; a server that reported no probabilities will not report any later."""
        self._failures = 0 if usable else self._failures + 1
        if not reported or self._failures >= _MOST_FAILURES:
            self.on = False


def _left_out(question: Question, ranked: int) -> int:
    """Return how many choices are missing from an order of *ranked* choices."""
    return max(min(question.limit, len(question.choices)) - ranked, 0) * question.wants_order
