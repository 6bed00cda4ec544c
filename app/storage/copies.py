"""Copies of a whole database: its parts as bytes, all as of one moment, and a database made of these."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.config import Settings
from app.storage.rows import Row

AT_ONCE = 1 << 20
"""Bytes that are read or written in one go."""

Progress = Callable[[int, int], object]
"""(bytes done, bytes in all); the latter may be an estimate."""


class Part(NamedTuple):
    """A file of the copy: its name, how many bytes it has, and these in order."""

    name: str
    size: int
    content: Iterable[bytes]


class Copies(ABC):
    """How an engine is copied. A copy is read by the same engine alone."""

    engine: ClassVar[str]
    """Its name, by which a copy says what can read it."""

    @abstractmethod
    def hold(self, connection: Connection) -> None:
        """Until this transaction, which writes, ends, no other one changes a task."""

    @abstractmethod
    def pin(self, connection: Connection) -> None:
        """From here on the transaction reads the database as it is now; it has read nothing before."""

    @abstractmethod
    def size(self, connection: Connection) -> int:
        """Bytes that the parts have in all; of some engines an estimate."""

    @abstractmethod
    def room(self, connection: Connection) -> int:
        """Bytes that `parts` needs in the scratch folder while it runs."""

    @abstractmethod
    def parts(self, connection: Connection, scratch: Path, progress: Progress) -> Iterator[Part]:
        """What the pinned transaction sees. Each part is to be read before the next one is asked for."""

    @abstractmethod
    def refuse_data(self, settings: Settings) -> None:
        """Raises `Conflict` if the database of these settings holds anything already."""

    @abstractmethod
    def filled(
        self, settings: Settings, staged: Settings, revision: str, parts: Iterator[Part]
    ) -> AbstractContextManager[Connection]:
        """A transaction in a database made of all parts, with the newest schema.

        `staged`: the settings with the folder in which the copy is put together; `revision`: the schema of
        the parts. What was read and written is the database of `settings` once the transaction is committed.
        Raises `Invalid` for parts that do not fit.
        """

    @abstractmethod
    def name(self, settings: Settings) -> str:
        """Which database the settings mean, whatever user opens it. Raises `BadRequest` if none."""

    @abstractmethod
    def put_rows(self, connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
        """Insert rows as `storage.rows` reads them. Raises `Invalid` for values that do not fit."""

    @abstractmethod
    def numbers(self, connection: Connection) -> dict[str, int]:
        """The number that was given last in each table whose rows the engine numbers, if one was."""

    @abstractmethod
    def set_numbers(self, connection: Connection, numbers: dict[str, int]) -> None:
        """Have the engine give higher numbers only."""

    @abstractmethod
    def rewrite(self, settings: Settings) -> tuple[int, int]:
        """Rewrite the database without what deleted rows have left: bytes that it took before, and after.

        Others wait to write meanwhile. Raises what `Database.write` raises, and `StorageFull`.
        """
