"""`matinee demo --kill`: its worker is killed in the middle of an import, and no row is lost."""

import os
import re
import subprocess
import sys
from pathlib import Path

SMALLER = (
    "import sys; from app.cli import kill; from app.config import Settings; "
    "kill.ROWS, kill.USERS, kill.CHUNK = 20_000, 1_000, 50; sys.exit(kill.run(Settings(port=0)))"
)


def test_no_row_is_lost_though_the_worker_is_killed(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SMALLER],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 lost, 0 twice, 0 wrong" in ran.stdout
    rows = [
        int(number.replace(",", ""))
        for number in re.findall(r"(?:at least|goes on:) ([\d,]+) rows", ran.stdout)
    ]
    assert len(rows) == 4 and rows == sorted(rows) and rows[0] >= 5_000
    assert list(tmp_path.iterdir()) == []
