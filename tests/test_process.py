"""How a process is tuned."""

import ctypes
import subprocess
import sys

import psutil
import pytest

from app.process import return_memory

SCRIPT = """
import gc
from app import process

process.serve_without_pauses()
before = gc.get_stats()[2]["collections"]
kept = [[] for _ in range(1_000_000)]
print(gc.get_stats()[2]["collections"] - before, gc.get_freeze_count() > 0)
"""
BLOCK, BLOCKS = 64_000, 1_600
"""100 MB of blocks that no C library takes from the system one by one."""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="another C library than glibc")
def test_what_is_freed_goes_back_to_the_system() -> None:
    process = psutil.Process()
    before = process.memory_info().rss
    blocks = [b"x" * BLOCK for _ in range(BLOCKS)]
    held = process.memory_info().rss - before
    assert held > 0.9 * BLOCK * BLOCKS
    last = blocks[-1]  # what lies below a block in use is not returned by itself
    del blocks
    return_memory()
    assert process.memory_info().rss - before < 0.2 * held
    assert len(last) == BLOCK


def test_a_million_new_objects_cause_no_full_collection() -> None:
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["0", "True"]
