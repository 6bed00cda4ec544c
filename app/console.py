"""What the commands say: tasks with their progress, reports, recommendations with titles."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.client import MatineeClient

BAR = 24


def imports(client: MatineeClient, options: argparse.Namespace) -> bool:
    """Import each file, also after one that failed; True if every one is complete."""
    return [import_file(client, path) for path in options.files].count(False) == 0


def rebuild(client: MatineeClient, _options: argparse.Namespace | None = None) -> bool:
    task = client.wait(client.start_rebuild()["task_id"], _progress("rebuild"))
    if not _ended_well(task):
        return False
    result = task["result"]
    print(f"  model {result['version']} from {result['ratings']:,} ratings. {result['reason']}")
    return True


def recommend(client: MatineeClient, options: argparse.Namespace) -> bool:
    show(client, options.user, options.limit)
    return True


def import_file(client: MatineeClient, path: Path | None) -> bool:
    """Import a file (None: the bundled sample) and print the report; True if it is complete."""
    name = path.name if path else "the bundled sample"
    task = client.wait(client.start_import(path)["task_id"], _progress(f"import {name}"))
    if not _ended_well(task):
        return False
    report = task["result"]
    figures = ("new", "replaced", "unchanged", "older", "duplicate", "rejected")
    parts = (f"{report[figure]:,} {figure}" for figure in figures if report.get(figure))
    print(f"  {report['read']:,} rows read: {', '.join(parts)}")
    for reject in report.get("rejects", [])[:5]:
        print(f"    line {reject['line']}, {reject['column']}: {reject['reason']}")
    return True


def show(client: MatineeClient, user_id: int, limit: int) -> None:
    """Print a user's recommendations, each with the rated movies that speak for it."""
    answer = client.rich_recommendations(user_id, limit)
    print(f"\nFor user {user_id} ({answer['source']}, model {answer['model_version']}):")
    for place, movie in enumerate(answer["recommendations"], 1):
        print(f"{place:3}. {_title(movie)}")
        if movie["because"]:
            reasons = (f"{reason['title']} ({reason['score']:g})" for reason in movie["because"])
            print(f"     because of {', '.join(reasons)}")


def _title(movie: dict[str, Any]) -> str:
    year = f" ({movie['year']})" if movie["year"] else ""
    genre = f"  {movie['genre'].replace('|', ', ')}" if movie["genre"] else ""
    return f"{movie['title']}{year}{genre}"


def _ended_well(task: dict[str, Any]) -> bool:
    if task["status"] == "complete":
        return True
    detail = (task["error"] or {}).get("detail", "")
    print(f"  {task['status']}: {detail}", file=sys.stderr)
    return False


def _progress(name: str) -> Callable[[dict[str, Any]], None]:
    """Shows a task as it goes: one line that is written over on a terminal, one a phase elsewhere."""
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
