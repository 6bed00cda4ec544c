"""The command line: `matinee serve`, `demo`, `import`, `recommend` and the others, and who may."""

import argparse
import io
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from app import logs
from app.cli.arguments import (
    add_backups,
    add_files,
    add_hook,
    add_import,
    add_migrate_storage,
    add_people,
    add_waiting,
)
from app.config import Settings
from app.errors import BadRequest

Command = Callable[[Settings, argparse.Namespace], int]

SERVE = "Serve the page and the API until Ctrl-C, and run imports and rebuilds in the background."
WORKER = "Run imports and rebuilds, in a process apart from servers with MATINEE_EMBEDDED_WORKER=off."
DEMO = (
    "Start a server, import a sample, or what `matinee import` takes of a folder, into MATINEE_DATA_DIR, and "
    "recommend movies."
)
REBUILD = "Build a new model from all ratings in a running server, and wait for it."
DOCTOR = (
    "Look at settings, versions, disk, permissions, clock, database, locks, worker, model and backups. It "
    "changes nothing, and ends with 1 if something is wrong."
)
RECOMMEND = "Show movies for a user of a running server, with the rated movies that speak for them."
SERVICES = ("serve", "worker")
"""Commands that run on their own, and whose log machines may read; those of a person write text."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status: 0, 1 after a failure, 2 for wrong arguments, 130 after Ctrl-C.

    What a person can mend is one line on standard error; a fault of the program keeps its traceback.
    """
    options = _parser().parse_args(arguments)
    settings = Settings()
    try:
        # The API that started an embedded worker has warned already.
        settings = Settings.from_environment(warn=not getattr(options, "embedded", False))
        logs.configure(settings.log_level, settings.log_format if options.name in SERVICES else "text")
        _print_any_letter()
        status: int = options.command(settings, options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of the output has ended, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        from app.storage.start_failures import advise  # imported late: `--help` needs no database

        line = advise(error, settings)
        if line is None:
            raise
        print(f"matinee: {line}", file=sys.stderr)
        return 2 if isinstance(error, BadRequest) else 1


def _print_any_letter() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # the terminal may lack letters of a title


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="matinee",
        description="Movie ratings in, recommendations out.",
        epilog="`matinee demo` shows all of it. To use it: `matinee serve` in one terminal, then import, "
        "rebuild and recommend in another. Settings are environment variables: docs/configuration.md.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, summary: str, description: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=description)
        added.set_defaults(command=command, name=name)
        return added

    add("serve", _serve, "serve the page and the API, at http://127.0.0.1:8000 by default", SERVE)
    worker = add("worker", _worker, "run background tasks in a process of their own", WORKER)
    worker.add_argument("--embedded", action="store_true", help=argparse.SUPPRESS)
    demo = add("demo", _demo, "try it: start a server, import a sample, and show recommendations", DEMO)
    demo.add_argument(
        "folder", nargs="?", type=Path, help="of MovieLens, or with the export of Letterboxd, IMDb or another"
    )
    demo.add_argument(
        "--once", action="store_true", help="end after the recommendations, instead of serving until Ctrl-C"
    )
    demo.add_argument(
        "--kill",
        action="store_true",
        help="kill the worker in an import, in a folder of its own, and compare",
    )
    demo.add_argument("--user", metavar="ID", type=int, help="whom to recommend to (default: the first one)")
    upload = add_import(commands, _client)
    waiting = add_waiting(commands, _client)
    hooks = add_hook(commands, _client)
    rebuild = add("rebuild", _client, "make recommendations from all ratings so far", REBUILD)
    recommend = add("recommend", _client, "show what to watch, and why", RECOMMEND)
    recommend.add_argument("user", metavar="USER", help="a name that the page knows, or an id")
    recommend.add_argument("--limit", metavar="N", type=int, default=10, help="how many movies (default: 10)")
    for added in (upload, waiting, *hooks, rebuild, recommend):
        added.add_argument("--url", help="of the server (default: by MATINEE_HOST and MATINEE_PORT)")
        added.add_argument("--token", help="an API key; better in MATINEE_TOKEN, which no other user can see")
    add_people(commands, _people)
    add_backups(commands, _backups)
    add_files(commands, _files)
    add_migrate_storage(commands, _migrate_storage)
    doctor = add("doctor", _doctor, "look for what may be wrong, and say what to do", DOCTOR)
    doctor.add_argument("--json", action="store_true", help="print it as JSON")
    doctor.add_argument("--full", action="store_true", help="check the whole database, however long it takes")
    return parser


def _serve(settings: Settings, _options: argparse.Namespace) -> int:
    from app.cli import server, tls
    from app.cli.listening import listen
    from app.storage import open_database

    tls.context(settings)
    listen(settings.host, settings.port).close()  # fails here with one line, in uvicorn with a traceback
    open_database(settings).close()
    os.environ |= settings.to_environment()
    server.serve(settings)
    return 0


def _worker(settings: Settings, options: argparse.Namespace) -> int:
    from app import kinds  # noqa: F401  (registers them)
    from app.tasks import worker

    worker.main(settings, embedded=options.embedded)
    return 0


def _demo(settings: Settings, options: argparse.Namespace) -> int:
    from app.cli import demo
    from app.storage import open_database

    if options.kill:
        from app.cli import kill

        return kill.run(settings)
    open_database(settings).close()
    settings = replace(settings, log_format="text")
    if settings.log_level == "INFO":  # the demo prints what happens itself
        settings = replace(settings, log_level="WARNING")
        logging.getLogger("matinee").setLevel(logging.WARNING)
    return demo.run(settings, options.folder, once=options.once, user=options.user)


def _client(settings: Settings, options: argparse.Namespace) -> int:
    from app.cli import console, hooks, waiting
    from app.client import ApiError, MatineeClient

    if settings.log_level != "DEBUG":  # failed attempts would bury the line that matters
        logging.getLogger("app.retry_client").setLevel(logging.ERROR)
    try:
        token = options.token or os.environ.get("MATINEE_TOKEN")
        with MatineeClient(options.url or _own_url(settings), token=token) as client:
            commands: dict[str, Callable[[MatineeClient, argparse.Namespace], bool]]
            commands = {"import": console.imports, "rebuild": console.rebuild, "recommend": console.recommend}
            commands |= {"waiting": waiting.run, "hook": hooks.run}
            return 0 if commands[options.name](client, options) else 1
    except ApiError as error:
        print(f"matinee: {console.reason(error)}", file=sys.stderr)
        return 1
    except console.Interrupted as interruption:
        print(f"\nmatinee: {interruption}", file=sys.stderr)
        return 130


def _people(settings: Settings, options: argparse.Namespace) -> int:
    from app.cli import people

    return people.run(settings, options, _own_url(settings))


def _doctor(settings: Settings, options: argparse.Namespace) -> int:
    from app.cli import doctor

    return doctor.run(settings, options)


def _backups(settings: Settings, options: argparse.Namespace) -> int:
    from app.cli import backups

    return backups.run(settings, options)


def _files(settings: Settings, options: argparse.Namespace) -> int:
    from app.cli import exports, models

    return {"export": exports.run, "models": models.run}[options.name](settings, options)


def _migrate_storage(settings: Settings, options: argparse.Namespace) -> int:
    from app.cli import transfers

    return transfers.run(settings, options)


def _own_url(settings: Settings) -> str:
    """The address at which this machine reaches `matinee serve` with these settings."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    scheme = "https" if settings.tls_cert else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}{settings.root_path}"
