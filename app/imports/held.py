"""What imports ask of the catalogue, held by a worker for as long as nothing there changes.

With 90,000 movies, reading and writing their ids takes as long as all else of a person's import.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.engine import Connection

from app.process import without_collections
from app.repository import versions
from app.storage import Database, database_of

Read = Callable[[Connection], Any]
Find = Callable[[Connection, str, Read], tuple[Any, bytes]]
"""From a name and what reads to what it finds, and the text of that as JSON."""


@dataclass(slots=True)
class Held:
    """What was found in one version of the catalogue, by name, each with its text as JSON."""

    version: int
    found: dict[str, tuple[Any, bytes]] = field(default_factory=dict)


_held: WeakKeyDictionary[Database, Held] = WeakKeyDictionary()


def anew(connection: Connection, name: str, read: Read) -> tuple[Any, bytes]:  # noqa: ARG001
    """What `read` finds now."""
    found = read(connection)
    return found, json.dumps(found).encode()


def query(connection: Connection, name: str, read: Read) -> tuple[Any, bytes]:
    """What `read` finds in the catalogue as the connection sees it, and its text; not to be changed.

    It is asked again after `movies.note_change` alone, so it may go by nothing else.
    """
    database, version = database_of(connection), versions.catalogue(connection)
    held = _held.get(database)
    if held is None or held.version != version:
        held = _held[database] = Held(version)
    if name not in held.found:
        with without_collections():
            held.found[name] = anew(connection, name, read)
    return held.found[name]
