"""What the processes of this machine have counted, a small file each: one of them can speak for all.

A file is at most `EVERY` seconds old. When its process has ended, killed or not, its totals are carried over
into the file `ended.json`, by the process that sees it first: they never go back.
"""

import contextlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from app import measures
from app.storage.heartbeat import place, start_of
from app.storage.locks import file_lock

EVERY = 5.0
"""Seconds between two writes."""
PATIENCE = 2.0
"""Seconds for the lock of the folder."""
ENDED = "ended.json"

log = logging.getLogger("matinee.measures")


class Snapshots:
    """The folder, and this process's file in it. `take`: makes a snapshot of this process."""

    def __init__(self, folder: Path, take: Callable[[], dict[str, Any]]) -> None:
        self._folder, self._take = folder, take
        self._who = {"place": place(), "pid": os.getpid(), "started": start_of(os.getpid()) or 0}
        self._own = folder / f"{os.getpid()}-{self._who['started']}-{id(self):x}.json"
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._has_warned = False

    def start(self) -> None:
        """Keep the file up to date from here on, in a thread."""
        self._closing.clear()
        self._thread = threading.Thread(target=self._keep, name="matinee-measures", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write the last one, if it was started."""
        if self._thread is not None:
            self._closing.set()
            self._thread.join(PATIENCE + EVERY)
            self._thread = None

    def _keep(self) -> None:
        while True:
            is_last = self._closing.wait(EVERY)
            self.write()
            if is_last:
                return

    def write(self) -> None:
        """Write the file of this process, and carry over those of processes that have ended. Never raises."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with file_lock(self._folder / "lock", PATIENCE):
                _write(self._own, self._who | self._take())
                self._carry_over()
            self._has_warned = False
        except Exception as error:  # such as a full disk: what was counted is still in memory
            if not self._has_warned:
                log.warning("what this process has counted is not kept on disk: %s", error)
            self._has_warned = True

    def all(self) -> dict[str, Any]:
        """The sum over this process, the others of this machine, and those that have ended."""
        if not self._folder.is_dir():
            return measures.added([self._take()])
        with file_lock(self._folder / "lock", PATIENCE):
            ended = _read(self._folder / ENDED)
            carried = set(ended.get("carried", ()))
            others = [(path, one) for path, one in self._others() if path.name not in carried]
        for _, one in others:
            one["active"] = one["active"] if _lives(one) else 0
        return measures.added([self._take(), *([ended] if ended else []), *(one for _, one in others)])

    def _carry_over(self) -> None:
        """First the sum, with the names of what is in it, then the files go: a kill between counts once."""
        ended = _read(self._folder / ENDED)
        carried = set(ended.get("carried", ()))
        gone = [(path, one) for path, one in self._others() if not _lives(one)]
        new = [(path, one | {"active": 0}) for path, one in gone if path.name not in carried]
        if new:
            every = measures.added([*([ended] if ended else []), *(one for _, one in new)])
            _write(self._folder / ENDED, every | {"carried": [path.name for path, _ in gone]})
        for path, _ in gone:
            path.unlink(missing_ok=True)

    def _others(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        for path in self._folder.glob("*-*-*.json"):
            if path != self._own and (found := _read(path)):
                yield path, found


def _lives(snapshot: dict[str, Any]) -> bool:
    """Whether its process is there. One of another container cannot be judged, and is taken to be."""
    if snapshot["place"] != place():
        return bool(snapshot["place"].split(" ")[0] == place().split(" ")[0])
    return bool(start_of(snapshot["pid"]) == snapshot["started"])


def _read(path: Path) -> dict[str, Any]:
    """Empty if there is none, or a fault of the disk has damaged it."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_bytes())
        if isinstance(found, dict) and {"totals", "minutes", "active"} <= found.keys():
            return found
    return {}


def _write(path: Path, content: dict[str, Any]) -> None:
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)
    new.replace(path)
