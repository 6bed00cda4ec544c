"""The command line: `matinee serve | worker | demo | import | rebuild | recommend`."""

import argparse
import io
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.config import Settings
from app.errors import BadRequest

SERVE = "Serve the page and the API until Ctrl-C, and run imports and rebuilds in the background."
WORKER = "Run imports and rebuilds, in a process apart from servers with MATINEE_EMBEDDED_WORKER=off."
DEMO = "Start a server, import a sample or a MovieLens folder into MATINEE_DATA_DIR, and recommend films."
IMPORT = (
    "Send files to a running server and wait until they are imported: CSV of movies or ratings, exports of "
    "MovieLens, Letterboxd and IMDb, plain or as .zip and .gz. Ctrl-C ends the waiting, not the import."
)
REBUILD = "Build a new model from all ratings in a running server, and wait for it."
RECOMMEND = "Show films for a user of a running server, with the rated films that speak for them."
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. The exit status: 0; 1 after a failure; 2 for wrong arguments; 130 after Ctrl-C.

    What a person can mend is one line on standard error; a fault in the program keeps its traceback.
    """
    options = _parser().parse_args(arguments)
    settings = Settings()
    try:
        # The API that started an embedded worker has warned already.
        settings = Settings.from_environment(warn=not getattr(options, "embedded", False))
        _configure_logging(settings)
        command: Callable[[Settings, argparse.Namespace], int] = options.command
        status = command(settings, options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of the output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        line = _explain(error, settings)
        if line is None:
            raise
        print(f"matinee: {line}", file=sys.stderr)
        return 2 if isinstance(error, BadRequest) else 1


def _configure_logging(settings: Settings) -> None:
    logging.basicConfig(level=logging.WARNING, format=LOG_FORMAT)
    logging.getLogger("matinee").setLevel(settings.log_level)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a title may have letters that the terminal has not


def _explain(error: Exception, settings: Settings) -> str | None:
    from app.storage.start_failures import advise

    return advise(error, settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="matinee",
        description="Movie ratings in, recommendations out.",
        epilog="`matinee demo` shows all of it. To use it: `matinee serve` in one terminal, then import, "
        "rebuild and recommend in another. Settings are environment variables: docs/configuration.md.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser(
        "serve", help="serve the page and the API, at http://127.0.0.1:8000 by default", description=SERVE
    )
    serve.set_defaults(command=_serve)

    worker = commands.add_parser(
        "worker",
        help="run background tasks in a process of their own",
        description=WORKER,
    )
    worker.add_argument("--embedded", action="store_true", help=argparse.SUPPRESS)
    worker.set_defaults(command=_worker)

    demo = commands.add_parser(
        "demo", help="try it: start a server, import a sample, and show recommendations", description=DEMO
    )
    demo.add_argument("folder", nargs="?", type=Path, help="a MovieLens folder (movies.csv, ratings.csv)")
    demo.add_argument("--once", action="store_true", help="end then, instead of serving until Ctrl-C")
    demo.add_argument("--user", metavar="ID", type=int, help="whom to recommend to (default: the first one)")
    demo.set_defaults(command=_demo)

    upload = commands.add_parser(
        "import", help="import files of movies or ratings into a running server", description=IMPORT
    )
    upload.add_argument("files", nargs="+", type=Path, metavar="FILE", help="movies before their ratings")
    upload.add_argument("--user", metavar="ID", type=int, help="whose ratings they are (Letterboxd, IMDb)")
    rebuild = commands.add_parser(
        "rebuild", help="make recommendations from all ratings so far", description=REBUILD
    )
    recommend = commands.add_parser("recommend", help="show what to watch, and why", description=RECOMMEND)
    recommend.add_argument("user", metavar="USER", type=int, help="the id of a user")
    recommend.add_argument("--limit", metavar="N", type=int, default=10, help="how many films (default: 10)")
    for name, client_command in ((upload, "imports"), (rebuild, "rebuild"), (recommend, "recommend")):
        name.add_argument("--url", help="of the server (default: by MATINEE_HOST and MATINEE_PORT)")
        name.set_defaults(command=_client, client_command=client_command)
    return parser


def _serve(settings: Settings, _options: argparse.Namespace) -> int:
    from app.cli import server
    from app.cli.listening import listen
    from app.storage import open_database

    listen(settings.host, settings.port).close()  # what fails here is one line, and in uvicorn a traceback
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

    open_database(settings).close()
    if settings.log_level == "INFO":  # it tells its story itself
        settings = replace(settings, log_level="WARNING")
        logging.getLogger("matinee").setLevel(logging.WARNING)
    return demo.run(settings, options.folder, once=options.once, user=options.user)


def _client(settings: Settings, options: argparse.Namespace) -> int:
    from app.cli import console
    from app.client import ApiError, MatineeClient

    if settings.log_level != "DEBUG":  # attempts that failed would stand before the line that matters
        logging.getLogger("app.retry_client").setLevel(logging.ERROR)
    try:
        with MatineeClient(options.url or _own_url(settings)) as client:
            command: Callable[[MatineeClient, Any], bool] = getattr(console, options.client_command)
            return 0 if command(client, options) else 1
    except ApiError as error:
        print(f"matinee: {console.reason(error)}", file=sys.stderr)
        return 1
    except console.Interrupted as interruption:
        print(f"\nmatinee: {interruption}", file=sys.stderr)
        return 130


def _own_url(settings: Settings) -> str:
    """Where `matinee serve` with these settings is reached from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
