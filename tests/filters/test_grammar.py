from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.errors import PredicateError
from unillmrec.filters.grammar import DEEPEST, LONGEST, MOST_CLAUSES, read


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("price < 20", "price < 20"),
        ("20 > price", "price < 20"),
        ("price = 5", "price == 5"),
        ("5 != price", "price != 5"),
        ("10 <= price < 20", "price >= 10 and price < 20"),
        ("20>price>=10", "price < 20 and price >= 10"),
        ("price<-5", "price < -5"),
        ("price <= +.5e1", "price <= 5"),
        ("1e20 < price", "price > 1e+20"),
        ("in_stock", "in_stock"),
        ("not in_stock", "not in_stock"),
        ("in_stock == TRUE", "in_stock == true"),
        ("a AND NOT b OR c", "(a and not b) or c"),
        ("a and (b or c)", "a and (b or c)"),
        ("((a))", "a"),
        ("not not a", "not not a"),
        ("not a == 1 and b", "not a == 1 and b"),
        ("language in ('en', \"fr\",)", "language in ('en', 'fr')"),
        ("language not in ('en')", "language != 'en'"),
        ("'Drama' in categories", "categories == 'Drama'"),
        ("'Drama' not in categories", "categories != 'Drama'"),
        ("title == 'it''s'", "title == 'it''s'"),
        ('title == "it\'s"', "title == 'it''s'"),
        ('title == "so ""called"""', "title == 'so \"called\"'"),
        ("has(price)", "has(price)"),
        ("HAS ( `list-price` )", "has(`list-price`)"),
        ("has and has(has)", "has and has(has)"),
        ("`has` == 1", "`has` == 1"),
        ("dimensions.height > 3", "dimensions.height > 3"),
        ("größe > 3", "größe > 3"),
        ("`a``b` > 3 and\n\t`not`", "`a``b` > 3 and `not`"),
    ],
)
def test_reads(given, expected):
    """The grammar by examples: what is read, and how it is written when it is all spelt out."""
    assert expected == str(read(given))


@pytest.mark.parametrize(
    ("given", "carets", "problem", "remedy"),
    [
        ("price <", "       ^", "expected an attribute or a value, found the end.", ""),
        ("price < 20 and", "              ^", "expected a condition, found the end.", ""),
        ("and price", "^^^", "expected a condition, found and.", ""),
        ("(price < 3", "          ^", "expected `)`, `and` or `or`, found the end.", ""),
        ("price < 3)", "         ^", "expected `and`, `or` or the end, found ).", ""),
        ("price => 3", "       ^", "expected an attribute or a value, found >.", ""),
        (
            "price < 2020-01-01",
            "            ^^^",
            "expected `and`, `or` or the end, found -01.",
            "",
        ),
        ("5", "^", "5 alone is no condition.", "`name == 5`."),
        ("'a' and b", "^^^", "'a' alone is no condition.", "`name == 'a'`."),
        ("x == null", "     ^^^^", "there is no null.", "`not has(name)`."),
        ("x < 1e999", "    ^^^^^", "the number is too large.", ""),
        ("x in 5", "     ^", "expected a list in parentheses, found 5.", ""),
        ("x in ()", "      ^", "expected a value, found ).", ""),
        ("x in ('a' 'b')", "          ^^^", "expected `,` or `)`, found 'b'.", ""),
        ("x not 5", "      ^", "expected `in`, found 5.", ""),
        ("5 in (1, 2)", "     ^", "expected an attribute, found (.", ""),
        ("5 in 'a'", "     ^^^", "'a' is no attribute.", "`name == 5`."),
        ("has(5)", "    ^", "5 is no attribute.", "its name without quotes."),
        ("has(x", "     ^", "expected `)`, found the end.", ""),
        (
            "x in (en)",
            "      ^^",
            "en is no value.",
            "quotes, if a text is meant: 'en'",
        ),
        (
            "x == en",
            "     ^^",
            "x and en are both attributes; one side has to be a value.",
            "quotes, if a text is meant: x == 'en'",
        ),
        (
            "'price' < 3",
            "^^^^^^^",
            "'price' and 3 are both values; one side has to be an attribute.",
            "an attribute's name without quotes.",
        ),
        (
            "1 < x < 2 < 3",
            "        ^",
            "2 and 3 are both values; one side has to be an attribute.",
            "",
        ),
        ("a && b", "  ^", "'&' means nothing here.", "`and`."),
        ("a | b", "  ^", "'|' means nothing here.", "`or`."),
        ("!a", "^", "'!' means nothing here.", "`not`, or `!=`."),
        ("a in ['b']", "     ^", "'[' means nothing here.", "parentheses: in ('a', 'b')."),
        (
            "list-price < 3",
            "    ^",
            "'-' means nothing here.",
            "backquotes round a name with such a character: `list-price`.",
        ),
        ("x == 'a", "     ^", '"\'" means nothing here.', "a second quote where the text ends."),
        ("x == “a”", "     ^", "'“' means nothing here.", "straight quotes: 'text'."),
        ("`a", "^", "'`' means nothing here.", "a second backquote where the name ends."),
        ("a ; b", "  ^", "';' means nothing here.", ""),
        ("a.b. == 1", "   ^", "'.' means nothing here.", ""),
    ],
)
def test_shows_where_it_is_wrong(given, carets, problem, remedy):
    """An error names the mistake, points at it, and says what may have been meant."""
    with pytest.raises(PredicateError) as caught:
        read(given)

    assert problem == caught.value.problem
    assert f"{given}\n  {carets}" == caught.value.detail
    assert remedy == caught.value.remedy


