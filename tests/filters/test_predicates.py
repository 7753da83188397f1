import pytest

from unillmrec.errors import PredicateError, UnillmrecError
from unillmrec.filters.predicates import AttributeInfo, Predicate

KNOWN = {
    "price": AttributeInfo(frozenset({"number"})),
    "in_stock": AttributeInfo(frozenset({"truth"})),
    "language": AttributeInfo(frozenset({"text"})),
    "subjects": AttributeInfo(frozenset({"tags"})),
    "year": AttributeInfo(frozenset({"number", "text"})),
    "link": AttributeInfo(frozenset({"text"}), "its texts are long"),
    "path": AttributeInfo(frozenset({"number"})),
}


@pytest.mark.parametrize(
    "text",
    [
        "price < 20 and in_stock and language in ('en', 'fr')",
        "language > 'e' and 'sea' in subjects and subjects != 'crime'",
        "in_stock == false or in_stock in (true, false)",
        "year < 2000 or year == 'unknown' or year < 'b' or year in (1999, 'unknown')",
        "link == 'http://a.example' and has(link)",
        "id in ('a', 'b') and id != 'c' and has(id)",
        "'Books' in path and has(path) and `path` > 3",
    ],
)
def test_accepts_suitable_predicates(text):
    """Attributes are compared with their kinds of values; `path` means the item's own path."""
    Predicate.parse(text).check(KNOWN)


@pytest.mark.parametrize(
    ("text", "place", "problem", "remedy"),
    [
        ("price < 'x'", "'x'", "price holds numbers; 'x' is a text.", ""),
        (
            "price < '20'",
            "'20'",
            "price holds numbers; '20' is a text.",
            "20 without quotes.",
        ),
        ("price == true", "true", "price holds numbers; true is a truth value.", "price == 1"),
        ("in_stock == 0", "0", "in_stock holds true or false; 0 is a number.", "in_stock == false"),
        ("in_stock == 2", "2", "in_stock holds true or false; 2 is a number.", ""),
        (
            "in_stock == 'True'",
            "'True'",
            "in_stock holds true or false; 'True' is a text.",
            "true without quotes.",
        ),
        ("language == 5", "5", "language holds texts; 5 is a number.", "'5' in quotes."),
        ("5 in subjects", "5", "subjects holds lists of texts; 5 is a number.", "'5' in quotes."),
        (
            "year == true",
            "true",
            "year holds numbers and texts; true is a truth value.",
            "year == 1",
        ),
        (
            "language in ('en', 3)",
            "3",
            "language holds texts; 3 is a number.",
            "'3' in quotes.",
        ),
        (
            "in_stock < true",
            "in_stock",
            "true and false have no order.",
            "`==`, `!=`, `in` or `not in`.",
        ),
        (
            "subjects < 'x'",
            "subjects",
            "subjects holds lists of texts, which have no order.",
            "`==`, `!=`, `in` or `not in`.",
        ),
        (
            "link < 'x'",
            "link",
            "link cannot be compared with `<`: its texts are long.",
            "`==`, `!=`, `in` or `not in`.",
        ),
        (
            "id >= 'x'",
            "id",
            "id cannot be compared with `>=`: ids have no order.",
            "`==`, `!=`, `in` or `not in`.",
        ),
        (
            "price",
            "price",
            "price holds numbers; a name alone has to be true or false.",
            "price == 1, or has(price)",
        ),
        (
            "not language",
            "language",
            "language holds texts; a name alone has to be true or false.",
            "has(language), or a comparison.",
        ),
        (
            "id",
            "id",
            "id holds texts; a name alone has to be true or false.",
            "has(id), or a comparison.",
        ),
    ],
)
def test_reports_unsuitable_comparisons(text, place, problem, remedy):
    """Comparing an attribute with a kind that it never holds is an error, not just false."""
    with pytest.raises(PredicateError) as caught:
        Predicate.parse(text).check(KNOWN)

    assert problem == caught.value.problem
    carets = " " * text.index(place) + "^" * len(place)
    assert f"{text}\n  {carets}" == caught.value.detail
    assert remedy == caught.value.remedy


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("prise < 3", "price"),
        ("Price < 3", "price"),
        ("has(languages)", "language"),
        ("`pth` < 3", "`path`"),
        ("publisher == 'x'", ""),
    ],
)
def test_names_the_nearest_attribute(text, remedy):
    """The error about an unknown attribute lists the known ones."""
    with pytest.raises(PredicateError, match="there is no attribute") as caught:
        Predicate.parse(text).check(KNOWN)

    assert remedy == caught.value.remedy
    listed = "'in_stock', 'language', 'link', 'path', 'price', 'subjects', 'year'"
    assert caught.value.detail.endswith(f"\n  The attributes are {listed}.")


def test_explains_that_titles_cannot_be_filtered_by():
    """Titles and texts are not stored in columns, and the error says so."""
    with pytest.raises(PredicateError, match="but not titles and texts"):
        Predicate.parse("title == 'Emma'").check(KNOWN)


def test_says_that_there_are_no_attributes():
    """A catalog with ids and titles only has no attribute to suggest."""
    with pytest.raises(PredicateError, match="There are none"):
        Predicate.parse("price < 3").check({})


def test_is_a_user_error():
    """The program exits with the code for wrong input."""
    assert issubclass(PredicateError, UnillmrecError)
    assert 3 == PredicateError.exit_code


def test_is_written_in_full():
    """A predicate keeps its text, and can be written without abbreviations."""
    predicate = Predicate.parse("10 <= price < 20")

    assert ("10 <= price < 20", "price >= 10 and price < 20") == (predicate.text, str(predicate))
