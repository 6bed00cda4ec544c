"""Import a file: parse it to sorted runs, then merge them range by range, exactly once."""

import errno
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain
from typing import Any

from sqlalchemy.engine import Connection

from app.errors import Conflict, Invalid, StorageFull
from app.imports import personal
from app.imports.checkpoint import Checkpoint, missing, missing_upload, upload_path
from app.imports.counts import settle
from app.imports.formats import MOVIES, RATINGS, Format, Recognised, recognise_all
from app.imports.kinds import IMPORT, check_import, has_begun, missing_files
from app.imports.lanes import Lane, lane_by
from app.imports.merge import CatalogueMerger, Figures, Merger, Range, RatingMerger
from app.imports.parse import Parsed, Parser, Part
from app.imports.personal import Matcher
from app.imports.undo_import import reject_file
from app.process import collect_now, leave_one_processor
from app.repository import catalogue, import_order, imports, movies, tasks
from app.repository.tasks import Fenced
from app.sample import RATINGS as SAMPLE
from app.tasks.attempt import Attempt, Stopped
from app.tasks.execution import is_transient

SHOWN_REJECTS = 20
RANGES = 4
"""Ranges of a transaction while nobody else writes."""
GIVE_WAY = 32
"""By so much shorter is a range while others write too."""
CAREFUL = 0.25
"""Seconds at the start of a merge in which somebody may be kept waiting who was not to be seen before."""


def run(attempt: Attempt) -> None:
    """Do the whole task, or what an earlier attempt has left of it."""
    settle(attempt.database, attempt.transaction)
    try:
        cursor, parts = _left(attempt), list[Part]()
        if cursor is None or not cursor["merged"]:
            cursor, parts = _parse(attempt, cursor)
        _Merge(attempt, cursor, parts).run()
    except (Stopped, Fenced):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(
                "The disk of the data directory is full. Make room and import again."
            ) from error
        if not is_transient(error):
            settle(attempt.database, attempt.database.write)
            _clear(attempt)
        raise


def _left(attempt: Attempt) -> dict[str, Any] | None:
    """The cursor of an earlier attempt. Raises `Conflict` if it has written and cannot go on."""
    task = attempt.task
    if has_begun(task):
        with attempt.database.read() as connection:
            check_import(connection, task)
        if lacking := missing_files(attempt.settings, task):
            raise Conflict(lacking)
    elif missing(attempt.settings, task):
        return None
    return task.checkpoint


def _clear(attempt: Attempt) -> None:
    """Remove what is not needed to go on: all of it, if there is nothing to go on from."""
    with attempt.database.read() as connection:
        task = tasks.get(connection, attempt.task.id)
    begun = task is not None and has_begun(task)
    for path in attempt.directory.glob("parse-*") if begun else [attempt.directory]:
        shutil.rmtree(path, ignore_errors=True)


def _files(attempt: Attempt) -> tuple[list[Recognised], list[str]]:
    params = IMPORT.params_of(attempt.task)
    if params.file is None:
        return recognise_all(SAMPLE, SAMPLE.name)
    if lacking := missing_upload(attempt.settings, attempt.task):
        raise Invalid(f"{lacking} Send the file again.")
    return recognise_all(upload_path(attempt.settings, params.file), params.filename)


def _personal(
    attempt: Attempt, checkpoint: Checkpoint, known_movies: set[int]
) -> Callable[[Format, list[str]], Lane]:
    """What makes the lane of one user's file, once there is one."""

    def make(known: Format, header: list[str]) -> Lane:
        user_id = IMPORT.params_of(attempt.task).user_id
        if user_id is None:
            raise Invalid(
                f"Files of {known.name} are one user's. Say whose: add ?user_id=... to the request."
            )
        movies_then, imdb_ids = checkpoint.read("titles", _titles)
        matcher = Matcher(map(tuple, movies_then), dict(imdb_ids))
        parse = personal.parser(known, header, matcher, user_id, _start(attempt))
        return lane_by(parse, known.columns["title"], known_movies, _start(attempt))

    return make


def _start(attempt: Attempt) -> int:
    """The start of the import in epoch seconds, the same for all its attempts."""
    return int(attempt.task.started_at or attempt.task.created_at)


def _parse(attempt: Attempt, before: dict[str, Any] | None) -> tuple[dict[str, Any], list[Part]]:
    """The first phase: the cursor with which the second one goes on, and what it merges.

    `before`: the cursor of a merge that was cut short.
    """
    directory = attempt.directory / f"parse-{attempt.task.attempt}"
    for old in attempt.directory.glob("parse-*"):
        shutil.rmtree(old, ignore_errors=True)
    directory.mkdir(parents=True)
    found, left_out = _files(attempt)
    attempt.report(phase="parse", done=0, total=sum(file.member.size for file in found), unit="bytes")
    checkpoint = Checkpoint(attempt.directory, attempt.database, going_on=before is not None)
    deleted, known_ids = checkpoint.read("catalogue", _catalogue)
    known = set(known_ids)
    rejects = reject_file(attempt, None) if before is None else None
    parser = Parser(
        directory,
        rejects.add if rejects else lambda _: None,
        known,
        _start(attempt),
        lambda *, done: attempt.report(done=done),
        _personal(attempt, checkpoint, known),
    )
    with attempt.database.busy():  # blocks beat; the first one may have to compile its lane
        for file in found:
            parser.parse(file)
    parser.parsed.left_out = left_out
    cursor = before or _cursor(parser.parsed)
    if rejects is not None:
        cursor |= {"movies_deleted": deleted, "rejects": rejects.cursor, "kept": checkpoint.kept}
    elif cursor["parsed"] != asdict(parser.parsed):
        raise Conflict("The upload does not read as it did before. Send the file again.")
    done, total = cursor["done"], parser.parsed.good
    with attempt.transaction(
        phase="merge", done=done, total=total, unit="rows", checkpoint=cursor
    ) as connection:
        if not has_begun(attempt.task):
            cursor["order"] = import_order.next_order(connection)
    return cursor, parser.parts


