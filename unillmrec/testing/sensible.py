"""Plausible, deterministic answers computed from the words of a prompt."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Sequence

_CHOICE = re.compile(r"^\s*[\[(]?(\d{1,4})[\])]?[.:)]?\s+(\S.*)$")
_WORD = re.compile(r"[^\W\d_]{4,}")
_FORMS = ("picks", "order", "interests", "descriptions")
# Words that every prompt is full of say nothing about a person.
_EMPTY = frozenset(
    re.findall(
        r"\w+",
        """about after again answer also another been choose choices each every first from have
        here history interest interests into item items json last list most name number numbers
        only order other person picks rank score scores should some such than that their them
        then there these they this those titles what when where which while with word would
        your""",
    )
)
_MOST_PICKS = 12
_VECTOR_LENGTH = 64


def sensible_answer(prompt: str, form: str | None = None) -> str:
    """Return JSON that answers *prompt*.

    *form* is "picks", "order", "interests" or "descriptions"; by default it is the last of these
    words quoted in the prompt, since prompts show the requested format. Choices are the last lines
    numbered from one; those that share words with the rest of the prompt win.
    """
    form = form or asked_form(prompt)
    if form == "interests":
        return json.dumps({"interests": _interests(prompt)}, ensure_ascii=False)
    if form == "descriptions":
        return json.dumps({"descriptions": _descriptions(prompt)}, ensure_ascii=False)
    scores = _scores(prompt)
    ranked = sorted(scores, key=lambda number: (-scores[number], number))
    if form == "order":
        return json.dumps({"order": ranked})
    picks = [{"number": number, "score": scores[number]} for number in ranked[:_MOST_PICKS]]
    return json.dumps({"picks": picks})


def sensible_prose(answer: str) -> str:
    """Write the content of `sensible_answer` as prose, like a model that ignores JSON."""
    value = json.loads(answer)
    if "order" in value:
        return "I would read them in this order: " + " > ".join(f"[{n}]" for n in value["order"])
    if "descriptions" in value:
        lines = [f"{one['number']}. {one['summary']}" for one in value["descriptions"]]
    elif "picks" in value:
        lines = [f"{pick['number']}: {pick['score']}" for pick in value["picks"]]
    else:
        lines = [f"- {one['interest']} ({one['weight']}%)" for one in value["interests"]]
    return "\n".join(["Sure! This is what I think:", *lines])


def sensible_vector(text: str) -> list[float]:
    """Return a unit vector that is similar for texts with the same words."""
    vector = [0.0] * _VECTOR_LENGTH
    for word in re.findall(r"\w+", text.lower()) or [text]:
        digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=4).digest()
        number = int.from_bytes(digest, "big")
        vector[number % _VECTOR_LENGTH] += 1.0 if number >> 31 else -1.0
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


def asked_form(prompt: str) -> str:
    """Return the format of reply that *prompt* shows last."""
    places = {form: prompt.rfind(f'"{form}"') for form in _FORMS}
    return max(places, key=lambda form: places[form])


def _scores(prompt: str) -> dict[int, int]:
    """Return a score from 5 to 95 for each choice."""
    shared = shared_words(*_choices(prompt.splitlines()))
    most = max(shared, default=0) or 1
    return {number: 5 + round(90 * each / most) for number, each in enumerate(shared, start=1)}


def shared_words(choices: Sequence[str], rest: str) -> list[int]:
    """Return, for each of *choices*, how many words it shares with *rest*."""
    wanted = _words(rest)
    return [sum(wanted[word] for word in _words(choice)) for choice in choices]


def _choices(lines: Sequence[str]) -> tuple[list[str], str]:
    """Split the last list numbered from one from all other lines."""
    choices: list[str] = []
    inside: set[int] = set()
    for position, line in enumerate(lines):
        match = _CHOICE.match(line)
        number = int(match[1]) if match else 0
        if number == 1:
            choices, inside = [], set()
        if match and number == len(choices) + 1:
            choices.append(match[2])
            inside.add(position)
    rest = "\n".join(line for position, line in enumerate(lines) if position not in inside)
    return choices, rest


def _interests(prompt: str) -> list[dict[str, object]]:
    common = [word for word, _ in _words(prompt).most_common(6)]
    pairs = [" ".join(common[start : start + 2]) for start in range(0, len(common), 2)]
    weights = (50, 30, 20)
    return [
        {"interest": f"things about {pair}", "weight": weight}
        for pair, weight in zip(pairs or ["anything"], weights, strict=False)
    ]


def _descriptions(prompt: str) -> list[dict[str, object]]:
    """Return, for each choice, its first words that do not come first in another one."""
    choices, _ = _choices(prompt.splitlines())
    descriptions = []
    seen: set[str] = set()
    for number, choice in enumerate(choices, start=1):
        fresh = dict.fromkeys(_WORD.findall(choice)).keys() - seen - _EMPTY
        words = [word for word in dict.fromkeys(_WORD.findall(choice)) if word in fresh][:4]
        seen.update(words)
        descriptions.append({"number": number, "summary": f"about {', '.join(words) or number}"})
    return descriptions


def _words(text: str) -> Counter[str]:
    words = (word for word in _WORD.findall(text.lower()) if word not in _EMPTY)
    return Counter(words)
