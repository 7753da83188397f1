"""Separate the answer in a reply from the model's reasoning, and normalize its characters."""

from __future__ import annotations

import re
import unicodedata

# Replies are short; in a longer text the answer is at one end.
_LONGEST_TEXT = 50_000

# Full-width forms to ASCII, except for quote and backslash, which would break JSON strings.
_WIDE = {point: point - 0xFEE0 for point in range(0xFF01, 0xFF5F)}
_WIDE = {point: to for point, to in _WIDE.items() if chr(to) not in '"\\'}
_CURLY = str.maketrans("“”", '""')
_FOREIGN_DIGIT = re.compile(r"(?![0-9])\d")
_REASONING_START = re.compile(r"<(?:think|thinking|thought|reasoning)\s*+>", re.IGNORECASE)
_REASONING_END = re.compile(
    r"</(?:think|thinking|thought|reasoning)\s*+>|<\|message\|>", re.IGNORECASE
)
_FENCE = re.compile(r"^[ \t]*+(?:`{3,}|~{3,})[^\n`]*+$", re.MULTILINE)
_WEB_PAGE = re.compile(r"\s*+<(?:!doctype|html|\?xml)", re.IGNORECASE)


def split_reasoning(text: str) -> tuple[str, str]:
    """Return the answer and the reasoning in a reply; unfinished reasoning counts as reasoning.

    Decimal digits of every script and full-width forms become ASCII. A web page has neither
    answer nor reasoning. Of an extremely long text only the two ends are read.
    """
    if len(text) > 2 * _LONGEST_TEXT:
        # The NUL in between is part of no value, so nothing is parsed across the gap.
        text = text.strip()
        text = f"{text[:_LONGEST_TEXT]}\n\0\n{text[-_LONGEST_TEXT:]}"
    if not text.isascii():
        text = _FOREIGN_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)
        text = text.translate(_WIDE)
        # Beside straight quotes, curly ones belong to a text; alone, they replace straight ones.
        text = text if '"' in text else text.translate(_CURLY)
    if _WEB_PAGE.match(text):
        return "", ""
    start = _REASONING_START.search(text)
    before = text[: start.start()] if start else ""
    ends = list(_REASONING_END.finditer(text, start.end() if start else 0))
    if ends:
        return before + text[ends[-1].end() :], text[len(before) : ends[-1].start()]
    return (before, text[len(before) :]) if start else (text, "")


def without_fences(text: str) -> str:
    """Return *text* without the lines that open or close a Markdown code block."""
    return _FENCE.sub("", text)
