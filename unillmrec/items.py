"""Items, and how their untrusted text becomes one harmless line."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

Value: TypeAlias = str | int | float | bool | tuple[str, ...]
"""What an attribute may hold. A missing value is a missing key, never None."""


# `json.dumps` makes an encoder anew for each call that asks for more than its defaults.
_encode = json.JSONEncoder(ensure_ascii=False).encode
_encode_sorted = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a catalog.

    *path* is the catalog's own category path, coarse to fine; *attributes* are all other
    columns, typed.
    """

    id: str
    title: str
    text: str = ""
    path: tuple[str, ...] = ()
    attributes: Mapping[str, Value] = field(default_factory=dict)

    def content_hash(self) -> bytes:
        """Return eight bytes that change when anything about the item changes."""
        head = _encode([self.id, self.title, self.text, self.path])
        return _hashed(head, _encode_sorted(self.attributes))


def content_hashes(items: Sequence[Item]) -> list[bytes]:
    """Return the content hash of each item, at a third of the price of asking each for it."""
    heads = encoded_apart([[each.id, each.title, each.text, each.path] for each in items], _encode)
    attributes = encoded_apart([each.attributes for each in items], _encode_sorted)
    return list(map(_hashed, heads, attributes))


def _hashed(head: str, attributes: str) -> bytes:
    content = f"{head[:-1]}, {attributes}]"
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def encoded_apart(
    values: Sequence[Sequence[object]] | Sequence[Mapping[str, object]],
    encode: Callable[[object], str] = _encode,
) -> list[str]:
    """Return the JSON of each value, made in one call: most of what a call takes is its start.

    The values are all objects, or all lists, and hold no lists of such ones.
    """
    if not values:
        return []
    together = encode(list(chain.from_iterable((each, "") for each in values)))
    # Inside a text a quotation mark is escaped, so that no text holds what stands between.
    begin, end = together[1], together[-6]
    return [f"{begin}{inside}{end}" for inside in together[2:-6].split(f'{end}, "", {begin}')]


# Cc control, Cf format (bidi marks, zero width, tags), Cs surrogates, Co private use, Cn
# unassigned: none of them is needed to read a title, and each can hide an instruction in one.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# As invisible, and in other categories: fillers, and the selectors that can carry hidden bytes.
_HIDDEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
# Zero-width joiner and non-joiner shape real letters in Indic scripts and Persian, and emoji;
# anywhere else they only hide what stands beside them.
_JOINERS = "\u200c\u200d"
_LOOSE_JOINERS = re.compile(f"(?<![^\0-\x7f])[{_JOINERS}]+|[{_JOINERS}]+(?![^\0-\x7f])")
_WHITE = re.compile(r"\s+")
# Only the beginning of a line can pose as a choice: "12. ", "[3]", "(4) ", "5) ". Its number stays,
# for it may be the title's own; what made it look like a label goes. Years have four digits, and
# "12.5" is a number.
_CLOSING = r"[\])>}\uff09\uff3d\uff5d\u3011]+"
_POSING = re.compile(
    rf"^(?:[\[(<{{\uff08\uff3b\uff5b\u3010]\s*(\d{{1,3}})\s*{_CLOSING}"
    rf"|(\d{{1,3}})\s*(?:\.?{_CLOSING}|[.\uff0e\u3001\u3002]+(?!\d)|[:\uff1a](?!\d)))\s*"
)
_MARKUP = re.compile(r"^[-*#>=~`|\s]+")
_FENCE = re.compile(r"`{3,}|~{3,}|<\|[^|>]{0,40}\|>|<{2,}|>{2,}|-{3,}|={3,}|#{3,}")
# What closes a list in a prompt, opens a turn in a chat, or begins an answer of ours; each loses
# what makes it that, and keeps its words. White space is squeezed before.
_OURS = re.compile(
    r"[<\uff1c] ?[/\uff0f]? ?((?:choices|person|history|items|others|system|user|assistant|s"
    r"|start_of_turn|end_of_turn)\b[^<>\uff1c\uff1e]{0,40}?) ?/?[>\uff1e]"
    r"|\[ ?/? ?(inst|sys) ?\]"
    r"|\{ ?[\"'\u201c]?(picks|order|interests|descriptions)[\"'\u201d]? ?: ?\[?",
    re.IGNORECASE,
)
_ROLE = re.compile(r"^(system|assistant|user) ?[:\uff1a] ?", re.IGNORECASE)


def one_line(text: str, limit: int = 300) -> str:
    """Flatten untrusted *text* to one line of at most *limit* characters.

    Invisible characters go, white space is squeezed, fences and chat markers are taken
    out, and a beginning that would look like one of our numbered choices loses its dot or
    brackets. So do the tags of our prompts and the forms of our answers. What is left of a
    text made of nothing else is an empty string.
    """
    # A hostile text may be megabytes long; what is beyond a few times the limit cannot show.
    text = text[: limit * 8]
    if not text.isascii() or not text.isprintable():
        text = _HIDDEN.sub("", unicodedata.normalize("NFC", text))
        text = _LOOSE_JOINERS.sub("", "".join(map(_visible, text)))
    text = _WHITE.sub(" ", _FENCE.sub(" ", text)).strip()
    if "<" in text or "[" in text or "{" in text or "\uff1c" in text:
        text = _WHITE.sub(" ", _OURS.sub(r" \1\2\3 ", text)).strip()
    text = _POSING.sub(r"\1\2 ", _MARKUP.sub("", text)).strip()
    text = _ROLE.sub(r"\1 ", text).strip()
    if len(text) > limit:
        text = text[: limit - 1].rstrip() + "…"
    return text


def _visible(character: str) -> str:
    if character in _JOINERS:
        return character
    if character.isspace():
        return " "
    return "" if unicodedata.category(character) in _INVISIBLE else character
