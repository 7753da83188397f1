from hypothesis import given
from hypothesis import strategies as st

from tests.predicates import CONDITIONS
from unillmrec.filters.conditions import AttributeName, Constant, HasAttribute, OneOf, clauses
from unillmrec.filters.grammar import parse_condition


@given(condition=CONDITIONS)
def test_text_parses_to_the_same_condition(condition):
    """The text of a condition describes that condition."""
    assert condition == parse_condition(str(condition))
    assert str(condition) == str(parse_condition(str(condition)))


@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), quoted=st.booleans())
def test_any_name_can_be_written(name, quoted):
    """A filter can use any attribute name."""
    written = parse_condition(str(HasAttribute(AttributeName(name, quoted))))

    assert name == written.name.text
    assert AttributeName(name, quoted).built_in == written.name.built_in


@given(
    value=st.text(st.characters(exclude_categories=["Cs"]))
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
)
def test_any_value_can_be_written(value):
    """Quotes, line ends and the last digit of a number survive."""
    condition = OneOf(AttributeName("x"), (Constant(value),))

    (constant,) = parse_condition(str(condition)).constants

    assert value == constant.value
    assert type(value) is type(constant.value)


def test_finds_the_clauses_from_left_to_right():
    """Each clause is returned once, however they are combined."""
    condition = parse_condition("a and (b or not (c < 1 and has(d))) and e in ('x')")

    assert ["a", "b", "c", "d", "e"] == [clause.name.text for clause in clauses(condition)]
