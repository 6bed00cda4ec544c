"""Copies of a PostgreSQL database: every table by COPY in its binary form, read in one snapshot."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.engine import Connection

from app.config import Settings
from app.errors import Conflict, Invalid, StorageFull
from app.storage.copies import AT_ONCE, Copies, Part, Progress
from app.storage.revisions import upgrade
from app.storage.rows import Row
from app.storage.schema import metadata

STRUCTURE, NUMBERS = "structure.json", "numbers.json"
"""The first part: the columns of each table. The last one: the numbers that were given last."""
BLOCK = 4 * AT_ONCE
"""Bytes of a part of a table: it is in memory."""
_VERSION = "alembic_version"
_TABLES = f"""
    SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND c.relname <> '{_VERSION}'
      AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    GROUP BY c.relname ORDER BY c.relname
"""  # noqa: S608
_SEQUENCES = """
    SELECT c.relname, a.attname::text, s.last_value
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    JOIN pg_sequences s ON s.schemaname = current_schema()
      AND quote_ident(s.schemaname) || '.' || quote_ident(s.sequencename)
        = pg_get_serial_sequence(quote_ident(s.schemaname) || '.' || quote_ident(c.relname), a.attname)
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
      AND a.attnum > 0 AND NOT a.attisdropped AND s.last_value IS NOT NULL
