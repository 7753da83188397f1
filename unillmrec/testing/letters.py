"""Letter probabilities of a simulated model, as a server reports them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from unillmrec.testing.sensible import shared_words

_LINE = re.compile(r"^([A-Z])\. (\S.*)$", re.MULTILINE)
# One shared word makes a line this much likelier, in log odds.
_PER_WORD = 0.8
# The probability of tokens that are not labels, and these tokens.
_OFF = 0.04
_STRAY = ("The", "I", "**")
_SHOWN = 20
# The probability of a text that the test wrote and the model would hardly write.
_UNLIKELY = 1e-4


def labelled(prompt: str) -> bool:
    """Return whether *prompt* is a list of lettered lines that is answered with one letter."""
    return len(_LINE.findall(prompt)) > 1


def label_odds(prompt: str, bias: Sequence[float] = ()) -> dict[str, float]:
    """Return the probability of each letter, from shared words and the bias."""
    lines = _LINE.findall(prompt)
    shared = shared_words([text for _, text in lines], _LINE.sub("", prompt))
    shifts = [*bias, *[0.0] * len(lines)]
    odds = [
        math.exp(_PER_WORD * words + shift) for words, shift in zip(shared, shifts, strict=False)
    ]
    total = sum(odds)
    return {
        letter: (1 - _OFF) * each / total for (letter, _), each in zip(lines, odds, strict=True)
    }


def most_probable(prompt: str, bias: Sequence[float] = ()) -> str:
    """Return the most probable letter."""
    odds = label_odds(prompt, bias)
    return max(odds, key=lambda letter: odds[letter])


def label_logprobs(prompt: str, text: str, bias: Sequence[float] = ()) -> dict[str, object]:
    """Return the `logprobs` of a choice with this *text*, for its first token.

    A tenth of a letter's probability goes to its token with a leading blank, as in real
    vocabularies.
    """
    odds = label_odds(prompt, bias) if labelled(prompt) else {text.split(" ")[0]: 1 - _OFF}
    alternatives = {stray: _OFF / len(_STRAY) for stray in _STRAY}
    for letter, probability in odds.items():
        alternatives[letter] = probability * 0.9
        alternatives[f" {letter}"] = probability * 0.1
    ranked = sorted(alternatives.items(), key=lambda pair: -pair[1])[:_SHOWN]
    first = text.split(" ")[0]
    first_token = {
        "token": first,
        "logprob": math.log(alternatives.get(first, _UNLIKELY)),
        "bytes": None,
    }
    others = [
        {"token": token, "logprob": math.log(probability), "bytes": None}
        for token, probability in ranked
    ]
    return {"content": [first_token | {"top_logprobs": others}]}
