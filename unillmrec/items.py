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

# Longer texts are flattened again each time; caching them would take too much memory.
REMEMBERED = 1_000

Value: TypeAlias = str | int | float | bool | tuple[str, ...]
"""The type of an attribute. A missing value is a missing key, never None."""


# `json.dumps` creates an encoder for each call with other than its default options.
_encode = json.JSONEncoder(ensure_ascii=False).encode
_encode_sorted = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


@dataclass(frozen=True, slots=True)
class Item:
    """One thing in a catalog.

    *path* is the catalog's category path, from coarse to fine; *attributes* are all other columns,
    typed.
    """

    id: str
    title: str
    text: str = ""
    path: tuple[str, ...] = ()
    attributes: Mapping[str, Value] = field(default_factory=dict)

    def __hash__(self) -> int:
        # Attributes may be an unhashable dict; equal items have equal ids.
        return hash(self.id)

    def content_hash(self) -> bytes:
        """Return eight bytes that change when anything about the item changes."""
        path = _encode(self.path) if self.path else "[]"
        return _hashed(self.id, self.title, self.text, path, _encode_sorted(self.attributes))


class ItemFields(NamedTuple):
    """Many items, one list per field, for work that is faster on whole columns."""

    ids: list[str]
    titles: list[str]
    texts: list[str]
    paths: list[Sequence[str]]
    attributes: list[Mapping[str, Value]]

    @classmethod
    def of(cls, items: Sequence[Item]) -> ItemFields:
        """Split items into their fields."""
        return cls(
            [each.id for each in items],
            [each.title for each in items],
            [each.text for each in items],
            [each.path for each in items],
            [each.attributes for each in items],
        )

    def attributes_as_json(self) -> list[str]:
        """Return the attributes of each item as JSON."""
        return encode_each(self.attributes)

    def paths_as_json(self) -> list[str]:
        """Return the path of each item as JSON."""
        return [_encode(path) if path else "[]" for path in self.paths]

    def hashes(self, paths: Sequence[str], attributes: Sequence[str]) -> list[bytes]:
        """Return the content hash of each item, given its path and attributes as JSON."""
        # The order of columns in a catalog does not change an item.
        if any(list(names) != sorted(names) for names in set(map(tuple, self.attributes))):
            attributes = encode_each(self.attributes, _encode_sorted)
        return list(map(_hashed, self.ids, self.titles, self.texts, paths, attributes))


def stored_hash(
    item_id: str, title: str, text: str, path: str, attributes: str, values: Mapping[str, object]
) -> bytes:
    """Return the content hash of a stored item; *values* are its *attributes*, parsed."""
    if list(values) != sorted(values):
        attributes = _encode_sorted(values)
    return _hashed(item_id, title, text, path, attributes)


