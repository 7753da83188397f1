"""The judge that asks a language model."""

from __future__ import annotations

from collections.abc import Sequence

from unillmrec.endpoint import Endpoint, OpenAIEndpoint
from unillmrec.judge.prompting.choice_dialogue import ask_for_choices
from unillmrec.judge.prompting.dialogue import Dialogue
from unillmrec.judge.prompting.history_dialogue import ask_for_interests
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
from unillmrec.replies.uninformative import Answer, Pattern, find_pattern
from unillmrec.store import ItemTree
from unillmrec.tokens import TokenCounter

_MOST_FAILURES = 3


class LanguageModelJudge:
    """Asks a language model: writes the prompt, calls the endpoint, reads the reply.

    After a reply that is unusable or carries no information about the person (see
    `unillmrec.replies.uninformative`) the model is asked once more; then *fallback* answers, and
    the result says so. With a *label_bias* (empty if not measured), questions about branches are
    answered by one token, with the probabilities of letters as scores. Where the letters are of no
    use, the question is asked again in the ordinary way.
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
        readings = ask_for_interests(question, dialogue)
        last = readings[-1]
        interests = tuple(Interest(*pair) for pair in last.interests)
        fallback = ""
        if not last.usable:
            fallback = self._fallback.name
            interests = self._fallback.interests(question).interests
        dropped = Dropped(
            asked_again=len(readings) - 1,
            fallbacks=int(not last.usable),
            uninformative=int(any(each.pattern for each in readings)),
        )
        return Interests(interests, dropped, dialogue.usage, tuple(dialogue.exchanges), fallback)

    def choose(self, question: Question) -> Verdict:
        """Ask for letter probabilities, scores or an order, whichever suits the question."""
        dialogue = Dialogue(self._endpoint, self._writer, question.tracker)
        pattern: Pattern = ""
        if can_be_lettered(question) and self.asks_by_letters:
            answer, pattern = self._ask_for_letter(question, dialogue)
            if answer.usable and not pattern:
                exchanges = tuple(dialogue.exchanges)
                usage = dialogue.usage
                return Verdict(answer.scores, Dropped(), usage, exchanges, shares=answer.shares)
        return self._ask_for_json(question, dialogue, pattern)

    def _ask_for_letter(
        self, question: Question, dialogue: Dialogue
    ) -> tuple[LetterAnswer, Pattern]:
        """Ask for a letter; return its probabilities, and the pattern they fit, if any."""
        reply = dialogue.send(self._writer.letter_request(question))
        answer = read_letters(reply.shares, self._bias, len(question.choices))
        pattern: Pattern = ""
        if answer.usable:
            pattern = find_pattern(Answer(answer.scores, len(question.choices)))
            dialogue.mark_uninformative(pattern)
        self._letters.update(answer.usable, reported=bool(reply.shares))
        return answer, pattern

    def _ask_for_json(self, question: Question, dialogue: Dialogue, tried: Pattern) -> Verdict:
        """Ask for scores or an order; the calls already in *dialogue* are included."""
        answer = ask_for_choices(question, dialogue, tried)
        scores, fallback = answer.scores, ""
        if not answer.informative:
            fallback = self._fallback.name
            scores = self._fallback.choose(question).scores
        exchanges = tuple(dialogue.exchanges)
        return Verdict(scores, answer.dropped, dialogue.usage, exchanges, fallback)

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
