"""kill -9 of the server, of the worker, of both, at random moments: nothing is lost, nothing done twice.

`MATINEE_TEST_KILLS` is how often an import is killed, and a rebuild a fifth as often: 100 in the long proof.
The moments are printed.
"""

import os
import random
import shutil
import signal
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

from tests.processes.imports import FILMS, await_phase, queried, upload, write_csv
from tests.server import Server, poll

KILLS = int(os.environ.get("MATINEE_TEST_KILLS", "1"))
PHASES = ("parse", "merge")
ENVIRONMENT = {"MATINEE_IMPORT_CHUNK": "8000"}


def start_rebuild(server: Server, number: int) -> str:
    rating = {"movie_id": FILMS[number % len(FILMS)], "user_id": 9_999_999, "score": 1 + number % 5}
    server.client.post("/ratings", json=rating).raise_for_status()
    return str(server.client.post("/recommender/rebuild").raise_for_status().json()["task_id"])


def import_effects(server: Server, task: dict[str, Any]) -> list[Any]:
    """The report of an import, its rejects, and what is in the database."""
    sums = "count(*), sum(user_id), sum(movie_id), sum(score), sum(rated_at)"
    rejects = server.client.get(f"/imports/{task['task_id']}/rejects").raise_for_status()
    return [
        {name: value for name, value in task["result"].items() if name != "seconds"},
        sha256(rejects.content).hexdigest(),
        queried(
            server.data_dir,
            f"SELECT import_seq, {sums} FROM ratings GROUP BY import_seq",
            f"SELECT import_seq, {sums} FROM rating_before_images GROUP BY import_seq",
            "SELECT id, rating_count, rating_sum FROM movies ORDER BY id",
            "SELECT count(*) FROM count_changes",
        ),
        list((server.data_dir / "work").iterdir()),
    ]


def rebuild_effects(data_dir: Path) -> list[Any]:
    return queried(
        data_dir,
        "SELECT count(*), sum(user_id), sum(movie_id), sum(score) FROM ratings",
        "SELECT version, checksum, active FROM models ORDER BY version",
    )


def kill_server(server: Server) -> None:
    server.kill()
    poll(lambda: not server.orphans(), within=5)
    server.start()


def kill_worker(server: Server) -> None:
    for worker in server.workers():
        worker.send_signal(signal.SIGKILL)


def kill_both(server: Server) -> None:
    workers = server.workers()
    server.kill()
    for worker in workers:
        if worker.is_running():
            worker.kill()
    server.start()


VICTIMS = (kill_server, kill_worker, kill_both)


def _no_orphans(server: Server) -> bool:
    return not server.orphans()


def phase_lengths(server: Server, task_id: str) -> dict[str, float]:
    """Seconds of each phase of a task that has ended."""
    query = (
        "SELECT e.at, json_extract(e.data, '$.phase') FROM task_events e JOIN tasks t ON t.seq = e.task_seq"
    )
    rows = queried(server.data_dir, f"{query} WHERE t.id = '{task_id}' ORDER BY e.number")[0]
    begun: dict[str, float] = {}
    for at, phase in rows:
        if phase:
            begun.setdefault(phase, at)
    return {"parse": begun["merge"] - begun["parse"], "merge": rows[-1][0] - begun["merge"]}


def test_an_import_that_is_killed_ends_like_one_that_is_not(tmp_path: Path) -> None:
    large = write_csv(tmp_path / "large.csv", 500_000, 1)  # read by the compiled lane
    server = Server(tmp_path / "base", **ENVIRONMENT).start()
    server.wait(upload(server, write_csv(tmp_path / "first.csv", 20_000, 0)))
    server.close()
    shutil.copytree(tmp_path / "base", tmp_path / "undisturbed")
    server = Server(tmp_path / "undisturbed", **ENVIRONMENT).start()
    task = server.wait(upload(server, large))
    expected, seconds = import_effects(server, task), phase_lengths(server, task["task_id"])
    server.close()
    assert task["status"] == "complete"
    assert all(expected[0][name] for name in ("new", "replaced", "older", "duplicate", "rejected"))
    choose = random.Random("import")
    for number in range(KILLS):
        shutil.copytree(tmp_path / "base", tmp_path / "killed")
        server = Server(tmp_path / "killed", **ENVIRONMENT).start()
        try:
            task_id = upload(server, large)
            phase, victim = PHASES[number % 2], VICTIMS[number % len(VICTIMS)]
            await_phase(server, task_id, phase)
            moment = choose.uniform(0, seconds[phase])
            Event().wait(moment)  # others get on meanwhile
            query = f"SELECT status, phase, done, total FROM tasks WHERE id = '{task_id}'"
            print(
                f"{number}: {victim.__name__} {moment:.3f} s into {phase}:", *queried(server.data_dir, query)
            )
            victim(server)
            assert import_effects(server, server.wait(task_id)) == expected
        finally:
            server.close()
        poll(partial(_no_orphans, server), within=10)
        shutil.rmtree(tmp_path / "killed")


def test_a_rebuild_that_is_killed_ends_like_one_that_is_not(tmp_path: Path) -> None:
    def run(directory: Path, *, strike: bool) -> list[Any]:
        server, found = Server(directory, MATINEE_KEEP_MODELS="1000").start(), []
        try:
            for number in range(max(1, KILLS // 5)):
                task_id = start_rebuild(server, number)
                if strike:
                    Event().wait(moment := choose.uniform(0, 0.5))
                    victim = VICTIMS[number % len(VICTIMS)]
                    print(f"{number}: {victim.__name__} after {moment:.3f} s")
                    victim(server)
                task = server.wait(task_id)
                assert task["status"] == "complete", task
                result = task["result"]
                found.append({k: v for k, v in result.items() if k not in ("seconds", "evaluation")})
        finally:
            server.close()
        poll(partial(_no_orphans, server), within=10)
        return [found, rebuild_effects(directory)]

    choose = random.Random("rebuild")
    expected = run(tmp_path / "undisturbed", strike=False)
    assert run(tmp_path / "killed", strike=True) == expected