def values_by_name(attributes: Sequence[Mapping[str, Value]]) -> dict[str, dict[int, Value]]:
    """Return the values of each attribute by item position, visiting each value once.

    A catalog may have thousands of attributes of which an item has a few.
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
    # The lengths mark where one text ends and the next begins.
    content = f"{len(item_id)} {len(title)} {len(text)} {item_id}{title}{text}{path}{attributes}"
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def encode_each(
    values: Sequence[Sequence[object]] | Sequence[Mapping[str, object]],
    encode: Callable[[object], str] = _encode,
) -> list[str]:
    """Return the JSON of each value, encoded in a single call, which is much faster.

    The values are all objects, or all lists, and contain no nested ones of the same kind.
    """
    if not values:
        return []
    together = encode(list(chain.from_iterable((each, "") for each in values)))
    # Quotation marks inside texts are escaped, so no text contains the separator.
    begin, end = together[1], together[-6]
    return [f"{begin}{inside}{end}" for inside in together[2:-6].split(f'{end}, "", {begin}')]


# Cc control, Cf format (bidi marks, zero width, tags), Cs surrogates, Co private use, Cn
# unassigned: none of them is needed to read a title, and each can hide an instruction in one.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# Just as invisible, in other categories: fillers, and selectors that can carry hidden bytes.
_HIDDEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\uffa0\ufe00-\ufe0f"
    "\U000e0100-\U000e01ef]"
)
# Zero-width joiner and non-joiner shape real letters in Indic scripts and Persian, and emoji.
# Anywhere else, and more than one at a time, they only hide something.
_JOINERS = "\u200c\u200d"
_JOINED = frozenset({"Lo", "Mn", "Mc", "So", "Sk"})
_MARKS = frozenset({"Mn", "Me"})
# No script stacks more marks on a letter; a flood of them covers the neighbouring lines.
_MOST_MARKS = 6
_WHITE = re.compile(r"\s+")
# Only the beginning of a line can pose as a choice: "12. ", "[3]", "(4) ", "5) ". Its number stays,
# for it may be the title's own; what made it look like a label goes. Years have four digits, and
# "12.5" is a number.
_CLOSING = r"[\])>}\uff09\uff3d\uff5d\u3011]+"
_IMITATION = re.compile(
    rf"^(?:[\[(<{{\uff08\uff3b\uff5b\u3010]\s*(\d{{1,3}})\s*{_CLOSING}"
    rf"|(\d{{1,3}})\s*(?:\.?{_CLOSING}|[.\uff0e\u3001\u3002]++(?!\d)|[:\uff1a](?!\d)))\s*"
)
# "# heading", "- item", "> quote"; "#Alive" and "-30-" are titles.
_MARKUP = re.compile(r"^(?:[-*#>=~`|]+(?:\s+|\Z))+")
_FENCE = re.compile(
    r"`{3,}|~{3,}|<{2,}|>{2,}|-{3,}|={3,}|#{3,}"
    r"|[<\uff1c] ?[|\uff5c](?:[^|\uff5c<>]{0,40}[|\uff5c] ?[>\uff1e])?|[|\uff5c] ?[>\uff1e]"
)
# Text that closes a list in a prompt, opens a chat turn, or begins an answer in our format: it
# loses the markup and keeps its words. White space is collapsed before.
_TAGS = (
    "choices|person|history|items|others|system|user|assistant|developer|human|s|bos|eos|sop"
    "|start_of_turn|end_of_turn|im_start|im_end|endoftext|think|thinking|instructions?"
    "|tool_calls?|tool_response|function_calls?"
)
_TURNS = "inst|sys|system_prompt|available_tools|tool_calls?|tool_results|tool_content|gmask|think"
_OURS = re.compile(
    r"(?:[<\uff1c\ufe64\u2039\u2329\u27e8\u3008\u227a\u276e\u02c2]|&lt;)"
    rf" ?[/\uff0f]? ?((?:{_TAGS})\b"
    r"[^<>\uff1c\uff1e]{0,40}?) ?/?"
    r"(?:[>\uff1e\ufe65\u203a\u232a\u27e9\u3009\u227b\u276f\u02c3]|&gt;)"
    rf"|\[ ?/? ?({_TURNS}) ?\]"
    r"|\{ ?[\"'\u201c]?(picks|order|interests|descriptions)[\"'\u201d]? ?: ?\[?",
    re.IGNORECASE,
)
# A quick test: most titles contain nothing of the above.
_SUSPECT = re.compile(
    r"[<>\[{&\uff1c\ufe64\u2039\u2329\u27e8\u3008\u227a\u276e\u02c2]|([`~=#-])\1\1"
)
# Full-width letters, in which a tag reads the same.
_WIDE_LETTERS = {
    ord(each) + 0xFEE0: each for each in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
}
# [text](address) and ![text](address): an address says nothing about an item.
_LINK = re.compile(
    r"!?\[([^\[\]]{0,200})\]\(\s*(?:[a-z][a-z0-9+.-]{0,20}:|//)[^()]{0,2000}\)", re.IGNORECASE
)
_ROLE = re.compile(r"^(system|assistant|user) ?[:\uff1a] ?", re.IGNORECASE)
# A text of several lines may contain a conversation.
_TURN = re.compile(
    "([\n\r\v\f\x1c-\x1e\x85\u2028\u2029][ \t>#*_-]*"
    "(?:system|assistant|user|human|developer|ai|tool))[ \t*_]*[:\uff1a]",
    re.IGNORECASE,
)


def one_line(text: str, limit: int = 300) -> str:
    """Flatten untrusted *text* to one line of at most *limit* characters.

    Removes invisible characters, code fences, chat markers and link addresses, and collapses white
    space. A line that starts like a numbered choice loses its dot or brackets; the tags of our
    prompts and the starts of our answer formats lose their brackets. A text made of nothing else
    becomes an empty string.
    """
    return _remembered_line(text, limit) if len(text) <= REMEMBERED else _one_line(text, limit)


def _one_line(text: str, limit: int) -> str:
    # A hostile text may be megabytes long; text beyond a few times the limit never shows.
    text = text[: limit * 8]
    if not text.isascii() or not text.isprintable():
        text = _visible(_TURN.sub(r"\1 ", unicodedata.normalize("NFC", text)))
    text = _WHITE.sub(" ", _LINK.sub(r" \1 ", text) if "](" in text else text).strip()
    # Removing something from the middle may join its surroundings into the same thing again.
    before = None
    while text != before and _SUSPECT.search(text):
        before = text
        text = text if text.isascii() else text.translate(_WIDE_LETTERS)
        text = _WHITE.sub(" ", _OURS.sub(r" \1\2\3 ", _FENCE.sub(" ", text)))
    text = _IMITATION.sub(r"\1\2 ", _MARKUP.sub("", text.strip())).strip()
    return shortened(_ROLE.sub(r"\1 ", text).strip(), limit)


# The same lines are needed again for every person.
_remembered_line = lru_cache(20_000)(_one_line)


def shortened(line: str, limit: int) -> str:
    """Return *line*, cut to *limit* characters with a trailing ellipsis."""
    if len(line) <= limit:
        return line
    # Drop a joiner that has nothing left to join.
    return line[: limit - 1].rstrip(" " + _JOINERS) + "…"


def _visible(text: str) -> str:
    """Return the visible characters of *text*, with all white space as blanks."""
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
