"""Watching a heartbeat: silence is counted in looks, progress is a beat, and no other process is killed."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from app.storage.heartbeat import Beat, Heartbeat, Usage, place, read_beat, record_of, start_of, usage_of
from app.tasks import watchdog
from app.tasks.watchdog import LONGEST_LOOK, Watchdog
from tests.server import poll

SPANS, SILENCE = 3.0, 10.0
pytestmark = pytest.mark.skipif(start_of(os.getpid()) is None, reason="this system has no /proc")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def beat(process: subprocess.Popen[bytes]) -> Beat:
    return Beat(place(), process.pid, start_of(process.pid) or 0, task="t1", kind="import_ratings")


class Watched:
    """A watchdog with its record and its clock."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, Clock()
        self.dog = Watchdog(path, SPANS, self.clock)

    def look(self, beat: Beat, seconds: float) -> None:
        """Looks of a second each, at the same beat."""
        self.path.write_text(json.dumps(asdict(beat)))
        for _ in range(round(seconds)):
            self.clock.now += 1
            self.dog.look()


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "runner.beat")


def test_a_process_is_late_after_its_longest_step_and_stuck_after_three(watched: Watched, beat: Beat) -> None:
    watched.look(beat, SILENCE)
    assert not watched.dog.late
    watched.look(beat, 2)
    assert watched.dog.late
    assert not watched.dog.stuck
    assert (
        watched.dog.story() == f"worker {beat.pid} has not made progress for 11 s on task t1 (import_ratings)"
    )
    watched.look(beat, 2 * SILENCE)
    assert watched.dog.stuck
    watched.look(replace(beat, count=1), 1)
    assert not watched.dog.late


def test_what_a_process_that_slept_did_not_see_does_not_count(watched: Watched, beat: Beat) -> None:
    watched.look(beat, 2)
    watched.clock.now += 3600
    watched.dog.look()
    assert watched.dog.silent <= 1 + LONGEST_LOOK
    assert not watched.dog.late


def test_cpu_time_is_progress_in_a_busy_step_only(
    watched: Watched, beat: Beat, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = iter(range(1000))
    monkeypatch.setattr(watchdog, "usage_of", lambda _pid, _aside: Usage(next(used), 0.0))
    watched.look(replace(beat, busy=True), 4 * SILENCE)
    assert not watched.dog.late
    watched.look(beat, 4 * SILENCE)
    assert watched.dog.stuck


def test_a_process_that_waits_for_a_processor_is_not_silent(
    watched: Watched, beat: Beat, monkeypatch: pytest.MonkeyPatch
) -> None:
    delay = iter(range(1000))
    monkeypatch.setattr(watchdog, "usage_of", lambda _pid, _aside: Usage(1.0, float(next(delay))))
    watched.look(beat, 4 * SILENCE)
    assert not watched.dog.late


def test_threads_aside_are_left_out_of_what_a_process_uses() -> None:
    heart, ended, begun = Heartbeat(), threading.Event(), threading.Event()

    def turn() -> None:
        heart.stand_aside()
        begun.set()
        while not ended.is_set():
            sum(range(1000))

    thread = threading.Thread(target=turn)
    thread.start()
    begun.wait(10)
    try:
        every, without = (usage_of(os.getpid(), aside) for aside in ((), heart._aside))
        assert every is not None
        assert without is not None
        poll(lambda: (usage_of(os.getpid()) or every).cpu > every.cpu + 0.05)
        assert (usage_of(os.getpid()) or every).cpu - (
            usage_of(os.getpid(), heart._aside) or every
        ).cpu > 0.03
    finally:
        ended.set()
        thread.join(10)


def test_the_process_of_the_record_is_killed(
    watched: Watched, beat: Beat, process: subprocess.Popen[bytes]
) -> None:
    watched.look(beat, 4 * SILENCE)
    watched.dog.kill()
    assert process.wait(10) == -9
    watched.look(beat, 1)
    assert watched.dog.beat is None


@pytest.mark.parametrize("change", [{"started": 1}, {"place": "another boot"}])
def test_a_process_that_got_the_number_later_is_left_alone(
    watched: Watched, beat: Beat, process: subprocess.Popen[bytes], change: dict[str, object]
) -> None:
    watched.look(replace(beat, **change), 4 * SILENCE)  # type: ignore[arg-type]
    assert not watched.dog.stuck
    watched.dog.beat = replace(beat, **change)  # type: ignore[arg-type]
    watched.dog.kill()
    assert process.poll() is None


def test_a_heart_beats_for_its_own_thread_and_only_beside_a_lock_that_is_held(tmp_path: Path) -> None:
    heart, record = Heartbeat(), record_of(tmp_path / "runner.lock")
    heart.beat()
    assert read_beat(record) is None
    with heart.beside(tmp_path / "runner.lock"):
        heart.work_on("t1", "rebuild_model", 7.0)
        first = read_beat(record)
        assert first is not None
        assert (first.pid, first.task, first.silence, first.busy) == (os.getpid(), "t1", 7.0, False)

        def beaten() -> bool:
            heart.beat()
            now = read_beat(record)
            return now is not None and now.count > first.count

        poll(beaten)
        with heart.busy():
            during = read_beat(record)
            assert during is not None
            assert during.busy
    assert read_beat(record) is None
