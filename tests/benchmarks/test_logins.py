"""The interval by which known and unknown names are compared."""

import numpy as np

from benchmarks.logins import interval


def test_the_interval_has_the_difference_in_it() -> None:
    random = np.random.default_rng(1)
    values = random.normal(50, 5, (200, 2))
    low, high = interval(values)
    assert low < 0 < high
    assert high - low < 5
    low, high = interval(values + np.array([3.0, 0.0]))
    assert 0 < low < 3 < high
