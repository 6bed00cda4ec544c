"""What the commands print: the progress of tasks, reports, recommendations with titles."""

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from app.client import ApiError, MatineeClient, NoAnswer
from app.errors import BadRequest

BAR = 24
KEY = (
    "Create one on the server's machine with `matinee key add NAME --owner PERSON --role editor`, and pass "
    "it by MATINEE_TOKEN."
)


_ASSUMED = ("encoding", "separator", "decimals", "scale", "dates")
_TERMS = (
    (re.compile(r"(?:POST /imports)?\?user_id="), "--user "),
    (re.compile(r"(?:POST /imports)?\?(columns|scale|charset|dates)="), r"--\1 "),
    (re.compile(r"GET /users/([0-9]+)/waiting"), r"`matinee waiting \1`"),
)
"""What the server names, and what it is called on the command line."""


class Interrupted(Exception):
    """Ctrl-C while waiting; the text says what becomes of the work that had started."""


def reason(error: ApiError) -> str:
    """Why a call failed: one line, in the terms of the command line."""
    if isinstance(error, NoAnswer):
        return (
            f"no answer from {error.address}; is it running? Start it with `matinee serve`, or say where "
            "it is with --url."
        )
    if error.status in (401, 403):
        return _refusal(error)
    if any(fault.get("parameter") == "user_id" for fault in error.errors):
        return "It holds one person's ratings: say whose with --user, by name or id."
    return in_terms(error.detail) or str(error).replace("\n  ", " ")


def in_terms(detail: str) -> str:
    """What the server says, in the terms of the command line."""
    for pattern, term in _TERMS:
        detail = pattern.sub(term, detail)
    return detail


def _refusal(error: ApiError) -> str:
    """Why the server did not let a call in, and the key that it takes."""
    if error.status == 401:
        return f"the server wants to know who calls, and MATINEE_TOKEN (or --token) holds no valid key. {KEY}"
    if "matinee user add" in error.detail:  # it is open to its own machine alone, and says how to open it
        return error.detail
    return f"{error.detail.replace('user_id=', '--user ')} {KEY}".strip()


def imports(client: MatineeClient, options: argparse.Namespace) -> bool:
    """Import each file, also after a failed one, and print the outcome of each; True if all are complete.

    Raises `BadRequest` before anything is sent if a file cannot be read.
    """
    _check(options.files)
    user_id = None if options.user is None else user_of(client, options.user)
    said = {name: getattr(options, name) for name in ("columns", "scale", "charset", "dates", "create")}
    outcomes: dict[Path, str] = {}
    try:
        for path in options.files:
            outcomes[path] = _outcome(client, path, user_id, said)
    finally:
        if len(options.files) > 1:
            for path in options.files:
                print(f"{path}: {outcomes.get(path, 'not complete')}")
    return set(outcomes.values()) == {"imported"}


def _outcome(client: MatineeClient, path: Path, user_id: int | None, said: Mapping[str, Any]) -> str:
    try:
        return "imported" if import_file(client, path, user_id, said) else "not imported"
    except NoAnswer:
        raise
    except ApiError as error:
        print(f"matinee: {path}: {reason(error)}", file=sys.stderr)
        return "not imported"


def _check(paths: list[Path]) -> None:
    faults = [f"{path} {fault}" for path in paths if (fault := _unreadable(path))]
    if faults:
        raise BadRequest(f"{'; '.join(faults)}. Nothing was sent. Name the files to import.")


def _unreadable(path: Path) -> str:
    if path.is_dir():
        return "is a folder"
    try:
        path.open("rb").close()
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""


def rebuild(client: MatineeClient, _options: argparse.Namespace | None = None) -> bool:
    result = _result(client, client.start_rebuild(), "rebuild")
    if result is None:
        return False
    print(f"  model {result['version']} from {result['ratings']:,} ratings. {result['reason']}")
    return True


def recommend(client: MatineeClient, options: argparse.Namespace) -> bool:
    show(client, user_of(client, options.user), options.limit)
    return True


def user_of(client: MatineeClient, user: str) -> int:
    """The id of a user named by id or name. Raises `BadRequest` if there is no such person."""
    if user.isascii() and user.isdecimal():
        return int(user)
    found = client.users(user)
    if not found:
        raise BadRequest(f"There is no person named {user!r}. Give the id, or add the name on the page.")
    return int(found[0]["id"])


def import_file(
    client: MatineeClient,
    path: Path | None,
    user_id: int | None = None,
    said: Mapping[str, Any] | None = None,
) -> bool:
    """Import a file (None: the bundled sample) and print the report; True if it is complete.

    `said`: the parameters of `start_import` for what the file does not say.
    """
    name = path.name if path else "the bundled sample"
    try:
        started = client.start_import(path, user_id=user_id, **(said or {}))
    except KeyboardInterrupt:
        raise Interrupted(f"{name} was being sent, and is not imported unless it had arrived.") from None
    report = _result(client, started, f"import {name}")
    if report is None:
        return False
    for line in report_lines(report, user_id):
        print(f"  {line}")
    return True