@pytest.mark.parametrize("given", ["", "  \n"])
def test_refuses_an_empty_expression(given):
    """Nothing is no predicate; the error shows one."""
    with pytest.raises(PredicateError, match=r"is empty\.\n  Try: price < 20 and in_stock"):
        read(given)


def test_points_below_wide_letters():
    """A letter that takes two columns of a terminal gets two."""
    with pytest.raises(PredicateError) as caught:
        read("日本 == '語' 語")

    assert "日本 == '語' 語\n  " + " " * 13 + "^^" == caught.value.detail


def test_shows_a_piece_of_a_long_expression():
    """What is too long for a line is cut on both sides, with the place in the middle."""
    with pytest.raises(PredicateError) as caught:
        read("in_stock and\n" * 20 + "oh no and " + "in_stock and " * 20)

    line, carets = caught.value.detail.split("\n  ")
    assert "oh no" in line
    assert ("…", "…") == (line[0], line[-1])
    assert "no" == line[carets.index("^") : carets.index("^") + 2]
    assert line.isprintable()
    assert len(line) < 80


@pytest.mark.parametrize(
    "given",
    [
        "(" * 10_000 + "x" + ")" * 10_000,
        "not " * 10_000 + "x",
        "(not " * 5_000 + "x" + ")" * 5_000,
    ],
)
def test_depth_has_a_limit(given):
    """What is nested ten thousand deep is refused in words."""
    with pytest.raises(PredicateError, match=f"nested more than {DEEPEST} deep"):
        read(given)


def test_what_is_nested_as_deep_as_allowed_is_read():
    """The limit is what the message says."""
    assert "x" == str(read("(" * DEEPEST + "x" + ")" * DEEPEST))


@pytest.mark.parametrize("given", [" and ".join("x" * 201), "1" + " < x < 1" * 101])
def test_the_number_of_conditions_has_a_limit(given):
    """Nobody may make us read a column a thousand times; a chain counts link by link."""
    with pytest.raises(PredicateError, match=f"more than {MOST_CLAUSES} conditions"):
        read(given)


def test_a_list_may_be_long():
    """Thousands of ids are one condition."""
    ids = ", ".join(f"'{n}'" for n in range(3_000))

    assert 3_000 == len(read(f"id in ({ids})").constants)


def test_length_has_a_limit():
    """A text longer than anybody would write is not even looked at."""
    with pytest.raises(PredicateError, match=f"50,001 characters; {LONGEST:,} are allowed"):
        read("x" * (LONGEST + 1))


def test_refuses_half_a_surrogate_pair():
    """What the command line could not decode is no text that could be in a catalog."""
    with pytest.raises(PredicateError, match="half a surrogate pair"):
        read("x == '\udcff'")


SIGNS = ("(", ")", ",", "<", "<=", "==", "=", "!=", "`", "'", ".x", "[", "¼", "3", "-.5")
NAMES = ("and", "or", "not", "in", "true", "has", "null", "price", "in_stock", "'a'", '"b"')
WORDS = st.sampled_from((*SIGNS, *NAMES))


@given(given=st.one_of(st.text(), st.lists(WORDS).map(" ".join), st.lists(WORDS).map("".join)))
def test_any_text_is_read_or_refused(given):
    """No text does anything else than be a condition or an error."""
    with suppress(PredicateError):
        condition = read(given)
        assert condition == read(str(condition))
