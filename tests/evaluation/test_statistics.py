"""Confidence intervals and significance tests."""

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from unillmrec.evaluation import statistics
from unillmrec.evaluation.statistics import Bootstrap, holm, jackknife, paired_p, same_for_all


def test_bootstrap_intervals_agree_with_scipy():
    """They differ by the random resamples only."""
    values = np.random.default_rng(1).random(200) ** 2
    (found,) = Bootstrap(200).estimates(values[:, None])
    other = bootstrap((values,), np.mean, method="percentile", rng=2).confidence_interval

    assert pytest.approx(values.mean()) == found.value
    np.testing.assert_allclose([other.low, other.high], [found.low, found.high], atol=0.005)


def test_the_same_seed_gives_the_same_resamples(monkeypatch):
    """This holds for all metrics, and in any number of blocks."""
    values = np.random.default_rng(1).random((50, 2))
    one, other = Bootstrap(50, seed=3).means(values), Bootstrap(50, seed=3).means(values[:, :1])

    np.testing.assert_allclose(one[:, :1], other, rtol=1e-12)
    assert (one != Bootstrap(50, seed=4).means(values)).any()
    monkeypatch.setattr(statistics, "_BLOCK", 700)
    np.testing.assert_allclose(one, Bootstrap(50, seed=3).means(values), rtol=1e-12)


def test_intervals_cover_the_true_mean_at_the_nominal_rate():
    """Measured on 200 samples of 100 people."""
    chance = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        (found,) = Bootstrap(100, resamples=500).estimates(chance.random((100, 1)))
        covered += found.low <= 0.5 <= found.high

    assert 0.9 <= covered / 200 <= 0.99


def test_a_ratio_with_denominator_zero_is_unknown():
    """Nothing in any history is popular."""
    assert Bootstrap(3).ratio(np.ones(3), np.zeros(3)).value is None


def test_the_jackknife_interval_of_a_mean_is_its_standard_error():
    """The formula of the mean is known."""
    values = np.random.default_rng(2).random(100)
    without = (values.sum() - values) / 99
    found = jackknife(values.mean(), without)

    reach = 1.959964 * values.std(ddof=1) / 10
    assert pytest.approx(values.mean() - reach, abs=1e-6) == found.low


def test_holm_corrects_step_down():
    """A textbook example: 0.01, 0.04, 0.03 become 0.03, 0.06, 0.06."""
    assert pytest.approx([0.03, 0.06, 0.06]) == holm([0.01, 0.04, 0.03])
    assert [1.0, 1.0] == holm([0.9, 0.8])


def test_no_difference_has_a_p_value_of_one():
    """If nobody differs, there is nothing to test."""
    assert 1.0 == paired_p(np.ones(5), np.ones(5))
    assert paired_p(np.arange(9.0), np.zeros(9)) < 0.01


@pytest.mark.parametrize(("people", "expected"), [(1, 1.0), (2, 0.5), (5, 0.0625)])
def test_a_constant_difference_is_tested_by_its_signs(people, expected):
    """Its p-value depends on the number of people."""
    assert expected == paired_p(np.ones(people), np.zeros(people))
    assert expected == paired_p(np.zeros(people), np.ones(people))


@pytest.mark.parametrize("people", [1, 30, 1_000])
def test_shares_of_zero_and_one_have_wilson_intervals(people):
    """They agree with those of SciPy."""
    low = binomtest(0, people).proportion_ci(method="wilson")
    high = binomtest(people, people).proportion_ci(method="wilson")

    none, all_of_them = same_for_all(0.0, people), same_for_all(1.0, people)

    assert pytest.approx((low.low, low.high)) == (none.low, none.high)
    assert pytest.approx((high.low, high.high)) == (all_of_them.low, all_of_them.high)