def report_lines(report: dict[str, Any], user_id: int | None = None) -> Iterator[str]:
    """What became of the rows of a file, what was assumed of it, and what is left to do."""
    figures = ("new", "replaced", "unchanged", "older", "duplicate", "waiting", "marks", "rejected")
    parts = (f"{report[figure]:,} {figure}" for figure in figures if report.get(figure))
    yield f"{report['read']:,} rows read: {', '.join(parts)}"
    for reject in report.get("rejects", [])[:5]:
        yield f"  line {reject['line']}, {reject['column']}: {reject['reason']}"
    for file in report.get("assumed", []):
        yield _assumed(file)
    if left_out := report.get("left_out"):
        yield f"left out: {', '.join(left_out)}"
    if taken := report.get("taken_over"):
        yield f"{taken:,} {'film' if taken == 1 else 'films'} made here became the imported ones"
    if arrived := report.get("arrived"):
        yield f"{arrived:,} {'row' if arrived == 1 else 'rows'} waited for a film that has come"
    if made := report.get("made"):
        yield f"{made:,} {'film was' if made == 1 else 'films were'} made, which no film here is like"
    if report.get("waiting") and user_id is not None:
        yield f"Rows without a certain film wait: `matinee waiting {user_id}` shows them."


def _assumed(file: dict[str, Any]) -> str:
    """What the reader took for granted of a file without saying so."""
    named = ", ".join(f"{role} is {column!r}" for role, column in file.get("columns", {}).items())
    parts = [f"{name} {file[name]}" for name in _ASSUMED if file.get(name)]
    if left_out := file.get("left_out"):
        parts.append(f"without the columns {', '.join(left_out)}")
    return f"{file.get('file', 'the file')} was read with {'; '.join([named, *parts] if named else parts)}"


def show(client: MatineeClient, user_id: int, limit: int) -> None:
    """Print a user's recommendations, each with the rated movies that speak for it."""
    answer = client.rich_recommendations(user_id, limit)
    print(f"\nFor user {user_id} ({answer['source']}, model {answer['model_version']}):")
    for place, listed in enumerate(answer["recommendations"], 1):
        print(f"{place:3}. {title_of(listed['movie'])}")
        if listed["because"]:
            reasons = (f"{reason['movie']['title']} ({reason['score']:g})" for reason in listed["because"])
            print(f"     because of {', '.join(reasons)}")


def title_of(movie: Mapping[str, Any]) -> str:
    year = f" ({movie['year']})" if movie["year"] else ""
    genres = f"  {', '.join(movie['genres'])}" if movie["genres"] else ""
    return f"{movie['title']}{year}{genres}"


def _result(client: MatineeClient, started: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Wait for a task and show its progress; returns its result, or None if it is not complete.

    Raises `Interrupted` on Ctrl-C; the task itself goes on.
    """
    task_id = started["task_id"]
    try:
        task = client.wait(task_id, _progress(name))
    except KeyboardInterrupt:
        raise Interrupted(
            f"the {name} goes on in the server as task {task_id}. Look at it or cancel it at "
            f"{client.address}/activity/{task_id}"
        ) from None
    if task["status"] == "complete":
        return dict(task["result"])
    detail = in_terms((task["error"] or {}).get("detail", "what it had done until then is kept"))
    print(f"  {task['status']}: {detail}", file=sys.stderr)
    return None


def _progress(name: str) -> Callable[[dict[str, Any]], None]:
    """Shows the progress of a task: on a terminal in one line that is overwritten, else a line a phase."""
    started, last = time.monotonic(), ""
    terminal = sys.stdout.isatty()

    def update(task: dict[str, Any]) -> None:
        nonlocal last
        progress = task["progress"]
        ended = task["finished_at"] is not None
        phase = f"{task['status']}" if ended else progress["phase"] or task["status"]
        seconds = time.monotonic() - started
        if terminal:
            bar = _bar(progress) if not ended else ""
            print(f"\r\033[K{name}: {phase}{bar}  {seconds:.1f} s", end="\n" if ended else "", flush=True)
        elif phase != last:
            print(f"{name}: {phase}  {seconds:.1f} s", flush=True)
        last = phase

    return update


def _bar(progress: dict[str, Any]) -> str:
    done, total = progress["done"], progress["total"]
    if not total:
        return ""
    filled = min(BAR, BAR * done // total)
    return f" [{'#' * filled}{'.' * (BAR - filled)}] {done:,} of {total:,} {progress['unit'] or ''}"
