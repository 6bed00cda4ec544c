"""The command line: `matinee serve | worker | demo | import | rebuild | recommend`."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.config import Settings
from app.errors import AppError

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 0, 1 for a failure that was explained, 2 for wrong arguments."""
    options = _parser().parse_args(arguments)
    try:
        # The API that started an embedded worker has warned already.
        settings = Settings.from_environment(warn=not getattr(options, "embedded", False))
        logging.basicConfig(level=logging.WARNING, format=LOG_FORMAT)
        logging.getLogger("matinee").setLevel(settings.log_level)
        command: Callable[[Settings, argparse.Namespace], int] = options.command
        return command(settings, options)
    except AppError as error:
        print(f"matinee: {error.detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        from app.storage.failures import explain, failure

        if (problem := failure(error)) is None:
            raise
        print(f"matinee: {problem.detail} ({explain(error)})", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="matinee", description="Movie ratings in, recommendations out.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="serve the API and run background tasks")
    serve.set_defaults(command=_serve)

    worker = commands.add_parser("worker", help="run background tasks only")
    worker.add_argument("--embedded", action="store_true", help=argparse.SUPPRESS)
    worker.set_defaults(command=_worker)

    demo = commands.add_parser("demo", help="serve, import a sample, rebuild, and show recommendations")
    demo.add_argument("folder", nargs="?", type=Path, help="a MovieLens folder (movies.csv, ratings.csv)")
    demo.add_argument("--once", action="store_true", help="end after the recommendations")
    demo.add_argument("--user", type=int, help="whom to recommend to (default: one of the imported)")
    demo.set_defaults(command=_demo)

    upload = commands.add_parser("import", help="import files of movies or ratings into a running service")
    upload.add_argument("files", nargs="+", type=Path)
    rebuild = commands.add_parser("rebuild", help="rebuild the model of a running service")
    recommend = commands.add_parser("recommend", help="show recommendations of a running service")
    recommend.add_argument("user", type=int)
    recommend.add_argument("--limit", type=int, default=10)
    for name, client_command in ((upload, "imports"), (rebuild, "rebuild"), (recommend, "recommend")):
        name.add_argument("--url", help="where it is (default: MATINEE_HOST and MATINEE_PORT)")
        name.set_defaults(command=_client, client_command=client_command)
    return parser


def _serve(settings: Settings, _options: argparse.Namespace) -> int:
    from app import server

    os.environ |= settings.to_environment()
    server.serve(settings)
    return 0


def _worker(settings: Settings, options: argparse.Namespace) -> int:
    from app.tasks import worker

    worker.main(settings, embedded=options.embedded)
    return 0


def _demo(settings: Settings, options: argparse.Namespace) -> int:
    from app import demo

    if settings.log_level == "INFO":  # it tells its story itself
        settings = replace(settings, log_level="WARNING")
        logging.getLogger("matinee").setLevel(logging.WARNING)
    return demo.run(settings, options.folder, once=options.once, user=options.user)


def _client(settings: Settings, options: argparse.Namespace) -> int:
    from app import console
    from app.client import ApiError, MatineeClient

    with MatineeClient(options.url or f"http://{settings.host}:{settings.port}") as client:
        try:
            command: Callable[[MatineeClient, Any], bool] = getattr(console, options.client_command)
            return 0 if command(client, options) else 1
        except ApiError as error:
            print(f"matinee: {error}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
