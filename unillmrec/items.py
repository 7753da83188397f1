"""Items, and how their untrusted text becomes one harmless line."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import NamedTuple, TypeAlias

# A text longer than this is flattened anew each time; remembering it would cost too much memory.
REMEMBERED = 1_000

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

    def __hash__(self) -> int:
        # Attributes may be a dict, which has none; equal items have equal ids.
        return hash(self.id)

    def content_hash(self) -> bytes:
        """Return eight bytes that change when anything about the item changes."""
        path = _encode(self.path) if self.path else "[]"
        return _hashed(self.id, self.title, self.text, path, _encode_sorted(self.attributes))


class ItemFields(NamedTuple):
    """Many items, field by field: what is the same for all of them is done once."""

    ids: list[str]
    titles: list[str]
    texts: list[str]
    paths: list[Sequence[str]]
    attributes: list[Mapping[str, Value]]

    @classmethod
    def of(cls, items: Sequence[Item]) -> ItemFields:
        """Take items apart."""
        return cls(
            [each.id for each in items],
            [each.title for each in items],
            [each.text for each in items],
            [each.path for each in items],
            [each.attributes for each in items],
        )

    def told_attributes(self) -> list[str]:
        """Return the attributes of each as JSON."""
        return encoded_apart(self.attributes)

    def told_paths(self) -> list[str]:
        """Return the path of each as JSON."""
        return [_encode(path) if path else "[]" for path in self.paths]

    def hashes(self, paths: Sequence[str], attributes: Sequence[str]) -> list[bytes]:
        """Return the content hash of each, given what is told of its path and attributes."""
        # However the columns of a catalog are ordered, the items are the same.
        if any(list(names) != sorted(names) for names in set(map(tuple, self.attributes))):
            attributes = encoded_apart(self.attributes, _encode_sorted)
        return list(map(_hashed, self.ids, self.titles, self.texts, paths, attributes))


def values_by_name(attributes: Sequence[Mapping[str, Value]]) -> dict[str, dict[int, Value]]:
    """Return for each attribute its values by the place of the item, looking at each value once.

    A catalog may have thousands of attributes, of which an item has a few.
    """
    found: dict[str, dict[int, Value]] = {}
    for place, each in enumerate(attributes):
        for name, value in each.items():
            if name in found:
                found[name][place] = value
            else:
                found[name] = {place: value}
    return found


def _hashed(item_id: str, title: str, text: str, path: str, attributes: str) -> bytes:
    # The lengths say where one text ends and the next one begins.
    content = f"{len(item_id)} {len(title)} {len(text)} {item_id}{title}{text}{path}{attributes}"
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
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\uffa0\ufe00-\ufe0f"
    "\U000e0100-\U000e01ef]"
)
# Zero-width joiner and non-joiner shape real letters in Indic scripts and Persian, and emoji.
# Anywhere else, and more than one at a time, they only hide something.
_JOINERS = "\u200c\u200d"
_JOINED = frozenset({"Lo", "Mn", "Mc", "So", "Sk"})
_MARKS = frozenset({"Mn", "Me"})
# No writing stacks more marks on a letter; a flood of them covers the lines above and below.
_MOST_MARKS = 6
_WHITE = re.compile(r"\s+")
# Only the beginning of a line can pose as a choice: "12. ", "[3]", "(4) ", "5) ". Its number stays,
# for it may be the title's own; what made it look like a label goes. Years have four digits, and
# "12.5" is a number.
_CLOSING = r"[\])>}\uff09\uff3d\uff5d\u3011]+"
_POSING = re.compile(
    rf"^(?:[\[(<{{\uff08\uff3b\uff5b\u3010]\s*(\d{{1,3}})\s*{_CLOSING}"
    rf"|(\d{{1,3}})\s*(?:\.?{_CLOSING}|[.\uff0e\u3001\u3002]++(?!\d)|[:\uff1a](?!\d)))\s*"
)
# "# heading", "- item", "> quote"; "#Alive" and "-30-" are titles.
_MARKUP = re.compile(r"^(?:[-*#>=~`|]+(?:\s+|\Z))+")
_FENCE = re.compile(
    r"`{3,}|~{3,}|<{2,}|>{2,}|-{3,}|={3,}|#{3,}"
    r"|[<\uff1c] ?[|\uff5c](?:[^|\uff5c<>]{0,40}[|\uff5c] ?[>\uff1e])?|[|\uff5c] ?[>\uff1e]"
)
# What closes a list in a prompt, opens a turn in a chat, or begins an answer of ours; each loses
# what makes it that, and keeps its words. White space is squeezed before.
_TAGS = (
    "choices|person|history|items|others|system|user|assistant|developer|human|s|bos|eos|sop"
    "|start_of_turn|end_of_turn|im_start|im_end|endoftext|think|thinking|instructions?"
    "|tool_calls?|tool_response|function_calls?"
)
_TURNS = "inst|sys|system_prompt|available_tools|tool_calls?|tool_results|tool_content|gmask|think"
_OURS = re.compile(
    rf"(?:[<\uff1c\ufe64\u2039\u2329\u27e8\u3008]|&lt;) ?[/\uff0f]? ?((?:{_TAGS})\b"
    r"[^<>\uff1c\uff1e]{0,40}?) ?/?(?:[>\uff1e\ufe65\u203a\u232a\u27e9\u3009]|&gt;)"
    rf"|\[ ?/? ?({_TURNS}) ?\]"
    r"|\{ ?[\"'\u201c]?(picks|order|interests|descriptions)[\"'\u201d]? ?: ?\[?",
    re.IGNORECASE,
)
# Most titles have nothing of all that in them, which is quickly seen.
_SUSPECT = re.compile(r"[<>\[{&\uff1c\ufe64\u2039\u2329\u27e8\u3008]|([`~=#-])\1\1")
# [text](address) and ![text](address): an address says nothing about an item.
_LINK = re.compile(
    r"!?\[([^\[\]]{0,200})\]\(\s*(?:[a-z][a-z0-9+.-]{0,20}:|//)[^()]{0,2000}\)", re.IGNORECASE
)
_ROLE = re.compile(r"^(system|assistant|user) ?[:\uff1a] ?", re.IGNORECASE)
# A text of several lines may hold a conversation.
_TURN = re.compile(
    "([\n\r\v\f\x1c-\x1e\x85\u2028\u2029][ \t>#*_-]*"
    "(?:system|assistant|user|human|developer|ai|tool))[ \t*_]*[:\uff1a]",
    re.IGNORECASE,
)


def one_line(text: str, limit: int = 300) -> str:
    """Flatten untrusted *text* to one line of at most *limit* characters.

    Invisible characters go, white space is squeezed, fences, chat markers and the addresses
    of links are taken out, and a beginning that would look like one of our numbered choices
    loses its dot or brackets. So do the tags of our prompts and the forms of our answers.
    What is left of a text made of nothing else is an empty string.
    """
    return _remembered_line(text, limit) if len(text) <= REMEMBERED else _one_line(text, limit)


def _one_line(text: str, limit: int) -> str:
    # A hostile text may be megabytes long; what is beyond a few times the limit cannot show.
    text = text[: limit * 8]
    if not text.isascii() or not text.isprintable():
        text = _visible(_TURN.sub(r"\1 ", unicodedata.normalize("NFC", text)))
    text = _WHITE.sub(" ", _LINK.sub(r" \1 ", text) if "](" in text else text).strip()
    # What is taken out of the middle may leave its surroundings as another of the same.
    before = None
    while text != before and _SUSPECT.search(text):
        before = text
        text = _WHITE.sub(" ", _OURS.sub(r" \1\2\3 ", _FENCE.sub(" ", text)))
    text = _POSING.sub(r"\1\2 ", _MARKUP.sub("", text.strip())).strip()
    return shortened(_ROLE.sub(r"\1 ", text).strip(), limit)


# The lines of a tree come again with every person.
_remembered_line = lru_cache(20_000)(_one_line)


def shortened(line: str, limit: int) -> str:
    """Return *line*, or the beginning of it that ends in … within *limit* characters."""
    if len(line) <= limit:
        return line
    # A joiner that lost what it joins would be left hiding.
    return line[: limit - 1].rstrip(" " + _JOINERS) + "…"


def _visible(text: str) -> str:
    """Return *text* without what cannot be seen in it, and with all white space as blanks."""
    kept: list[str] = []
    before = joiner = ""
    marks = 0
    for character in _HIDDEN.sub("", text):
        category = unicodedata.category(character)
        if character in _JOINERS:
            joiner = character if before in _JOINED else ""
            continue
        if character.isspace():
            character = " "
        elif category in _INVISIBLE:
            continue
        marks = marks + 1 if category in _MARKS else 0
        if marks > _MOST_MARKS:
            continue
        if joiner and category in _JOINED:
            kept.append(joiner)
        kept.append(character)
        before, joiner = category, ""
    return "".join(kept)
