"""Whatever happens to imports and undos in whatever order: figures add up, and undone is undone.

MATINEE_TEST_SEQUENCES says how many sequences are tried, MATINEE_TEST_SEED which is the first.
"""

import gc
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.imports.sequences import Sequence, open_empty, reset

SEQUENCES = int(os.environ.get("MATINEE_TEST_SEQUENCES", "40"))
FIRST = int(os.environ.get("MATINEE_TEST_SEED", "0"))
STEPS = 12


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Counts are settled in small parts, and nothing waits for a disk or a clock."""
    logging.disable(logging.CRITICAL)  # thousands of tracebacks of what fails on purpose
    monkeypatch.setattr("app.repository.imports.SUMMED_AT_ONCE", 2)
    monkeypatch.setattr("app.repository.imports.SETTLED_AT_ONCE", 2)
    monkeypatch.setattr("app.repository.imports.SETTLED_ALONE", 2)
    monkeypatch.setattr("app.tasks.attempt.REPORT_EVERY", 0.0)
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)
    collector = SimpleNamespace(
        **vars(gc) | {"collect": lambda: 0, "freeze": lambda: None}
    )  # slow in a process of many tests
    monkeypatch.setattr("app.process.gc", collector)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("small")
def test_sequences_of_imports_undos_retries_kills_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = open_empty(tmp_path)
    began = time.monotonic()
    for seed in range(FIRST, FIRST + SEQUENCES):
        reset(database, tmp_path)
        sequence = Sequence(database, tmp_path, seed)
        try:
            for _ in range(STEPS):
                sequence.step()
            sequence.finish()
        except BaseException:
            print(f"sequence {seed}:", *sequence.told, sep="\n")
            raise
        if (seed - FIRST + 1) % 1000 == 0:
            with capsys.disabled():
                print(f"\n{seed - FIRST + 1} sequences held, {time.monotonic() - began:.0f} s", flush=True)
    database.close()
