"""What processes count: it adds up over all of them, whatever becomes of them, and never goes back."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from app.measures import MANY, RECOMMENDATIONS, REQUESTS, Measures, added, minutes
from app.storage.heartbeat import place
from app.storage.snapshots import ENDED, Snapshots

GET = ("GET", "/movies", "200")


def total(snapshot: dict[str, Any], *key: str) -> float:
    """How many were counted under a name and labels."""
    found = [values for labels, values in snapshot["totals"] if tuple(labels) == key]
    return sum(found[0][1:] if len(found[0]) > 1 else found[0]) if found else 0.0


def test_durations_are_counted_in_their_buckets() -> None:
    measures = Measures()
    for seconds in (0.0005, 0.001, 0.002, 99.0):
        measures.observe(REQUESTS, seconds, *GET)
    ((_, (sum_, *buckets)),) = measures.snapshot()["totals"]
    assert sum_ == pytest.approx(99.0035)
    assert (buckets[0], buckets[1], buckets[-1], sum(buckets)) == (2, 1, 1, 4)


def test_threads_lose_nothing_of_what_is_added_up_later() -> None:
    measures = Measures()

    def ask() -> None:
        for _ in range(3 * MANY):
            measures.observe(REQUESTS, 0.01, *GET)
            measures.note(200, 0.01)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    snapshot = measures.snapshot()
    assert total(snapshot, REQUESTS.name, *GET) == 12 * MANY
    assert sum(one["statuses"]["2xx"] for one in snapshot["minutes"].values()) == 12 * MANY
    assert total(measures.snapshot(), REQUESTS.name, *GET) == 12 * MANY


def test_an_hour_is_kept_by_the_minute_and_a_clock_that_is_set_back_loses_nothing_new() -> None:
    now = 3_600_000.0
    measures = Measures(lambda: now)
    measures.note(200, 0.01)
    now += 60
    measures.note(503, None)
    hour = minutes.summary(measures.snapshot()["minutes"], now)
    assert hour["per_minute"][-2:] == [1, 1]
    assert hour["errors_per_minute"][-2:] == [0, 1]
    assert hour["per_minute_p99"][-2] == pytest.approx(10, rel=0.25)
    assert hour["per_minute_p99"][-1] is None
    now += 61 * 60
    measures.note(200, 0.01)
    assert sum(minutes.summary(measures.snapshot()["minutes"], now)["per_minute"]) == 1
    now -= 7_200
    measures.note(200, 0.01)
    assert minutes.summary(measures.snapshot()["minutes"], now)["per_minute"][-1] == 1


def test_snapshots_add_up_and_other_buckets_are_left_out() -> None:
    one, two = Measures(), Measures()
    for measures in (one, two, two):
        measures.count(RECOMMENDATIONS, 'a "quoted" one')
    old = {"totals": [[[REQUESTS.name, *GET], [1.0, 1.0]]], "minutes": {}, "active": 2}
    two.observe(REQUESTS, 1.0, *GET)
    every = added([two.snapshot(), one.snapshot(), old])
    assert total(every, RECOMMENDATIONS.name, 'a "quoted" one') == 3
    assert total(every, REQUESTS.name, *GET) == 1
    assert every["active"] == 2


OTHER = """
import sys
from pathlib import Path
from app.measures import RECOMMENDATIONS, Measures
from app.storage.snapshots import Snapshots
measures = Measures()
for _ in range(3):
    measures.count(RECOMMENDATIONS, "own")
measures.active = 5
Snapshots(Path(sys.argv[1]), measures.snapshot).write()
print("written", flush=True)
sys.stdin.read()
"""


def own(folder: Path) -> tuple[Measures, Snapshots]:
    measures = Measures()
    measures.count(RECOMMENDATIONS, "own")
    return measures, Snapshots(folder, measures.snapshot)


def test_another_process_counts_while_it_lives_and_after_it_was_killed(tmp_path: Path) -> None:
    measures, mine = own(tmp_path)
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"written\n"
    assert total(mine.all(), RECOMMENDATIONS.name, "own") == 4
    assert mine.all()["active"] == 5
    other.kill()
    other.wait()
    assert total(mine.all(), RECOMMENDATIONS.name, "own") == 4
    assert mine.all()["active"] == 0
    mine.write()  # carries over
    assert len(list(tmp_path.glob("*-*-*.json"))) == 1
    assert total(mine.all(), RECOMMENDATIONS.name, "own") == 4
    mine.write()
    measures.count(RECOMMENDATIONS, "own")
    assert total(mine.all(), RECOMMENDATIONS.name, "own") == 5


def test_a_kill_while_totals_are_carried_over_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = {"place": place(), "pid": os.getpid(), "started": -1, "active": 1, "minutes": {}}
    gone["totals"] = [[[RECOMMENDATIONS.name, "own"], [7.0]]]
    (tmp_path / "1-1-a.json").write_text(json.dumps(gone))
    _, mine = own(tmp_path)

    def killed(*_: Any, **__: Any) -> None:
        raise OSError("killed")

    monkeypatch.setattr(Path, "unlink", killed)
    mine.write()
    assert (tmp_path / ENDED).exists()
    assert (tmp_path / "1-1-a.json").exists()
    assert total(mine.all(), RECOMMENDATIONS.name, "own") == 8
    monkeypatch.undo()
    mine.write()
    assert not (tmp_path / "1-1-a.json").exists()
    assert total(mine.all(), RECOMMENDATIONS.name, "own") == 8


@pytest.mark.parametrize("damaged", ["", "[1]", '{"totals": []}', "\0"])
def test_a_damaged_file_ends_nothing(tmp_path: Path, damaged: str) -> None:
    (tmp_path / ENDED).write_text(damaged)
    (tmp_path / "1-1-a.json").write_text(damaged)
    _, mine = own(tmp_path)
    mine.write()
    assert total(mine.all(), RECOMMENDATIONS.name, "own") == 1


def test_a_folder_that_cannot_be_written_costs_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    _, mine = own(tmp_path / "file" / "metrics")
    mine.write()
    mine.write()
    assert len(caplog.records) == 1
    assert total(mine.all(), RECOMMENDATIONS.name, "own") == 1
