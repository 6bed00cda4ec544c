"""Who was forgotten and when, kept beside the backups: a restore drops those whom a backup still holds.

The audit knows it too, but a database that is lost takes its audit along. The file has a line for each,
`id,epoch seconds`, and nothing else of them.
"""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy.engine import Connection

from app.backups import archive
from app.config import Settings
from app.errors import BadRequest, Invalid
from app.repository import forgetting
from app.storage import open_database
from app.storage.files import write_atomically

NAME = "forgotten.csv"
DAY = 24 * 3600
Entries = set[tuple[int, float]]


def note(folder: Path, entries: Iterable[tuple[int, float]]) -> None:
    """Add to the file in this folder; none is made without entries. Raises `OSError`."""
    known = read(folder / NAME)
    if all_of := known.union(entries) - known:
        lines = sorted(known | all_of, key=lambda entry: entry[1])
        write_atomically(folder / NAME, "".join(f"{user_id},{at!r}\n" for user_id, at in lines).encode())


def read(path: Path) -> Entries:
    """The entries of a file; none if it is not there. Raises `BadRequest` for what is no such file."""
    try:
        lines = path.read_text("ascii").splitlines()
        return {(int(user_id), float(at)) for user_id, at in (line.split(",") for line in lines if line)}
    except FileNotFoundError:
        return set()
    except ValueError as error:
        raise BadRequest(f"{path} is no list of who was forgotten: lines of id and epoch seconds.") from error


def found(source: Path) -> Entries:
    """The entries of what a person names: a file of these, a data folder, or an archive."""
    if source.is_dir() and not (source / "matinee.db").exists():
        return read(source / NAME)
    if source.is_dir():
        database = open_database(Settings(data_dir=source))
        try:
            with database.read() as connection:
                return known(connection) | read(source / "backups" / NAME)
        finally:
            database.close()
    if not source.exists():
        raise BadRequest(f"{source} does not exist. Name a {NAME}, a data folder or a newer backup.")
    with source.open("rb") as file:
        try:
            return set(archive.read_header(file).forgotten)
        except Invalid:
            return read(source)


def known(connection: Connection) -> Entries:
    """Those of whom the audit says so."""
    return set(forgetting.facts(connection))


def since(header: archive.Header, entries: Entries, connection: Connection) -> list[int]:
    """Who is to be dropped: forgotten, but not yet in the database of the archive.

    One from long before the archive is perhaps no longer in its audit either, and a new person since.
    """
    late = {entry for entry in entries if entry[1] > header.created_at - DAY}
    return sorted({user_id for user_id, _ in late - known(connection)})
