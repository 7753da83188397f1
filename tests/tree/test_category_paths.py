import pytest

from unillmrec.errors import TreeError
from unillmrec.items import Item
from unillmrec.tree.category_paths import DEEPEST, LABEL_LENGTH, Category, PathReader, PathsRead


def read(*paths: tuple[str, ...], **attributes: object) -> tuple[Category, PathsRead]:
    reader = PathReader()
    for number, path in enumerate(paths):
        reader.add(Item(str(number), "A title", path=path, attributes=attributes))
    return reader.finish()


def drawn(category: Category) -> dict[str, object]:
    """Return a category as nested dictionaries, with its own items under the empty label."""
    own = {"": category.rows.tolist()} if len(category.rows) else {}
    return own | {child.label: drawn(child) for child in category.children}


def test_a_category_is_identified_by_its_path():
    """The same label under two parents is two categories."""
    root, _ = read(("Tea", "Gifts"), ("Coffee", "Gifts"), ("Gifts", "Tea"), ("Tea",))

    assert {
        "Coffee": {"Gifts": {"": [1]}},
        "Gifts": {"Tea": {"": [2]}},
        "Tea": {"": [3], "Gifts": {"": [0]}},
    } == drawn(root)


def test_sizes_count_all_items_below():
    """The size of a category includes its subcategories."""
    root, read_ = read(("Tea", "Green"), ("Tea",), ())

    assert (3, 2, 1) == (root.size, root.children[0].size, root.children[0].children[0].size)
    assert (2, 1) == (read_.categories, read_.without)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Books &amp; Films", "Books & Films"),
        ("Books &amp;amp; Films", "Books & Films"),
        ("<b>Books</b>", "Books"),
        ("&lt;b&gt;Books&lt;/b&gt;", "Books"),
        ("Books</span", "Books"),
        ("<style>.a{color:red}</style>Books", "Books"),
        ("<!-- main -->Books<br/>", "Books"),
        ("I <3 Books", "I <3 Books"),
        ("List<int>", "List<int>"),
        ("  Books \n and\tFilms ", "Books and Films"),
        ("R&D", "R&D"),
        ("12. Books", "12 Books"),
        ("Bo\u202eoks\x00", "Books"),
    ],
)
def test_labels_are_cleaned(raw, expected):
    """Tags, entities, white space and invisible characters are removed from labels."""
    root, _ = read((raw,))

    assert [expected] == [child.label for child in root.children]


def test_cleaned_labels_are_counted():
    """Each counts once, however many items use it."""
    long = "x" * 300
    paths = [
        ("Books &amp; Films", "</span></span>"),
        ("Books &amp; Films", "</span></span>"),
        ("books & FILMS", long),
        (" ", "Tea"),
        ("None",),
        tuple("abcdefgh") * 5,
    ]
    root, read_ = read(*paths)

    assert (2, 1, 3, 1, 1) == (read_.html, read_.cut, read_.empty, read_.spellings, read_.deep)
    assert 1 == read_.without
    assert ["a", "Books & Films", "Tea"] == [child.label for child in root.children]


def test_spellings_of_a_label_are_one_category():
    """They differ in case, width or spaces, and the most frequent one is shown."""
    root, read_ = read(("tea",), ("Tea",), (" Tea",), ("TEA",), ("\uff34\uff45\uff41",))

    assert {"Tea": {"": [0, 1, 2, 3, 4]}} == drawn(root)
    assert 3 == read_.spellings


def test_long_labels_with_the_same_beginning_are_different():
    """Labels are cut only for display."""
    root, _ = read(("x" * 300 + "1",), ("x" * 300 + "2",))

    assert 2 == len(root.children)
    assert {"x" * (LABEL_LENGTH - 1) + "…"} == {child.label for child in root.children}


def test_very_deep_paths_are_cut():
    """The item is placed at the deepest level that is kept."""
    root, read_ = read(tuple(map(str, range(1_000, 6_000))))
    depth, at = 0, root
    while at.children:
        depth, at = depth + 1, at.children[0]

    assert (DEEPEST, 1, [0]) == (depth, read_.deep, at.rows.tolist())


def test_the_order_of_the_items_does_not_matter():
    """Categories are sorted by label."""
    paths = [("Tea",), ("coffee", "Beans"), ("Coffee", "beans"), ("Ale",), ("Ale",)]
    one, _ = read(*paths)
    other, _ = read(*paths[::-1])

    assert ["Ale", "coffee", "Tea"] == [child.label for child in one.children]
    assert ["Ale", "Coffee", "Tea"] == [child.label for child in other.children]


def test_the_error_without_paths_proposes_columns():
    """Columns whose values repeat are proposed, those named like a category first."""
    reader = PathReader()
    for number in range(20):
        attributes = {
            "brand": f"brand {number % 3}",
            "categories": ("Tea", str(number % 2)),
            "code": f"T-{number}",
            "price": 3.5,
        }
        reader.add(Item(str(number), "A title", attributes=attributes))

    with pytest.raises(TreeError) as raised:
        reader.finish()

    assert [
        "no item has a category path, so there is no tree of paths.",
        "  These columns could hold paths: categories, brand. Nothing was written.",
        "  Try: --path categories, or --tree clusters.",
    ] == str(raised.value).splitlines()


def test_paths_of_blank_labels_are_no_paths():
    """If no column looks like a category, none is proposed."""
    with pytest.raises(TreeError, match="no item has a category path") as raised:
        read(("</span>",), ("", " "))

    assert "--tree clusters." == raised.value.remedy
