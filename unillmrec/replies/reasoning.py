"""What a model said, apart from what it thought, in digits we know."""

from __future__ import annotations

import re
import unicodedata

# Replies are short; of a longer text, the answer is at one of its ends.
_LONGEST_TEXT = 50_000

# Full-width forms to ASCII, except the quote and the backslash, which would break strings.
_WIDE = {point: point - 0xFEE0 for point in range(0xFF01, 0xFF5F)}
_WIDE = {point: to for point, to in _WIDE.items() if chr(to) not in '"\\'}
_CURLY = str.maketrans("“”", '""')
_FOREIGN_DIGIT = re.compile(r"(?![0-9])\d")
_THINKING = re.compile(r"<(?:think|thinking|thought|reasoning)\s*+>", re.IGNORECASE)
_THOUGHT = re.compile(r"</(?:think|thinking|thought|reasoning)\s*+>|<\|message\|>", re.IGNORECASE)
_PAGE = re.compile(r"\s*+<(?:!doctype|html|\?xml)", re.IGNORECASE)


def split_reasoning(text: str) -> tuple[str, str]:
    """Return what the model said and what it only thought, an unfinished thought included.

    All decimal digits and the full-width forms are made ASCII. A web page says nothing. Of a
    text beyond all reason, its two ends are looked at.
    """
    if len(text) > 2 * _LONGEST_TEXT:
        # The zero in between belongs to no value, so nothing is read across the gap.
        text = text.strip()
        text = f"{text[:_LONGEST_TEXT]}\n\0\n{text[-_LONGEST_TEXT:]}"
    if not text.isascii():
        text = _FOREIGN_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)
        text = text.translate(_WIDE)
        # Within straight quotes the curly ones belong to the text; alone, they replace them.
        text = text if '"' in text else text.translate(_CURLY)
    if _PAGE.match(text):
        return "", ""
    start = _THINKING.search(text)
    before = text[: start.start()] if start else ""
    ends = list(_THOUGHT.finditer(text, start.end() if start else 0))
    if ends:
        return before + text[ends[-1].end() :], text[len(before) : ends[-1].start()]
    return (before, text[len(before) :]) if start else (text, "")
