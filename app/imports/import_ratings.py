"""Import a file: parse it to sorted runs, merge them range by range, exactly once, and report."""

import errno
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from sqlalchemy.engine import Connection

from app.errors import Conflict, Invalid, StorageFull
from app.imports import held, known_titles, merge, parse, readers
from app.imports.checkpoint import Checkpoint, missing, missing_upload, saving, upload_key
from app.imports.counts import settle
from app.imports.gathering import Gathering
from app.imports.kinds import IMPORT, MISSING, check_import, has_begun, missing_files
from app.imports.readers import reader
from app.imports.sizes import DEFAULT, Sizes
from app.imports.workspace import Workspace
from app.repository import aliases, catalogue, forgetting, import_order, imports, merged_movies, movies, tasks
from app.sample import RATINGS as SAMPLE
from app.storage import Database
from app.tasks.attempt import Attempt, Stopped
from app.tasks.execution import is_transient

SHOWN_REJECTS = 20


def run(attempt: Attempt, sizes: Sizes = DEFAULT) -> None:
    """Do the whole task, or what an earlier attempt has left of it."""
    settle(attempt.database, attempt.transaction)
    workspace = Workspace(attempt.settings, attempt.task, sizes)
    try:
        checkpoint, parts = _left(attempt), list[parse.Part]()
        if checkpoint is None or not checkpoint.merged:
            checkpoint, parts = _parse(attempt, workspace, checkpoint, sizes)
        rejects = workspace.rejects(checkpoint.rejects)
        merge.Merge(attempt, checkpoint, parts, rejects, _start(attempt), sizes).run()
        _report(attempt, workspace, checkpoint, rejects.publish(SHOWN_REJECTS))
    except (Stopped, tasks.Fenced):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(
                "The disk of the data directory is full. Make room and import again."
            ) from error
        if not is_transient(error):
            settle(attempt.database, attempt.database.write)
            _clear(attempt, workspace)
        raise


def _left(attempt: Attempt) -> Checkpoint | None:
    """Where an earlier attempt ended. Raises `Conflict` if it has written and cannot go on."""
    task = attempt.task
    if has_begun(task):
        with attempt.database.read() as connection:
            check_import(connection, task)
        if lacking := missing_files(attempt.settings, task):
            raise Conflict(lacking)
    elif missing(attempt.settings, task):
        return None
    return Checkpoint.from_json(task.checkpoint) if task.checkpoint else None


def _clear(attempt: Attempt, workspace: Workspace) -> None:
    """Remove what is not needed to go on: all of it, if there is nothing to go on from.

    An attempt that was replaced removes nothing: it may be what the next one goes on from.
    """
    with attempt.database.read() as connection:
        task = tasks.get(connection, attempt.task.id)
    if task is not None and task.attempt != attempt.task.attempt:
        return
    if task is not None and has_begun(task):
        workspace.clear_parse()
    else:
        workspace.clear()


def _start(attempt: Attempt) -> int:
    """The start of the import in epoch seconds, the same for all its attempts."""
    return int(attempt.task.started_at or attempt.task.created_at)


def _options(attempt: Attempt) -> reader.Options:
    params = IMPORT.params_of(attempt.task)
    return reader.Options(params.columns, params.scale, params.charset, params.dates)


def _files(attempt: Attempt, workspace: Workspace) -> tuple[list[readers.Recognised], list[str]]:
    params = IMPORT.params_of(attempt.task)
    if params.file is None:
        return readers.recognise_all(SAMPLE, SAMPLE.name)
    if lacking := missing_upload(attempt.settings, attempt.task):
        raise Invalid(f"{lacking} Send the file again.")
    path = workspace.upload(upload_key(params.file), attempt.note)
    return readers.recognise_all(path, params.filename, _options(attempt))


