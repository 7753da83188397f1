from collections import Counter

import pytest

from unillmrec.testing import Fault, FaultKind
from unillmrec.testing.faults import NAMED, by_rate, fault_named, until


def kinds_of(faults):
    return [fault and fault.kind for fault in map(faults, range(2_000))]


def test_random_faults_depend_on_seed_and_number_alone():
    """The same requests fail in the same way, in any order of threads."""
    rates = [("503", 0.2), ("drop", 0.1)]
    one, again, other = (by_rate(rates, seed) for seed in (1, 1, 2))

    kinds = kinds_of(one)
    assert kinds == kinds_of(again)
    assert kinds != kinds_of(other)
    counts = Counter(kinds)
    assert 340 < counts[FaultKind.STATUS] < 460
    assert 150 < counts[FaultKind.DROP] < 250


def test_impossible_rates_are_refused():
    """When they are given, and not at the first request."""
    for rates, words in (
        ([("503", 0.7), ("429", 0.4)], "add up to 1.1"),
        ([("503", -0.1)], "at most 1"),
        ([("no-such", 0.1)], "one of 429"),
    ):
        with pytest.raises(ValueError, match=words):
            by_rate(rates)


@pytest.mark.parametrize("name", NAMED)
def test_every_name_is_a_fault(name):
    """Names are single words, for use as flag values."""
    assert isinstance(fault_named(name), Fault)
    assert " " not in name


def test_every_kind_of_fault_has_a_name():
    """So all of them can be set on the command line."""
    assert set(FaultKind) == {fault_named(name).kind for name in NAMED}


def test_a_number_is_an_error_status():
    """Any HTTP status of an error is accepted, nothing else."""
    assert 418 == fault_named("418").code
    for name in ("200", "600", "4", "fast"):
        with pytest.raises(ValueError, match="a status such as 503"):
            fault_named(name)


def test_a_date_in_a_header_is_read_as_seconds(monkeypatch):
    """The client reads the date as the time left until then."""
    from unillmrec.endpoint.wire.retry_policy import read_retry_after

    monkeypatch.setattr("time.time", lambda: 1_800_000_000.5)

    assert 58 <= read_retry_after({"retry-after": until(60)}) <= 60
