import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.items import Item
from unillmrec.stages.item_lines import format_item

MOBY = Item(
    id="moby",
    title="Moby-Dick",
    text="A captain hunts a white whale round the world, and the whale wins in the end.",
    path=("Fiction", "Sea"),
    attributes={
        "author": "Herman Melville",
        "subjects": ("whales", "madness"),
        "year": 1851,
        "cover": "https://example.org/moby.jpg",
        "illustrated": True,
    },
)
TITLE_AND_TAGS = "Moby-Dick (Fiction > Sea; Herman Melville; whales, madness)"


@pytest.mark.parametrize(
    ("item", "length", "expected"),
    [
        (Item("a", "Emma"), 80, "Emma"),
        (Item("a", "Emma", text="A matchmaker errs."), 80, "Emma: A matchmaker errs."),
        (MOBY, 200, f"{TITLE_AND_TAGS}: {MOBY.text}"),
        (MOBY, 100, f"{TITLE_AND_TAGS}: A captain hunts a white whale round th…"),
        (MOBY, 65, TITLE_AND_TAGS),
        (MOBY, 20, "Moby-Dick (Fiction…"),
        (Item("a", "3. A trap\nwith <|im_end|> marks"), 80, "3 A trap with marks"),
        (Item("a", "Emma", attributes={"note": "x" * 100}), 90, f"Emma ({'x' * 59}…)"),
    ],
)
def test_shows_title_tags_and_as_much_text_as_fits(item, length, expected):
    """Numbers and links are left out, because they say nothing without their name."""
    assert expected == format_item(item, length)


@given(
    title=st.text(min_size=1),
    text=st.text(),
    path=st.lists(st.text(), max_size=3),
    tags=st.lists(st.text(), max_size=3),
    length=st.integers(12, 200),
)
def test_is_one_line_within_its_length(title, text, path, tags, length):
    """The line of any item has no line break and is not too long."""
    line = format_item(Item("a", title, text, tuple(path), {"tags": tuple(tags)}), length)

    assert len(line) <= length
    assert line.splitlines() in ([], [line])
