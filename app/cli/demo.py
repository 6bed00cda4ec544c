"""The demo: a real server in this process, driven over HTTP as by any other client."""

import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import uvicorn

from app.cli import console, folder
from app.cli.listening import listen
from app.cli.server import options
from app.client import ApiError, MatineeClient
from app.config import Settings
from app.errors import ConfigurationError
from app.sample import FIRST_USER


def run(settings: Settings, path: Path | None, *, once: bool, user: int | None) -> int:
    """Serve, import the sample or the folder at `path`, rebuild, recommend to a user; returns the status."""
    with tempfile.TemporaryDirectory(prefix="matinee-") as scratch:
        found = folder.Found([None], FIRST_USER) if path is None else folder.find(path, Path(scratch))
        whom = found.user if user is None else user
        return serve(settings, lambda url: _drive(url, found, whom), once=once)


def serve(settings: Settings, work: Callable[[str], bool], *, once: bool) -> int:
    """Serve while `work` is done, which gets the address and returns whether it went well; then until Ctrl-C
    unless `once`. Returns the exit status.
    """
    listening = _listen(settings)
    url = f"http://{settings.host}:{listening.getsockname()[1]}"
    os.environ |= settings.to_environment()
    plain = replace(settings, tls_cert="", tls_key="")  # the demo calls itself, by an address
    server = uvicorn.Server(uvicorn.Config(**options(plain), log_level="warning"))
    outcome: list[bool] = []

    def drive() -> None:
        try:
            outcome.append(work(url))
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


def _listen(settings: Settings) -> socket.socket:
    """A socket at the configured address, or at any free port if that one is in use."""
    try:
        return listen(settings.host, settings.port)
    except ConfigurationError:
        return listen(settings.host, 0)


def _drive(url: str, found: folder.Found, user: int) -> bool:
    with MatineeClient(url, token=os.environ.get("MATINEE_TOKEN")) as client:
        try:
            client.health()
            for reason in found.left_out:
                print(f"Left out: {reason}")
            imported = [
                console.import_file(client, path, user if path in found.personal else None)
                for path in found.files
            ]
            done = all(imported) and console.rebuild(client)
            if done:
                console.show(client, user, 10)
            return done
        except ApiError as error:
            print(f"matinee: {console.reason(error)}", file=sys.stderr)
            return False
