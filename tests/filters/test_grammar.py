from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.errors import PredicateError
from unillmrec.filters.grammar import MAX_CLAUSES, MAX_DEPTH, MAX_LENGTH, parse_condition


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_parses(text, expected):
    """Each expression, and the condition that it means written in full."""
    assert expected == str(parse_condition(text))


@pytest.mark.parametrize(
    ("text", "carets", "problem", "remedy"),
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
        ("5", "^", "5 alone is not a condition.", "`name == 5`."),
        ("'a' and b", "^^^", "'a' alone is not a condition.", "`name == 'a'`."),
        ("x == null", "     ^^^^", "there is no value null.", "`not has(name)`."),
        ("x < 1e999", "    ^^^^^", "the number is too large.", ""),
        ("x in 5", "     ^", "expected a list in parentheses, found 5.", ""),
        ("x in ()", "      ^", "expected a value, found ).", ""),
        ("x in ('a' 'b')", "          ^^^", "expected `,` or `)`, found 'b'.", ""),
        ("x not 5", "      ^", "expected `in`, found 5.", ""),
        ("5 in (1, 2)", "     ^", "expected an attribute, found (.", ""),
        ("5 in 'a'", "     ^^^", "'a' is not an attribute.", "`name == 5`."),
        ("has(5)", "    ^", "5 is not an attribute.", "its name without quotes."),
        ("has(x", "     ^", "expected `)`, found the end.", ""),
        (
            "x in (en)",
            "      ^^",
            "en is not a value.",
            "quotes, if you mean a text: 'en'",
        ),
        (
            "x == en",
            "     ^^",
            "x and en are both attributes; one side must be a value.",
            "quotes, if you mean a text: x == 'en'",
        ),
        (
            "'price' < 3",
            "^^^^^^^",
            "'price' and 3 are both values; one side must be an attribute.",
            "the name of an attribute without quotes.",
        ),
        (
            "1 < x < 2 < 3",
            "        ^",
            "2 and 3 are both values; one side must be an attribute.",
            "",
        ),
        ("a && b", "  ^", "'&' is not expected here.", "`and`."),
        ("a | b", "  ^", "'|' is not expected here.", "`or`."),
        ("!a", "^", "'!' is not expected here.", "`not`, or `!=`."),
        ("a in ['b']", "     ^", "'[' is not expected here.", "parentheses: in ('a', 'b')."),
        (
            "list-price < 3",
            "    ^",
            "'-' is not expected here.",
            "backquotes around a name with such a character: `list-price`.",
        ),
        (
            "x == 'a",
            "     ^",
            '"\'" is not expected here.',
            "a second quote at the end of the text.",
        ),
        ("x == “a”", "     ^", "'“' is not expected here.", "straight quotes: 'text'."),
        ("`a", "^", "'`' is not expected here.", "a second backquote at the end of the name."),
        ("a ; b", "  ^", "';' is not expected here.", ""),
        ("a.b. == 1", "   ^", "'.' is not expected here.", ""),
    ],
)
def test_marks_the_mistake(text, carets, problem, remedy):
    """An error names the mistake, marks it, and suggests a correction."""
    with pytest.raises(PredicateError) as caught:
        parse_condition(text)

    assert problem == caught.value.problem
    assert f"{text}\n  {carets}" == caught.value.detail
    assert remedy == caught.value.remedy


@pytest.mark.parametrize("text", ["", "  \n"])
def test_refuses_an_empty_expression(text):
    """The error gives an example of a predicate."""
    with pytest.raises(PredicateError, match=r"is empty\.\n  Try: price < 20 and in_stock"):
        parse_condition(text)


def test_carets_fit_wide_characters():
    """A character that is two columns wide in a terminal gets two carets."""
    with pytest.raises(PredicateError) as caught:
        parse_condition("日本 == '語' 語")

    assert "日本 == '語' 語\n  " + " " * 13 + "^^" == caught.value.detail


def test_shows_part_of_a_long_expression():
    """A long expression is cut on both sides, with the mistake in the middle."""
    with pytest.raises(PredicateError) as caught:
        parse_condition("in_stock and\n" * 20 + "oh no and " + "in_stock and " * 20)

    line, carets = caught.value.detail.split("\n  ")
    assert "oh no" in line
    assert ("…", "…") == (line[0], line[-1])
    assert "no" == line[carets.index("^") : carets.index("^") + 2]
    assert line.isprintable()
    assert len(line) < 80


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000 + "x" + ")" * 10_000,
        "not " * 10_000 + "x",
        "(not " * 5_000 + "x" + ")" * 5_000,
    ],
)
def test_depth_has_a_limit(text):
    """Nesting of ten thousand levels is refused with a message."""
    with pytest.raises(PredicateError, match=f"nested more than {MAX_DEPTH} levels deep"):
        parse_condition(text)


def test_the_deepest_allowed_nesting_is_parsed():
    """The limit is the one in the message."""
    assert "x" == str(parse_condition("(" * MAX_DEPTH + "x" + ")" * MAX_DEPTH))


@pytest.mark.parametrize("text", [" and ".join("x" * 201), "1" + " < x < 1" * 101])
def test_the_number_of_conditions_has_a_limit(text):
    """No filter may read a column a thousand times; each comparison of a chain counts."""
    with pytest.raises(PredicateError, match=f"more than {MAX_CLAUSES} conditions"):
        parse_condition(text)


def test_a_list_may_be_long():
    """Thousands of ids are one condition."""
    ids = ", ".join(f"'{n}'" for n in range(3_000))

    assert 3_000 == len(parse_condition(f"id in ({ids})").constants)


def test_length_has_a_limit():
    """A very long text is refused before it is parsed."""
    with pytest.raises(PredicateError, match=f"50,001 characters; {MAX_LENGTH:,} are allowed"):
        parse_condition("x" * (MAX_LENGTH + 1))


def test_refuses_half_a_surrogate_pair():
    """Text that the command line could not decode cannot be in a catalog."""
    with pytest.raises(PredicateError, match="half a surrogate pair"):
        parse_condition("x == '\udcff'")


SIGNS = ("(", ")", ",", "<", "<=", "==", "=", "!=", "`", "'", ".x", "[", "¼", "3", "-.5")
NAMES = ("and", "or", "not", "in", "true", "has", "null", "price", "in_stock", "'a'", '"b"')
WORDS = st.sampled_from((*SIGNS, *NAMES))


@given(text=st.one_of(st.text(), st.lists(WORDS).map(" ".join), st.lists(WORDS).map("".join)))
def test_any_text_is_parsed_or_refused(text):
    """Every text is either a condition or a `PredicateError`."""
    with suppress(PredicateError):
        condition = parse_condition(text)
        assert condition == parse_condition(str(condition))
