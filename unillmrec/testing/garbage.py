"""Bad replies of models and servers, generated deterministically."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence

Make = Callable[[random.Random, int], str]


def garbage_reply(chance: random.Random, count: int) -> str:
    """Return a reply to a question with *count* choices that may be wrong in some way."""
    kind = chance.choice(tuple(KINDS))
    text = KINDS[kind](chance, count)
    return _damaged(chance, text) if chance.random() < 0.3 else text


def valid_reply(chance: random.Random, count: int) -> str:
    """Return a valid reply in one of the requested formats."""
    numbers = _numbers(chance, count)
    if (form := chance.randrange(3)) == 0:
        return json.dumps({"order": numbers})
    if form == 1:
        picks = [{"number": n, "score": chance.randrange(101)} for n in numbers]
        return json.dumps({"picks": picks}, indent=chance.choice((None, 2)))
    interests = [
        {"interest": " ".join(_words(chance, 3)), "weight": chance.randrange(1, 60)}
        for _ in range(chance.randrange(1, 5))
    ]
    return json.dumps({"interests": interests}, ensure_ascii=chance.random() < 0.5)


def disguised(chance: random.Random, text: str) -> str:
    """Wrap a valid reply as models do, without changing its content."""
    word = " ".join(_words(chance, 4))
    return chance.choice(
        [
            f"```json\n{text}\n```",
            f"~~~\n{text}\n~~~",
            f"<think>\nMaybe [2, 1]? {word}\n</think>\n\n{text}",
            f'<thinking>{{"order": [1]}} {word}</thinking>{text}',
            f"Sure, here is what {word}:\n\n{text}\n\nI hope that helps!",
            f"There are 3 good ones. {text}",
            f"\ufeff  \n\n{text}\n" + " \n" * chance.randrange(2000),
            f"**Answer:** {text}",
            text.translate({48 + digit: 0xFF10 + digit for digit in range(10)}),
            text.translate({48 + digit: 0x0660 + digit for digit in range(10)}),
        ]
    )


def huge_reply(chance: random.Random, length: int = 5_000_000) -> str:
    """Return a text of *length* characters that repeats a few pieces."""
    pieces = [garbage_reply(chance, 9)[:300] if chance.random() < 0.3 else chance.choice(_PIECES)]
    pieces += [chance.choice(_PIECES) for _ in range(chance.randrange(4))]
    piece = "".join(pieces) or " "
    return (piece * (length // len(piece) + 1))[:length]


def _numbers(chance: random.Random, count: int) -> list[int]:
    wanted = chance.randint(1, max(1, min(count, 30)))
    return chance.sample(range(1, max(count, 1) + 1), wanted)


def _words(chance: random.Random, count: int) -> list[str]:
    return chance.choices(_WORDS, k=count)


def _wrong(chance: random.Random, count: int) -> str:
    """Numbers that are not on the list, are repeated, or are no numbers."""
    numbers: list[object] = [*_numbers(chance, count)]
    strange: list[object] = [
        0,
        -1,
        count + 1,
        10**9,
        10**30,
        2.5,
        3.0,
        True,
        None,
        "two",
        "\uff13",
        "#4",
        "[1]",
    ]
    strange += [float("nan"), float("inf"), [], {}, [[1]], {"number": {"number": 1}}, "1. A title"]
    for _ in range(chance.randrange(1, 12)):
        numbers.insert(chance.randrange(len(numbers) + 1), chance.choice([*strange, *numbers]))
    if chance.random() < 0.5:
        numbers = [
            {chance.choice(_NAMES): n, chance.choice(_SCORES): _odd(chance)} for n in numbers
        ]
    return json.dumps({chance.choice(("picks", "order", "choices", "PICKS", "result")): numbers})


def _odd(chance: random.Random) -> object:
    return chance.choice([-5, 0, 0.4, 50, 99.5, 101, 10**20, "80%", "high", None, [], 1e308])


def _prose(chance: random.Random, count: int) -> str:
    """Sentences with numbers in them, and perhaps an order."""
    numbers = _numbers(chance, count)
    chain = " > ".join(f"[{n}]" for n in numbers)
    words = " ".join(_words(chance, 8))
    return chance.choice(
        [
            f"There are {chance.randrange(99)} good ones: {chain}",
            f"I would take {words} and number {chance.randrange(99)}, in 2 steps of 3.",
            "\n".join(f"{place}. {n}: {words}" for place, n in enumerate(numbers, 1)),
            "\n".join(f"- **{n}** ({chance.randrange(120)}%)" for n in numbers),
            f"{chain}\n{words} {chance.randrange(10**6)}\n> {words}",
            ", ".join(map(str, numbers)) + f" ({words})",
        ]
    )


def _refusal(chance: random.Random, count: int) -> str:
    return chance.choice(
        [
            "I'm sorry, but I can't help with that.",
            f"As a model I have no taste. The 1st of the {count} is fine, as are 2 others.",
            '{"error": {"message": "content filter", "code": 400}}',
            '{"refusal": "no", "picks": null}',
            "Sorry 1! " * 50,
        ]
    )


def _page(chance: random.Random, count: int) -> str:
    body = f"<p>{' '.join(_words(chance, 20))}</p><li>1. {chance.randrange(count + 1)}</li>"
    head = chance.choice(("<!DOCTYPE html>", "<html>", "<?xml version='1.0'?>", "<body>"))
    return f"{head}<head><title>502 Bad Gateway</title></head>{body * chance.randrange(1, 20)}"


def _bytes(chance: random.Random, count: int) -> str:
    content = chance.randbytes(chance.randrange(400))
    how = chance.choice(("latin-1", "utf-8", "utf-16-le", "cp1252"))
    return content.decode(how, "surrogateescape" if how == "utf-8" else "replace")


def _heap(chance: random.Random, count: int) -> str:
    return "".join(chance.choices(_PIECES, k=chance.randrange(80)))


def _nested(chance: random.Random, count: int) -> str:
    opening, closing = chance.choice([("[", "]"), ('{"picks":', "}"), ('{"a":[', "]}"), ("(", ")")])
    depth = chance.randrange(120)
    return (
        opening * depth + str(chance.randrange(count + 2)) + closing * chance.randrange(depth + 1)
    )


def _several(chance: random.Random, count: int) -> str:
    between = chance.choice(("\n", " ", "", "\n---\n", "</think>", "```"))
    return between.join(garbage_reply(chance, count) for _ in range(chance.randrange(2, 4)))


def _cut(chance: random.Random, count: int) -> str:
    text = valid_reply(chance, count)
    return text[: chance.randrange(len(text) + 1)]


def _unfinished(chance: random.Random, count: int) -> str:
    return "<think>" + " ".join(_words(chance, 60)) + _prose(chance, count)


def _damaged(chance: random.Random, text: str) -> str:
    """Remove, insert and reorder pieces at random."""
    for _ in range(chance.randrange(1, 5)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.randrange(12))
        piece = chance.choice([chance.choice(_PIECES), text[start:end][::-1], ""])
        text = text[:start] + piece + text[end:]
    return text


_WORDS: Sequence[str] = (
    *("quiet", "books", "of", "the", "sea", "7", "and", "Caf\u00e9", "\u6d77", "42%", "no. 3"),
    *("I", "would", "choose", "[5]", "because", "3-4", "\u0634\u0639\u0631", "\U0001f600"),
)
_NAMES = ("number", "choice", "id", "Number", "index", "item", "title", "score")
_SCORES = ("score", "rating", "probability", "weight", "SCORE", "why")
_PIECES: Sequence[str] = (
    *"[]{}:,\"'\\ \n\r\t.>-%#*()`|;&=+",
    *("1", "2", "7", "80", "3.0", "0.5", "1e400", "-1", "9" * 40, "\uff13", "\u0663", "\u00b2"),
    *("true", "null", "NaN", "Infinity", '"picks"', '"order"', '"interests"', '"number"'),
    *('"score"', '"interest"', '"weight"', '"\\u0033"', "<think>", "</think>", "```json\n"),
    *("1. ", "- ", "2) ", "[3] > ", "3: 80\n", '{"picks": [', '{"picks":[]}', "]}", "\0"),
    *("\ud800", "\u202e", "\u200b", "\U000e0041", "</choices>", "<|im_end|>", "<html>", "\u2028"),
)

KINDS: Mapping[str, Make] = {
    "valid": valid_reply,
    "disguised": lambda chance, count: disguised(chance, valid_reply(chance, count)),
    "cut off": _cut,
    "wrong numbers": _wrong,
    "prose": _prose,
    "refusal": _refusal,
    "web page": _page,
    "bytes": _bytes,
    "heap": _heap,
    "nested": _nested,
    "several": _several,
    "unfinished thought": _unfinished,
    "empty": lambda chance, count: chance.choice(("", " \n" * 9, "\0", "null", "[]", "{}")),
}
"""What a reply can be, by name: from a random source and the number of choices."""
