from hypothesis import given
from hypothesis import strategies as st

from tests.predicates import CONDITIONS
from unillmrec.filters.conditions import Among, Constant, Has, Name, clauses
from unillmrec.filters.grammar import read


@given(condition=CONDITIONS)
def test_is_written_as_it_is_read(condition):
    """The text of a condition describes the very same condition."""
    assert condition == read(str(condition))
    assert str(condition) == str(read(str(condition)))


@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), quoted=st.booleans())
def test_any_name_can_be_written(name, quoted):
    """Whatever a column is called, it can be asked about."""
    written = read(str(Has(Name(name, quoted))))

    assert name == written.name.text
    assert Name(name, quoted).built_in == written.name.built_in


@given(
    value=st.text(st.characters(exclude_categories=["Cs"]))
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
)
def test_any_value_can_be_written(value):
    """Quotes, line ends and the last digit of a number survive."""
    condition = Among(Name("x"), (Constant(value),))

    (constant,) = read(str(condition)).constants

    assert value == constant.value
    assert type(value) is type(constant.value)


def test_finds_the_clauses_from_left_to_right():
    """However they are combined, each is there once."""
    condition = read("a and (b or not (c < 1 and has(d))) and e in ('x')")

    assert ["a", "b", "c", "d", "e"] == [clause.name.text for clause in clauses(condition)]
