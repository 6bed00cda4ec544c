"""What workers need of an engine beside transactions: a place to work, its clock, wake-ups, who is gone."""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

if TYPE_CHECKING:
    from app.storage.database import Database

RUNNER, OUTSIDE = "runner", "outside"
"""The places of a worker's main thread and of the one beside."""
MIGRATE = "migrate"
"""The lock of who brings the schema up to date."""


class Workers:
    """Of an engine with one worker at a time: it holds a lock, so what others have left is its own."""

    many: ClassVar[bool] = False
    """Whether several may work at once: then a task belongs to the one whose lease of it has not run out."""
    idle: ClassVar[float] = 0.5
    """Seconds between two looks into the queue, where no wake-up cuts them short."""
    watch: ClassVar[float] = 0.2
    """Seconds between two looks at whether a task that runs is to be cancelled."""

    @staticmethod
    def place(name: str, worker: str) -> str:  # noqa: ARG004
        """The name of the lock that a thread of that worker holds."""
        return name

    @contextmanager
    def at_work(self, database: "Database", name: str, worker: str) -> Iterator[Path]:
        """Hold the place of a worker's thread, after waiting for it; gives the file that stands for it.

        The heartbeat of the thread is kept beside it.
        """
        place = self.place(name, worker)
        with database.exclusive(place):
            yield database.lock_file(place)

    def left(self, database: "Database") -> Collection[str] | None:  # noqa: ARG002
        """The workers of this machine that are gone, each once; None: all but the caller."""
        return None

    def locks(self, directory: Path, name: str) -> list[Path]:
        """The files that stand for the places of that name, of every worker on this machine."""
        return [directory / f"{name}.lock"]

    def now(self) -> sa.ColumnElement[float]:
        """The time by the clock of the database, in epoch seconds."""
        days: Any = sa.func.julianday("now") - sa.literal_column("2440587.5")
        return sa.type_coerce(days * 86_400.0, sa.Double)

    def end_if_idle(self, connection: Connection, seconds: float) -> None:
        """Have the engine, if it can, end this transaction once its process has done nothing for so long."""

    def announce(self, connection: Connection) -> None:
        """Have every worker look into the queue once this transaction is committed, if the engine can."""

    def listen(self, database: "Database", heard: Callable[[], None], closing: threading.Event) -> None:
        """Call `heard` at what is announced, until `closing`; returns at once if the engine cannot tell."""

    def end_sessions(self, database: "Database", worker: str, seconds: float) -> int:  # noqa: ARG002
        """End transactions of that worker that are older, and with them the locks that they hold."""
        return 0

    def connected(self, database: "Database") -> list[str]:  # noqa: ARG002
        """The workers that the engine knows to be there, wherever they run."""
        return []

    def is_pooled(self, database: "Database") -> bool:  # noqa: ARG002
        """Whether something between here and the server gives each transaction another session."""
        return False