def _catalogue(connection: Connection) -> Any:
    return imports.movies_deleted(connection), movies.known_ids(connection)


def _titles(connection: Connection) -> Any:
    return list(catalogue.titles(connection)), list(catalogue.imdb_ids(connection).items())


def _cursor(parsed: Parsed) -> dict[str, Any]:
    """Where a merge starts: `part` and `after` tell the place, `done` the rows before it."""
    figures = Figures(parsed.read, duplicate=parsed.duplicate, rejected=parsed.rejected)
    place = {"part": 0, "after": None, "done": 0, "figures": asdict(figures), "merged": False}
    return place | {"parsed": asdict(parsed)}


class _Merge:
    """The second phase, from a cursor on."""

    def __init__(self, attempt: Attempt, cursor: dict[str, Any], parts: list[Part]) -> None:
        self._attempt, self._cursor, self._parts = attempt, cursor, parts
        self._dry_run = IMPORT.params_of(attempt.task).dry_run
        self._parsed = Parsed(**cursor["parsed"])
        self._figures = Figures(**cursor["figures"])
        self._rejects = reject_file(attempt, cursor["rejects"])
        self._careful_until = time.monotonic() + CAREFUL

    def run(self) -> None:
        with self._attempt.database.busy():
            collect_now()
        try:
            self._merge_parts()
        finally:
            leave_one_processor(False)
        self._finish()

    def _merge_parts(self) -> None:
        for part in self._parts[self._cursor["part"] :]:
            merger = self._merger(part)
            ranges = merger.ranges(self._cursor["after"])
            for first in ranges:
                self._merge(merger, chain([first], ranges))
            self._cursor |= {"part": self._cursor["part"] + 1, "after": None}
        with self._attempt.transaction(checkpoint=self._cursor | {"merged": True}):
            pass  # from here on the parts are not needed again
        settle(self._attempt.database, self._attempt.transaction)

    def _merger(self, part: Part) -> Merger:
        seq = self._attempt.task.seq
        if part.rows == RATINGS:
            return RatingMerger(part.runs, seq, self._cursor["movies_deleted"], self._rows)
        noun = catalogue.MOVIE if part.rows == MOVIES else catalogue.LINK
        return CatalogueMerger(part.spool, noun, seq, _start(self._attempt))

    def _rows(self) -> int:
        """Rows of the next range: few while others write too, who wait for its end."""
        rows = self._attempt.settings.import_chunk // RANGES
        few = self._attempt.database.was_wanted() or time.monotonic() < self._careful_until
        leave_one_processor(few)
        return max(1, rows // GIVE_WAY if few else rows)

    def _merge(self, merger: Merger, ranges: Iterator[Range]) -> None:
        """One transaction: it takes range after range until somebody waits for its end, or it is large."""
        most = self._cursor["done"] + self._attempt.settings.import_chunk
        with self._transaction() as connection:
            for some in ranges:
                refused = merger.merge(connection, some, self._figures, dry_run=self._dry_run)
                if refused:
                    self._rejects.add(refused)
                self._cursor |= {"after": some.end, "done": self._cursor["done"] + some.size}
                is_full = self._cursor["done"] >= most or not imports.has_room(connection)
                if is_full or self._attempt.database.is_wanted():
                    break
            if not self._dry_run:
                merger.close(connection)
            self._cursor |= {"figures": asdict(self._figures), "rejects": self._rejects.cursor}
            self._attempt.note(done=self._cursor["done"])

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """The cursor is changed within the transaction that writes it at its end."""
        if self._dry_run:
            with self._attempt.database.read() as connection:
                yield connection
            self._attempt.report()
        else:
            with self._attempt.transaction(checkpoint=self._cursor) as connection:
                yield connection

    def _finish(self) -> None:
        figures = self._figures
        shown = self._rejects.publish(SHOWN_REJECTS)
        if figures.rejected == figures.read:
            with self._attempt.transaction(checkpoint=None):
                pass  # nothing is there yet: tried again, it starts over with the movies known by then
            raise _no_good_row(self._parsed, shown)
        parsed = self._parsed
        result = {"format": parsed.formats[-1], "formats": parsed.formats, "left_out": parsed.left_out}
        result |= asdict(figures) | {"rejects": shown, "dry_run": self._dry_run}
        shutil.rmtree(self._attempt.directory, ignore_errors=True)  # before the end: who would do it after?
        seconds = self._attempt.clock() - (self._attempt.task.started_at or self._attempt.clock())
        with self._attempt.transaction(result=result | {"seconds": round(seconds, 3)}):
            pass


def _no_good_row(parsed: Parsed, shown: list[dict[str, Any]]) -> Invalid:
    if not parsed.read:
        return Invalid("The file has a header and no rows. Nothing was imported.")
    advice = "See the reasons."
    if parsed.unknown_movies:
        advice = (
            "Import movies.csv first."
            if parsed.unknown_movies == parsed.rejected
            else (f"{parsed.unknown_movies} of them rate unknown movies: import movies.csv first.")
        )
    errors = [
        {"detail": f"line {row['line']}, {row['column'] or 'whole line'}: {row['reason']}", "pointer": ""}
        for row in shown
    ]
    return Invalid(f"None of {parsed.read} rows could be imported. {advice}", errors=errors)
