"""A real server on a real socket, in a process group of its own, that tests can kill."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from app.storage.locks import try_lock

T = TypeVar("T")


def poll(probe: Callable[[], T | None], *, within: float = 20.0, every: float = 0.02) -> T:
    """The first true answer of `probe`; fails after `within` seconds. For what other processes do."""
    deadline = time.monotonic() + within
    while True:
        if answer := probe():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing within {within} s")
        time.sleep(every)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))  # free at every address
        return int(probe.getsockname()[1])


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # it has ended between the two
        return False


class Server:
    """`uvicorn app.main:app` on a data directory; restarted on the same port after it was killed."""

    def __init__(self, data_dir: Path, *options: str, **environment: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self._options = options
        self._environment = {"MATINEE_DATA_DIR": str(data_dir), **environment}
        self._seen: set[psutil.Process] = set()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Server":
        data_log = self.data_dir.with_suffix(".log")
        with data_log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.command()],
                env=os.environ | {"PYTHONFAULTHANDLER": "1"} | self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            poll(self._healthy, within=60)
        except BaseException:  # no fixture would close it
            self.close()
            raise
        return self

    def ready(self) -> "Server":
        """Once it has its database and its worker, which may take long on a busy machine."""

        def is_ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return self.client.get("/health/ready").status_code == 200
            return False

        try:
            poll(is_ready, within=60)
        except AssertionError:
            self.close()
            raise
        return self

    def command(self) -> list[str]:
        return ["-m", "uvicorn", "app.main:app", "--port", str(self.port), *self._options]

    def _healthy(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.client.get("/health").status_code == 200
        return False

    def workers(self) -> list[psutil.Process]:
        """The worker processes of this server that are alive."""
        if self.process is None:
            return []
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if "worker" in child.cmdline():
                        found.append(child)
        self._seen.update(found)
        return found

    def worker(self) -> psutil.Process:
        """The worker, once it runs."""
        return poll(lambda: next(iter(self.workers()), None))

    def suspended_worker(self) -> psutil.Process:
        """The worker, stopped while it runs no statement that writes."""

        def suspended() -> psutil.Process | None:
            worker = self.worker()
            if not (self.data_dir / "runner.beat").exists():
                return None  # it may be migrating the database
            worker.suspend()
            held = try_lock(self.data_dir / "turn.lock")
            if held is None:
                worker.resume()
                return None
            os.close(held)
            return worker

        return poll(suspended)

    def kill(self) -> None:
        """kill -9, the server alone."""
        self.workers()
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def terminate(self, number: int = signal.SIGTERM) -> int:
        """End it the polite way; the exit status."""
        if self.process is None:
            return 0
        self.workers()
        self.process.send_signal(number)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # its threads' stacks go to the log
            self.process.wait(10)
            raise AssertionError(f"the server does not end:\n{self.log()[-10_000:]}") from None

    def log(self) -> str:
        """What the server and its workers have written."""
        return self.data_dir.with_suffix(".log").read_text(errors="replace")

    def orphans(self) -> list[psutil.Process]:
        """Workers of this server that ever were and still live, though their parent is gone."""
        return [worker for worker in self._seen if _lives(worker)]

    def task(self, task_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get(f"/tasks/{task_id}").raise_for_status().json()
        return answer

    def wait(self, task_id: str, *, within: float = 60.0) -> dict[str, Any]:
        """The task, once it has ended."""

        def ended() -> dict[str, Any] | None:
            with contextlib.suppress(httpx.TransportError):
                task = self.task(task_id)
                return task if task["finished_at"] else None
            return None

        return poll(ended, within=within)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.terminate()
        self.client.close()


class Served(Server):
    """`matinee serve`."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        super().__init__(data_dir, **environment)
        self._environment["MATINEE_PORT"] = str(self.port)

    def command(self) -> list[str]:
        return ["-m", "app.cli", "serve"]
