"""Figures of a sample come with their confidence intervals."""

from benchmarks.intervals import mean


def test_a_mean_has_its_interval_around_it():
    """The interval is that of the bootstrap: it narrows with the people."""
    few, many = mean([0, 1] * 10), mean([0, 1] * 1_000)

    assert few.startswith("0.500 [0.3")
    assert many.startswith("0.500 [0.4")


def test_a_share_that_nobody_has_may_still_be_more_than_nothing():
    """Resamples of people who are all alike would say that nothing is unsure."""
    assert mean([False] * 100) == "0.000 [0.000, 0.037]"
    assert mean([0.0] * 100) == "0.000 [0.000, 0.000]"
