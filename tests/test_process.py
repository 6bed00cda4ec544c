"""How a serving process collects garbage."""

import subprocess
import sys

SCRIPT = """
import gc
from app import process

process.serve_without_pauses()
before = gc.get_stats()[2]["collections"]
kept = [[] for _ in range(1_000_000)]
print(gc.get_stats()[2]["collections"] - before, gc.get_freeze_count() > 0)
"""


def test_a_million_new_objects_cause_no_full_collection() -> None:
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["0", "True"]
