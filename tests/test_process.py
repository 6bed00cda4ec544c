"""How a process is tuned."""

import ctypes

import psutil
import pytest

from app.process import return_memory

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
