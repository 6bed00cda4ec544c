"""What the API process makes of its settings for the worker that it starts beside itself."""

import pytest

from app.config import Settings
from app.tasks import embedded


@pytest.mark.parametrize(("processors", "wanted", "threads"), [(8, 0, 7), (1, 0, 1), (None, 0, 1), (8, 3, 3)])
def test_a_model_is_trained_beside_the_api_with_one_processor_less(
    monkeypatch: pytest.MonkeyPatch, processors: int | None, wanted: int, threads: int
) -> None:
    monkeypatch.setattr(embedded.os, "cpu_count", lambda: processors)
    assert embedded._for_worker(Settings(train_threads=wanted)).train_threads == threads