"""
_SET = "SELECT setval(pg_get_serial_sequence(quote_ident(%s), %s), greatest(%s, 1))"


class PostgresCopies(Copies):
    """A copy holds no more than a block in memory, and needs no room on the disk. Numbers never go back:
    they are read after the rows, and a number that is given meanwhile is skipped.
    """

    engine = "postgresql"

    def hold(self, connection: Connection) -> None:
        connection.exec_driver_sql("LOCK TABLE tasks IN SHARE MODE")

    def pin(self, connection: Connection) -> None:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.exec_driver_sql("SELECT count(*) FROM tasks").close()

    def size(self, connection: Connection) -> int:
        query = "SELECT coalesce(sum(pg_table_size(c.oid)), 0) FROM pg_class c WHERE c.relkind = 'r'"
        mine = " AND c.relnamespace = current_schema()::regnamespace"
        return int(connection.exec_driver_sql(query + mine).scalar_one())

    def room(self, connection: Connection) -> int:  # noqa: ARG002
        return 0

    def parts(self, connection: Connection, scratch: Path, progress: Progress) -> Iterator[Part]:  # noqa: ARG002
        tables = {name: list(columns) for name, columns in connection.exec_driver_sql(_TABLES)}
        yield _part(STRUCTURE, json.dumps(tables).encode())
        done, total = 0, self.size(connection)
        for name, columns in tables.items():
            for number, block in enumerate(_blocks(connection, name, columns)):
                yield _part(f"{name}.{number:06}", block)
                done += len(block)
                progress(min(done, total), total)
        numbers = [list(row) for row in connection.exec_driver_sql(_SEQUENCES)]
        yield _part(NUMBERS, json.dumps(numbers).encode())

    def refuse_data(self, settings: Settings) -> None:
        from app.storage.postgres import PostgresDatabase

        database = PostgresDatabase(settings)
        try:
            with database.read() as connection:
                _refuse_tables(connection)
        finally:
            database.close()

    @contextmanager
    def filled(
        self,
        settings: Settings,
        staged: Settings,  # noqa: ARG002
        revision: str,
        parts: Iterator[Part],
    ) -> Iterator[Connection]:
        from app.storage.postgres import PostgresDatabase

        database = PostgresDatabase(settings)
        try:
            with database.exclusive("migrate"), database.write() as connection:
                database.unbounded(connection)
                _refuse_tables(connection)
                upgrade(connection, revision)
                _fill(connection, parts)
                upgrade(connection)
                yield connection
        finally:
            database.close()

    def name(self, settings: Settings) -> str:
        url = sa.make_url(settings.url)
        host = url.host or url.query.get("host") or ""
        return f"{host}:{url.port or url.query.get('port') or 5432}/{url.database or ''}"

    def put_rows(self, connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
        driver: Any = connection.connection.driver_connection
        statement = _copy(table.name, [column.name for column in table.columns], "FROM STDIN", "TEXT")
        try:
            with driver.cursor() as cursor, cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise Invalid(f"{error.diag.message_primary or error}") from error

    def numbers(self, connection: Connection) -> dict[str, int]:
        return {table: last for table, _, last in connection.exec_driver_sql(_SEQUENCES) if last}

    def set_numbers(self, connection: Connection, numbers: dict[str, int]) -> None:
        columns = {table.name: table.autoincrement_column for table in metadata.sorted_tables}
        for name, last in numbers.items():
            if (column := columns.get(name)) is not None:
                connection.exec_driver_sql(_SET, (name, column.name, last))

    def rewrite(self, settings: Settings) -> tuple[int, int]:
        from app.storage.postgres import PostgresDatabase

        database = PostgresDatabase(settings)
        try:
            before = database.size()
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("SET statement_timeout = 0")
                connection.exec_driver_sql("VACUUM (ANALYZE)")
                connection.exec_driver_sql("RESET statement_timeout")
            return before, database.size()
        finally:
            database.close()


def _part(name: str, content: bytes) -> Part:
    return Part(name, len(content), [content])


def _refuse_tables(connection: Connection) -> None:
    if tables := [name for name, _ in connection.exec_driver_sql(_TABLES)]:
        raise Conflict(
            f"The database holds tables already ({', '.join(tables[:3])}). A backup is restored into an "
            "empty one: make it (createdb), and set MATINEE_DATABASE_URL to it."
        )


def _copy(name: str, columns: list[str], how: str, form: str = "BINARY") -> sql.Composed:
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL(f"COPY {{}} ({{}}) {how} (FORMAT {form})").format(sql.Identifier(name), listed)


def _blocks(connection: Connection, name: str, columns: list[str]) -> Iterator[bytes]:
    """The table as COPY writes it, some rows at a time."""
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(_copy(name, columns, "TO STDOUT")) as copy:
        block = bytearray()
        for row in copy:
            block += row
            if len(block) >= BLOCK:
                yield bytes(block)
                block.clear()
        if block:
            yield bytes(block)


def _fill(connection: Connection, parts: Iterator[Part]) -> None:
    """Write the tables in place of what the migrations have put there. Raises `Invalid`."""
    here = {name: list(columns) for name, columns in connection.exec_driver_sql(_TABLES)}
    first = next(parts, None)
    tables = json.loads(b"".join(first.content)) if first and first.name == STRUCTURE else None
    if tables is None or tables.keys() != here.keys() or any(set(tables[t]) != set(here[t]) for t in here):
        raise Invalid("The tables of the backup are not those of its schema. It was not made by a release.")
    names = sql.SQL(", ").join(map(sql.Identifier, here))
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor:
        cursor.execute(sql.SQL("TRUNCATE {}").format(names))
        try:
            _fill_tables(cursor, tables, parts)
        except psycopg.errors.DiskFull as error:
            raise StorageFull("The disk of the database is full. Make room there and try again.") from error
        except psycopg.Error as error:
            raise Invalid(f"The database does not take the backup: {error.diag.message_primary}.") from error


def _fill_tables(cursor: Any, tables: dict[str, list[str]], parts: Iterator[Part]) -> None:
    part = next(parts, None)
    while part is not None and part.name != NUMBERS:
        table = part.name.rpartition(".")[0]
        if table not in tables:
            raise Invalid(f"The backup has a part {part.name!r}, which belongs to no table.")
        with cursor.copy(_copy(table, tables[table], "FROM STDIN")) as copy:
            while part is not None and part.name.rpartition(".")[0] == table:
                for some in part.content:
                    copy.write(some)
                part = next(parts, None)
    if part is None:
        raise Invalid("The backup ends before its last table.")
    for row in json.loads(b"".join(part.content)):
        cursor.execute(_SET, row)
    for _ in parts:
        raise Invalid("The backup has parts after its last table.")
