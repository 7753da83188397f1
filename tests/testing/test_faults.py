from collections import Counter

import pytest

from unillmrec.testing import Fault, FaultKind
from unillmrec.testing.faults import NAMED, by_rate, fault_named, until


def kinds_of(faults):
    return [fault and fault.kind for fault in map(faults, range(2_000))]


def test_random_faults_depend_on_seed_and_number_alone():
    """Whatever threads do, the same requests fail in the same way."""
    rates = [("503", 0.2), ("drop", 0.1)]
    one, again, other = (by_rate(rates, seed) for seed in (1, 1, 2))

    kinds = kinds_of(one)
    assert kinds == kinds_of(again)
    assert kinds != kinds_of(other)
    counts = Counter(kinds)
    assert 340 < counts[FaultKind.STATUS] < 460
    assert 150 < counts[FaultKind.DROP] < 250


def test_rates_that_cannot_be_are_told():
    """At once, and not when the first request comes."""
    for rates, words in (
        ([("503", 0.7), ("429", 0.4)], "add up to 1.1"),
        ([("503", -0.1)], "at most 1"),
        ([("no-such", 0.1)], "one of 429"),
    ):
        with pytest.raises(ValueError, match=words):
            by_rate(rates)


@pytest.mark.parametrize("name", NAMED)
def test_every_name_is_a_fault(name):
    """Of one word, as flags want it."""
    assert isinstance(fault_named(name), Fault)
    assert " " not in name


def test_every_kind_of_fault_has_a_name():
    """So that all can be ordered from the command line."""
    assert set(FaultKind) == {fault_named(name).kind for name in NAMED}


def test_a_number_is_a_status():
    """Any that is an error."""
    assert 418 == fault_named("418").code
    for name in ("200", "600", "4", "fast"):
        with pytest.raises(ValueError, match="a status such as 503"):
            fault_named(name)


def test_a_moment_is_written_as_headers_have_it():
    """And read by the client as what is left until then."""
    from unillmrec.endpoint.wire.retry_policy import read_retry_after

    assert 58 <= read_retry_after({"retry-after": until(60)}) <= 60
