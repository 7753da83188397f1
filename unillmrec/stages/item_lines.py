"""Format items as the lines that a judge reads."""

from __future__ import annotations

from functools import lru_cache

from unillmrec.items import Item, Value, one_line, shortened

# A longer attribute is a text and not a tag; it would crowd out the rest of the line.
ATTRIBUTE_LENGTH = 60


# Many people are shown the same items.
@lru_cache(4_096)
def format_item(item: Item, length: int) -> str:
    """Return an item as one line of at most *length* characters: title, tags, start of the text."""
    # A title that is only markup leaves nothing to show; the id is better than a blank.
    title = one_line(item.title, length) or one_line(item.id, length)
    parts = [" > ".join(item.path), *map(_tag, item.attributes.values())]
    tags = "; ".join(one_line(part, ATTRIBUTE_LENGTH) for part in parts if part)
    line = f"{title} ({tags})" if tags else title
    text = one_line(item.text, max(length - len(line) - 2, 1)) if item.text else ""
    if text and len(line) + 12 < length:
        line = f"{line}: {text}"
    return shortened(line, length)


def _tag(value: Value) -> str:
    """Return names and tags as text; a number without its name, or a link, would say nothing."""
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, str) and "://" not in value:
        return value
    return ""
