"""The log probability of titles after a text, from a model in this process.

A title is scored with what stands before it and without: the question needs no instructions, so
small models can answer it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

# Titles that are scored in one call of the model share its batch of tokens.
TOKENS_A_BATCH = 1024
CONTEXT = 4096
MOST_TITLES = 32
# Several titles are compared, so one long title must not fill the batch.
TOKENS_A_TITLE = 48


@dataclass(frozen=True, slots=True)
class TitleScore:
    """The sum of the log probabilities of a title's tokens, and how many these are."""

    log_probability: float
    tokens: int


class TitleScorer:
    """Score titles after a text with the model in a GGUF file.

    The text is read once, and all titles share it. *read* counts the tokens that the model has
    read so far, *reused* those it did not need to read again. Use it from one thread at a time.

    Raises:
        SystemExit: the package that runs the model is not installed.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        engine = _import_engine()
        # The engine asks the model for the size of the vocabulary, which only this has.
        kind = type("_Model", (engine.LlamaModel,), {"n_vocab": 0})
        self._model = kind(str(path), engine.LlamaModelParams())
        self._vocabulary = self._model.get_vocab()
        self._model.n_vocab = self._vocabulary.n_vocab
        parameters = engine.LlamaContextParams()
        parameters.n_ctx, parameters.n_batch = CONTEXT, TOKENS_A_BATCH
        parameters.n_seq_max, parameters.kv_unified = MOST_TITLES + 1, True
        parameters.n_threads = parameters.n_threads_batch = threads
        self._context = engine.LlamaContext(self._model, parameters)
        self._new_batch: Callable[[], Any] = lambda: engine.LlamaBatch(
            n_tokens=TOKENS_A_BATCH, embd=0, n_seq_max=MOST_TITLES + 1
        )
        self._prefix: list[int] = []
        self._next: np.ndarray = np.zeros(0)
        self.read = self.reused = 0

    def score(self, text: str, titles: Sequence[str]) -> list[TitleScore]:
        """Return how probable each title is as the continuation of *text*."""
        self._set_prefix(self._tokens(text, start=True))
        written = [self._tokens(title)[:TOKENS_A_TITLE] for title in titles]
        scores: list[TitleScore] = []
        while len(scores) < len(written):
            part = _fitting(written[len(scores) :])
            scores += self._score_batch(part)
        return scores

    def _set_prefix(self, tokens: list[int]) -> None:
        """Read *tokens* as the beginning of every title, but for what is read already."""
        tokens = tokens[-(CONTEXT // 2) :]
        if tokens == self._prefix:
            self.reused += len(tokens)
            return
        shared = _shared_length(self._prefix, tokens[:-1])
        self._context.memory_seq_rm(0, shared, -1)
        self.reused += shared
        for start in range(shared, len(tokens), TOKENS_A_BATCH):
            batch = self._new_batch()
            for place in range(start, min(start + TOKENS_A_BATCH, len(tokens))):
                batch.add(tokens[place], place, [0], place == len(tokens) - 1)
            self._context.decode(batch)
        self.read += len(tokens) - shared
        self._prefix = tokens
        self._next = _log_softmax(self._context.get_logits_ith(-1))

    def _score_batch(self, titles: Sequence[list[int]]) -> list[TitleScore]:
        """Score titles in one call; each is a sequence of its own behind the shared text."""
        start, batch, places = len(self._prefix), self._new_batch(), []
        for number, tokens in enumerate(titles, start=1):
            self._context.memory_seq_cp(0, number, 0, -1)
            # The last token is predicted and predicts nothing.
            for at, token in enumerate(tokens[:-1]):
                batch.add(token, start + at, [number], True)
                places.append((number - 1, tokens[at + 1]))
        if places:
            self._context.decode(batch)
        sums = [float(self._next[tokens[0]]) if tokens else 0.0 for tokens in titles]
        for row, (title, token) in enumerate(places):
            sums[title] += float(_log_softmax(self._context.get_logits_ith(row))[token])
        for number in range(1, len(titles) + 1):
            self._context.memory_seq_rm(number, 0, -1)
        self.read += len(places)
        self.reused += len(self._prefix) * max(len(titles) - 1, 0)
        return [TitleScore(total, len(tokens)) for total, tokens in zip(sums, titles, strict=True)]

    def _tokens(self, text: str, *, start: bool = False) -> list[int]:
        # Special tokens in a title are text: it may have been written to confuse the model.
        found: list[int] = list(self._vocabulary.tokenize(text, start and self._starts, False))
        return found

    @cached_property
    def _starts(self) -> bool:
        return bool(self._vocabulary.get_add_bos())

    def close(self) -> None:
        """Free the memory of the model."""
        self._context.close()
        self._model.close()


def _import_engine() -> Any:
    try:
        import cyllama.llama.llama_cpp as engine
    except ImportError as error:
        raise SystemExit("Scoring titles needs cyllama. Try: pip install cyllama") from error
    return engine


def _fitting(titles: Sequence[list[int]]) -> Sequence[list[int]]:
    """Return the first of *titles* that fit into one batch; at least one."""
    total = 0
    for count, tokens in enumerate(titles[:MOST_TITLES]):
        total += len(tokens)
        if total > TOKENS_A_BATCH:
            return titles[: max(count, 1)]
    return titles[:MOST_TITLES]


def _shared_length(one: Sequence[int], other: Sequence[int]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _log_softmax(logits: Sequence[float]) -> np.ndarray:
    values = np.asarray(logits, dtype=np.float64)
    values -= values.max()
    log_probabilities: np.ndarray = values - np.log(np.exp(values).sum())
    return log_probabilities
