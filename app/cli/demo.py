"""The demo: a real server in this process, driven over HTTP as by any other client."""

import csv
import os
import socket
import sys
import threading
from pathlib import Path

import uvicorn

from app.cli import console
from app.cli.listening import listen
from app.cli.server import options
from app.client import ApiError, MatineeClient
from app.config import Settings
from app.errors import BadRequest, ConfigurationError
from app.sample import FIRST_USER


def run(settings: Settings, folder: Path | None, *, once: bool, user: int | None) -> int:
    """Serve, import the sample or `folder`, rebuild, recommend to a user; returns the exit status."""
    files = _files(folder)
    user = user if user is not None else _first_user(folder)
    listening = _listen(settings)
    url = f"http://{settings.host}:{listening.getsockname()[1]}"
    os.environ |= settings.to_environment()
    server = uvicorn.Server(uvicorn.Config(**options(settings), log_level="warning"))
    outcome: list[bool] = []

    def drive() -> None:
        try:
            outcome.append(_drive(url, files, user))
            if not once and outcome[0]:
                print(f"\nServing at {url} - Ctrl-C ends it. The API is described at {url}/openapi.json")
        finally:
            if once or not outcome:
                server.should_exit = True

    thread = threading.Thread(target=drive, name="matinee-demo", daemon=True)
    thread.start()
    with listening:
        server.run(sockets=[listening])
    thread.join(timeout=1)
    return 0 if outcome and outcome[0] else 1


def _files(folder: Path | None) -> list[Path | None]:
    if folder is None:
        return [None]
    files: list[Path | None] = [folder / "movies.csv", folder / "ratings.csv"]
    missing = [str(path) for path in files if path and not path.is_file()]
    if missing:
        raise BadRequest(f"{' and '.join(missing)} not found. Give a folder with a MovieLens data set.")
    return files


def _first_user(folder: Path | None) -> int:
    """The first user of the import. Raises `BadRequest` for a file that is not from MovieLens."""
    if folder is None:
        return FIRST_USER
    path = folder / "ratings.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            next(rows, None)
            return int(next(rows, ["1"])[0])
    except (ValueError, IndexError, csv.Error):
        raise BadRequest(f"{path} is not MovieLens' file of ratings: its first column is userId.") from None


def _listen(settings: Settings) -> socket.socket:
    """A socket at the configured address, or at any free port if that one is in use."""
    try:
        return listen(settings.host, settings.port)
    except ConfigurationError:
        return listen(settings.host, 0)


def _drive(url: str, files: list[Path | None], user: int) -> bool:
    with MatineeClient(url, token=os.environ.get("MATINEE_TOKEN")) as client:
        try:
            client.health()
            done = all(console.import_file(client, path) for path in files) and console.rebuild(client)
            if done:
                console.show(client, user, 10)
            return done
        except ApiError as error:
            print(f"matinee: {console.reason(error)}", file=sys.stderr)
            return False