def _parse(
    attempt: Attempt, workspace: Workspace, before: Checkpoint | None, sizes: Sizes
) -> tuple[Checkpoint, list[parse.Part]]:
    """The first phase: the checkpoint from which the second one goes on, and what it merges.

    `before`: the checkpoint of a merge that was cut short; what it assumed of the files still holds.
    """
    found, left_out = _files(attempt, workspace)
    attempt.report(phase="parse", done=0, total=sum(file.member.size for file in found), unit="bytes")
    earlier = before.kept if before else None
    kept = partial(workspace.read, attempt.database, before=earlier)
    of_catalogue = partial(kept, find=held.query)
    deleted, known_movies = of_catalogue("catalogue", _catalogue)
    titles = partial(_titles, attempt.database, workspace, earlier)
    imdb_ids, tmdb_ids = (
        partial(of_catalogue, "imdb_ids", _imdb_ids),
        partial(of_catalogue, "tmdb_ids", _tmdb_ids),
    )
    merged = dict(kept("merged", _merged))
    forgotten = frozenset(kept("forgotten", forgetting.forgotten_ids))
    params = IMPORT.params_of(attempt.task)
    chosen = partial(kept, "aliases", partial(_aliases, params.user_id))
    shared, judged = reader.Shared(), before.parsed.assumed if before else []
    for place, assumed in enumerate(judged):
        if assumed and not isinstance(found[place].reader, reader.Judging):
            found[place] = readers.as_table(found[place], _options(attempt))
    while True:
        directory, rejects = workspace.parse_directory(), None if before else workspace.rejects(None)
        known = {*known_movies, *merged}
        shared = reader.Shared(shared.matcher)
        context = reader.Context(
            known,
            _start(attempt),
            params.user_id,
            titles,
            sizes,
            merged,
            imdb_ids,
            tmdb_ids,
            chosen,
            shared,
            forgotten,
        )
        reject = rejects.add if rejects else lambda _: None
        parser = parse.Parser(directory, context, reject, attempt.report, Gathering(), judged)
        try:
            with attempt.database.busy():  # blocks beat; the first one may have to compile its lane
                for file in found:
                    parser.parse(file)
                parser.finish(make=params.create == MISSING)
            break
        except parse.OffScale as error:  # nothing is written yet: all files are read again
            found[error.args[0]] = readers.as_table(found[error.args[0]], _options(attempt))
    parser.parsed.left_out = left_out
    checkpoint = before or Checkpoint.of(parser.parsed)
    if rejects:
        checkpoint.rejects, checkpoint.kept = rejects.save(), workspace.kept
        checkpoint.movies_deleted = deleted
    elif checkpoint.parsed != replace(parser.parsed, assumed=checkpoint.parsed.assumed):
        raise Conflict("The upload does not read as it did before. Send the file again.")
    progress = {"phase": "merge", "done": checkpoint.done, "total": parser.parsed.good, "unit": "rows"}
    with saving(attempt, checkpoint, **progress) as connection:
        if not has_begun(attempt.task):
            checkpoint.order = import_order.next_order(connection)
    return checkpoint, parser.parts


def _catalogue(connection: Connection) -> Any:
    return imports.movies_deleted(connection), movies.known_ids(connection)


def _merged(connection: Connection) -> Any:
    return list(merged_movies.every(connection).items())


def _titles(
    database: Database, workspace: Workspace, before: dict[str, Any] | None
) -> known_titles.KnownTitles:
    """Those of now, or those that an earlier attempt has kept."""
    if (text := workspace.text("titles", before)) is not None:
        return known_titles.from_text(database, text)
    with database.read() as connection:
        found = known_titles.held(connection)
    workspace.keep("titles", found.text)
    return found.titles


def _imdb_ids(connection: Connection) -> Any:
    found = catalogue.imdb_ids(connection)
    return [list(found), list(found.values())]


def _aliases(user_id: int | None, connection: Connection) -> Any:
    """Those of the person whose file it is; none for a table with the rows of several people."""
    return {} if user_id is None else aliases.of_user(connection, user_id)


def _tmdb_ids(connection: Connection) -> Any:
    found = catalogue.tmdb_ids(connection)
    return [list(found), list(found.values())]


def _report(
    attempt: Attempt, workspace: Workspace, checkpoint: Checkpoint, shown: list[dict[str, Any]]
) -> None:
    """The end of the task. `shown`: the first rejects. Raises `Invalid` if no row was good."""
    parsed, figures = checkpoint.parsed, checkpoint.figures
    if figures.rejected == figures.read:
        with attempt.transaction(checkpoint=None):
            pass  # nothing is there yet: tried again, it starts over with the movies known by then
        raise _no_good_row(checkpoint, shown)
    dry_run = IMPORT.params_of(attempt.task).dry_run
    result: dict[str, Any] = {"format": parsed.formats[-1], "formats": parsed.formats}
    result |= {"left_out": parsed.left_out, "assumed": [one for one in parsed.assumed if one]}
    result |= {name: count for name, count in asdict(figures).items() if name != "personal"}
    result |= {"rejects": shown, "dry_run": dry_run}
    workspace.clear()  # before the end: nothing would do it after
    seconds = attempt.clock() - (attempt.task.started_at or attempt.clock())
    with attempt.transaction(result=result | {"seconds": round(seconds, 3)}):
        pass


def _no_good_row(checkpoint: Checkpoint, shown: list[dict[str, Any]]) -> Invalid:
    parsed = checkpoint.parsed
    if not parsed.read:
        return Invalid("The file has a header and no rows. Nothing was imported.")
    advice, unknown = "See the reasons.", parsed.unknown_movies
    if 0 < unknown == parsed.rejected:
        advice = "Import movies.csv first."
    elif unknown:
        advice = f"{unknown} of them rate unknown movies: import movies.csv first."
    errors = [
        {"detail": f"line {row['line']}, {row['column'] or 'whole line'}: {row['reason']}", "pointer": ""}
        for row in shown
    ]
    return Invalid(f"None of {parsed.read} rows could be imported. {advice}", errors=errors)
