"""What happens to the cluster of `benchmarks.cluster`, in pages: groups of events."""

import signal
import threading
import time
from collections.abc import Callable

import httpx
import psutil

from benchmarks.cluster_processes import Cluster
from benchmarks.cluster_run import Run
from benchmarks.cluster_site import Site
from tests.server import Served, poll

SOON = 1.0
"""Seconds after the promotion of a model in which every API process has to serve it."""
AWAY = 4.0
"""Seconds for which a service is away that is stopped and started again."""
ASKED_AGAIN = 2.0
"""Seconds after which nginx asks a process again that was away: its fail_timeout, and one."""
ROLLING = "rolling restart"
FENCED = "SELECT coalesce(sum(value), 0) FROM task_totals WHERE figure = 'fenced'"


def first(run: Run) -> None:
    """Needs nothing of the cluster but what a `Site` has."""
    with run.event("import and rebuild"):
        run.complete(run.upload())
        run.complete(run.rebuild())
        version = run.client.recommendations(1, 5).model_version
        assert version is not None, "no model is served"
    with run.event("kill -9 a worker in a merge"):
        _kill(run, "merge", run.upload)


def workers(run: Run) -> None:
    with run.event("kill -9 a worker in a parse"):
        _kill(run, "parse", run.upload)
    with run.event("kill -9 a worker in training"):
        _kill(run, "train", run.rebuild)
    with run.event("kill -9 a worker while it publishes"):
        _kill(run, "publish", run.rebuild)
    with run.event("SIGSTOP a worker in a merge, and wake it"):
        _stop(run)


def services(run: Run) -> None:
    cluster = _cluster(run.site)
    with run.event("kill -9 an API process"), _Import(run):
        cluster.apis[0].kill()
        cluster.apis[0].start()
    with run.event("end all sessions"), _Import(run):
        text = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user"
        cluster.ask(f"{text} AND pid <> pg_backend_pid()")
    with run.event("restart PostgreSQL"), _Import(run):
        began = time.monotonic()
        cluster.postgres.restart()
        run.absences.append((began, time.monotonic()))
        run.tell(f"away for {run.absences[-1][1] - began:.1f} s")
    with run.event("stop Valkey, and start it"), _Import(run):
        cluster.valkey.stop()
        run.complete(run.rebuild())
        cluster.valkey.start()
    with run.event("kill the S3 server in a merge, and start it"), _Import(run):
        _without_s3(cluster)
    with run.event("kill the S3 server in a parse, and start it"), _Import(run, "parse"):
        _without_s3(cluster)
    with run.event("kill the S3 server while a model is published, and start it"):
        task = run.caught("publish", run.rebuild)
        _without_s3(cluster)
        run.complete(task.id)


def models(run: Run) -> None:
    cluster = _cluster(run.site)
    for name in ("with Redis", "Redis away"):
        with run.event(f"a model is served everywhere, {name}"):
            if name != "with Redis":
                cluster.valkey.stop()
            _serve_everywhere(run, cluster, name)
    cluster.valkey.start()


def rolling(run: Run) -> None:
    cluster = _cluster(run.site)
    with run.event(ROLLING), _Import(run):
        for api in cluster.apis:
            api.terminate()
            api.start()
            time.sleep(ASKED_AGAIN)
        for worker in list(cluster.workers):
            cluster.restart_worker(worker)
        cluster.nginx.reload()
        cluster.valkey.stop()
        cluster.valkey.start()
    run.report.at_most("raw failures in the rolling restart", run.attempts.of(ROLLING), 0)


PAGES: dict[str, Callable[[Run], None]] = {
    "first": first,
    "workers": workers,
    "services": services,
    "models": models,
    "rolling": rolling,
}


class _Import:
    """An import that is under way in a phase while something happens, with a rebuild behind it."""

    def __init__(self, run: Run, phase: str = "merge") -> None:
        self._run, self._phase = run, phase

    def __enter__(self) -> None:
        self._task = self._run.caught(self._phase, self._run.upload)
        self._rebuild = self._run.rebuild()

    def __exit__(self, error: object, *_: object) -> None:
        if error is None:
            self._run.complete(self._task.id, self._rebuild)


def _cluster(site: Site) -> Cluster:
    assert isinstance(site, Cluster), (
        "to a cluster that another program has started, only the first page happens"
    )
    return site


def _kill(run: Run, phase: str, begin: Callable[[], str]) -> None:
    task = run.caught(phase, begin)
    run.site.holder(task).kill()
    run.takeover(task, f"kill -9 in {phase}")
    run.complete(task.id)
    run.site.restore()


def _stop(run: Run) -> None:
    """For longer than its lease; once it is awake it changes nothing, and works on at other things."""
    task = run.caught("merge", run.upload)
    stopped, before = run.site.holder(task), run.site.asked(FENCED)[0][0]
    stopped.send_signal(signal.SIGSTOP)
    run.takeover(task, "SIGSTOP in merge")
    run.complete(task.id)
    stopped.send_signal(signal.SIGCONT)
    poll(lambda: run.site.asked(FENCED)[0][0] > before, within=60)
    assert stopped.status() != psutil.STATUS_ZOMBIE, "the worker that was stopped has ended"


def _without_s3(cluster: Cluster) -> None:
    cluster.s3.kill()
    time.sleep(AWAY)
    cluster.s3.start()


def _serve_everywhere(run: Run, cluster: Cluster, name: str) -> None:
    """Two API processes are asked all the time; the one without Redis for the first time afterwards."""
    run.complete(run.upload())
    task_id, seen = run.rebuild(), dict[str, tuple[float, int]]()
    ended = threading.Event()
    threads = [
        threading.Thread(target=_watch, args=(api, api.data_dir.name, seen, ended), daemon=True)
        for api in cluster.apis
    ]
    for thread in threads:
        thread.start()
    row = cluster.ended(task_id)
    run.complete(task_id)
    result = row.result or {}
    assert result.get("promoted"), result.get("reason")
    threads.append(
        threading.Thread(target=_watch, args=(cluster.lonely, "without Redis", seen, ended), daemon=True)
    )
    threads[-1].start()
    wanted = int(result["version"])
    try:
        poll(
            lambda: len(seen) == len(threads) and all(version >= wanted for _, version in seen.values()),
            within=30,
        )
    finally:
        ended.set()
    for api, (at, _) in sorted(seen.items()):
        took = max(0.0, at - (row.finished_at or at))
        run.report.at_most(f"seconds from promotion to being served, {name}: {api}", took, SOON)
    run.tell(f"version {wanted}")


def _watch(api: Served, name: str, seen: dict[str, tuple[float, int]], ended: threading.Event) -> None:
    """Keep when a version was first served."""
    while not ended.wait(0.02):
        try:
            answer = api.client.get("/recommendations/1", params={"limit": 1})
        except httpx.HTTPError:
            continue
        version = int(answer.headers.get("x-model-version") or 0)
        if version > seen.get(name, (0.0, -1))[1]:
            seen[name] = (time.time(), version)
