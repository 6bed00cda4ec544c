"""What the API process and the worker beside it leave to each other."""

import os

import pytest

from app.config import Settings
from app.tasks import embedded, processors


@pytest.mark.parametrize(
    ("usable", "wanted", "threads"), [(range(8), 0, 7), ([3], 0, 1), (range(8), 3, 3), (range(8), 8, 8)]
)
def test_a_model_is_trained_beside_the_api_with_one_processor_less(
    monkeypatch: pytest.MonkeyPatch, usable: list[int], wanted: int, threads: int
) -> None:
    monkeypatch.setattr(processors, "_ALL", set(usable))
    assert embedded._for_worker(Settings(train_threads=wanted)).train_threads == threads


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not bind threads")
def test_a_thread_leaves_one_processor_and_takes_it_again() -> None:
    before = os.sched_getaffinity(0)
    try:
        processors.leave_one(True)
        assert len(os.sched_getaffinity(0)) == max(1, len(before) - 1)
    finally:
        processors.leave_one(False)
    assert os.sched_getaffinity(0) == before
