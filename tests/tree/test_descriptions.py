import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.tree.descriptions import Description, Range, breadcrumb

TEXTS = st.text(max_size=80)
DESCRIPTIONS = st.builds(
    Description,
    st.lists(st.from_regex(r"\w{1,20}", fullmatch=True), max_size=8).map(tuple),
    st.lists(TEXTS, max_size=3).map(tuple),
    st.lists(st.builds(Range, TEXTS, st.floats(), st.floats()), max_size=4).map(tuple),
    TEXTS,
    st.lists(st.integers(0, 10**9), max_size=3).map(tuple),
    TEXTS,
)


def test_a_line_has_words_count_ranges_and_titles():
    """The parts come in a fixed order, so that a judge recognizes them."""
    description = Description(
        ("sea", "whale", "captain", "storm", "ship", "sixth"),
        ("Moby Dick", "The Sea-Wolf", "Third"),
        (Range("year", 1851, 1904), Range("rating", 3.5, 4.25), Range("third", 1, 2)),
    )

    expected = (
        "sea, whale, captain, storm, ship (1,234); year 1851\u20131904; rating 3.5\u20134.25: "
        "Moby Dick"
    )
    assert expected == description.line(1234)


def test_a_summary_replaces_the_words():
    """Judges and people see what a model wrote."""
    description = Description(("sea",), ("Moby Dick",), summary="Tales of the sea")

    assert "Tales of the sea (7): Moby Dick" == description.line(7)
    assert "Tales of the sea" == description.label


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        (Description(("a", "b", "c", "d")), "a, b, c"),
        (Description((), ("A title\n2. another",)), "A title 2. another"),
        (Description((), ("x" * 5_000,)), "x" * 59 + "…"),
        (Description(("sea",), summary=" \n"), "sea"),
        (Description(("sea",), name="Sea\n3. Films"), "Sea 3. Films"),
        (Description((), ("\u202e",)), "unlabelled"),
        (Description(), "unlabelled"),
    ],
)
def test_a_label_is_short(description, expected):
    """It is a name, a summary, three words or a title, on one line, and never empty."""
    assert expected == description.label


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1999.0, 2004.0, "year 1999\u20132004"),
        (3.0, 3.0, "year 3"),
        (0.123456, 12.5, "year 0.1235\u201312.5"),
        (-2.0, 1e300, "year -2\u20131e+300"),
        (0.0, float("inf"), "year 0\u2013inf"),
    ],
)
def test_ranges_are_short_text(low, high, expected):
    """Integers have no decimal point, other numbers four digits."""
    assert expected == Range("year", low, high).text()


@given(DESCRIPTIONS)
def test_lines_and_labels_are_always_one_short_line(description):
    """Titles, attribute names and summaries may hold anything."""
    for text in (description.line(12), description.label):
        assert [text] == text.splitlines()
        assert text.isprintable() or set("\u200c\u200d") & set(text)
        assert len(text) < 500


@given(DESCRIPTIONS)
def test_a_packed_description_can_be_unpacked(description):
    """Nothing is lost on the way through the store."""
    packed = description.to_json()

    assert packed == Description.from_json(packed).to_json()
    assert repr(description) == repr(Description.from_json(packed))


def test_a_breadcrumb_is_a_path_of_labels():
    """It starts with a child of the root."""
    assert "sea > whale" == breadcrumb([Description(("sea",)), Description(("whale",))])
    assert "" == breadcrumb([])
