"""Items as the lines a judge reads."""

from __future__ import annotations

from functools import lru_cache

from unillmrec.items import Item, Value, one_line, shortened

# An attribute longer than this is a text, not a tag; it would push the title's neighbours out.
ATTRIBUTE_LENGTH = 60


# Many people are shown the same items.
@lru_cache(4_096)
def item_line(item: Item, length: int) -> str:
    """Return an item as one line: title, tags, and as much of its text as fits *length*."""
    # A title of nothing but markup leaves nothing to show; its id is better than a blank.
    title = one_line(item.title, length) or one_line(item.id, length)
    parts = [" > ".join(item.path), *map(_told, item.attributes.values())]
    told = "; ".join(one_line(part, ATTRIBUTE_LENGTH) for part in parts if part)
    line = f"{title} ({told})" if told else title
    text = one_line(item.text, max(length - len(line) - 2, 1)) if item.text else ""
    if text and len(line) + 12 < length:
        line = f"{line}: {text}"
    return shortened(line, length)


def _told(value: Value) -> str:
    """Return what names and tags say; numbers without their name would say nothing."""
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, str) and "://" not in value:
        return value
    return ""
