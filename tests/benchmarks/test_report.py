import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import synthetic
from benchmarks.report import Report, table


def test_a_report_tells_which_bars_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("speed")
    report.add(engine="ours", seconds=1.5)
    report.at_least("ratio", 4.0, 3)
    report.at_most("memory", 900.0, 1000)
    assert report.finish(tmp_path / "out.json") == 0
    report.at_most("memory", 1100.0, 1000)
    assert report.finish(None) == 1
    kept = json.loads((tmp_path / "out.json").read_text())
    assert kept["bars"][0] == {"name": "ratio", "value": 4.0, "target": ">= 3", "holds": True}
    assert kept["rows"] == [{"engine": "ours", "seconds": 1.5}]
    assert {"machine", "versions"} <= set(kept)
    assert "NO" in capsys.readouterr().out


def test_a_table_is_aligned() -> None:
    lines = table([{"name": "a", "n": 5}, {"name": "long", "n": 12345}]).splitlines()
    assert lines == ["name       n", "a          5", "long  12,345"]


def test_generated_ratings_are_those_of_the_seed() -> None:
    first, second = synthetic.generate("100k"), synthetic.generate("100k")
    assert (first.scores.indices == second.scores.indices).all()
    assert (first.scores.values == second.scores.values).all()
    assert not np.array_equal(first.scores.indptr, synthetic.generate("100k", seed=1).scores.indptr)
    assert set(np.unique(first.scores.values * 2)) <= set(range(1, 11))
    assert 70_000 < len(first) < 130_000


def test_stored_ratings_are_the_generated_ones(tmp_path: Path) -> None:
    generated = synthetic.stored(tmp_path, "100k")
    read = synthetic.stored(tmp_path, "100k")
    for name in ("indptr", "indices", "values"):
        assert (getattr(read.scores, name) == getattr(generated.scores, name)).all()
