"""Distances between counts: against numpy's and scipy's words for them, and what chance alone gives."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelcast_runtime import baseline
from modelcast_runtime.baseline import Signal

pairs = st.integers(1, 12).flatmap(
    lambda width: st.tuples(*[st.lists(st.integers(0, 10_000), min_size=width, max_size=width)] * 2)
)


@given(pairs)
def test_the_distances_are_those_of_scipy(pair: tuple[list[int], list[int]]) -> None:
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import entropy

    expected, observed = pair
    p, q = np.array(baseline.shares(expected)), np.array(baseline.shares(observed))
    assert p.sum() == pytest.approx(1)
    assert p.min() > 0
    assert baseline.psi(expected, observed) == pytest.approx(entropy(p, q) + entropy(q, p), abs=1e-9)
    assert baseline.js(expected, observed) == pytest.approx(jensenshannon(p, q, base=2), abs=1e-7)
    assert baseline.tvd(expected, observed) == pytest.approx(np.abs(p - q).sum() / 2, abs=1e-12)


@given(pairs)
def test_distances_are_the_same_both_ways_and_nothing_between_equals(pair: tuple[list[int], list[int]]) -> None:
    one, other = pair
    for distance in (baseline.psi, baseline.js, baseline.tvd):
        assert distance(one, other) == pytest.approx(distance(other, one), abs=1e-12)
        assert distance(one, one) == 0


@pytest.mark.parametrize("freedom", [1, 2, 9, 11, 40])
@pytest.mark.parametrize("level", [0.9, 0.999, 1 - 1 / 36_000])
def test_the_quantile_is_that_of_scipy(level: float, freedom: int) -> None:
    from scipy.stats import chi2

    assert baseline.chi_squared(level, freedom) == pytest.approx(
        chi2.ppf(level, freedom), rel=0.1 if freedom < 9 else 0.02
    )


def test_few_rows_must_be_further_off() -> None:
    signal = Signal(kind="input", name="x", edges=tuple(map(float, range(9))), counts=(300,) * 10)
    assert baseline.threshold(signal, 0, 0.25, 50) == math.inf
    assert baseline.threshold(signal, 100, 0.25, 50) == pytest.approx(38.4 * (1 / 100 + 1 / 3000), rel=0.05)
    assert baseline.threshold(signal, 5_000, 0.25, 50) == 0.25


def test_without_drift_a_month_of_hours_stays_below_the_threshold() -> None:
    """The figure of `docs/monitoring.md`: 50 inputs, 1,000 rows an hour, 24 hours of 30 days, seven times over."""
    generator = np.random.default_rng(0)
    shares = np.full(10, 0.1)
    counts = generator.multinomial(3_000, shares, size=50)
    pages, months = 0, 7
    for reference in counts.tolist():
        signal = Signal(kind="input", name="x", edges=tuple(map(float, range(9))), counts=tuple(reference))
        limit = baseline.threshold(signal, 1_000, 0.0, 50)
        p = np.array(baseline.shares(reference))
        seen = generator.multinomial(1_000, shares, size=24 * 30 * months) + baseline.SMOOTHING
        q = seen / seen.sum(axis=1, keepdims=True)
        pages += int((((q - p) * np.log(q / p)).sum(axis=1) > limit).sum())
    assert pages <= months * 2  # and a page needs drift.psi, 0.25, too: none is above that
