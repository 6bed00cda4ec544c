"""A cluster of processes under load, to which everything happens that may: what is lost, doubled, refused.

nginx before two API processes, three workers, PostgreSQL, Valkey and an S3 server, on one machine, each with
a folder of its own. Clients rate and read all the time through our client, files come in and models are
rebuilt, while processes are killed, stopped and restarted. At the end every rating and report is compared
with those of an undisturbed run.

    uv run python -m benchmarks.cluster --json FILE
    uv run python -m benchmarks.cluster --page first --rows 100000
    uv run python -m benchmarks.cluster --page first --address URL --database-url URL --workers PID,PID,PID
"""

import argparse
import signal
import sys
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

import psutil

from benchmarks.cluster_events import PAGES
from benchmarks.cluster_load import FILMS, Attempts, Load
from benchmarks.cluster_processes import Cluster
from benchmarks.cluster_rows import FIRST_FILMS
from benchmarks.cluster_run import Run, judge
from benchmarks.cluster_site import Site
from benchmarks.cluster_truth import Undisturbed
from benchmarks.report import Report, arguments, note

FILES = {"first": 2, "workers": 2, "services": 6, "models": 2, "rolling": 1}
"""Files of ratings of each page."""


def run_pages(site: Site, pages: list[str], rows: int, report: Report) -> None:
    """Run pages against a cluster that is there, with an empty database; `rows`: of all files together."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        truth = stack.enter_context(closing(Undisturbed(folder / "undisturbed")))
        client = stack.enter_context(site.client())
        attempts = stack.enter_context(closing(Attempts()))
        each = rows // sum(FILES[page] for page in pages)
        load = Load(site.client, FILMS + FIRST_FILMS)
        run = Run(site, folder, report, each, load, attempts, client, truth)
        run.complete(run.upload(movies=True))
        with load:
            for page in pages:
                PAGES[page](run)
        attempts.event = "judging"
        judge(run)


def run_here(pages: list[str], rows: int, report: Report) -> None:
    """Run pages against a cluster of this machine."""
    with tempfile.TemporaryDirectory() as scratch, closing(Cluster(Path(scratch))) as cluster:
        try:
            run_pages(cluster, pages, rows, report)
        finally:
            note(cluster.logs())


def site_of(options: argparse.Namespace) -> Site:
    """Of a cluster that another program has started."""
    workers = [psutil.Process(int(pid)) for pid in options.workers.split(",")]
    return Site(options.address, options.database_url, workers, options.lease, options.token)


def main() -> int:
    parser = arguments(__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000, help="of all files together")
    parser.add_argument("--page", choices=PAGES, help="one group of events, after the first")
    parser.add_argument("--address", help="of a cluster that is there, with an empty database")
    parser.add_argument("--database-url", help="of its PostgreSQL")
    parser.add_argument("--workers", help="the processes of its workers, on this machine")
    parser.add_argument("--lease", type=float, default=15.0, help="seconds, as its workers have it")
    parser.add_argument("--token", help="an API key of an editor, if it has accounts")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # nothing that was started is left
    pages = list(PAGES) if options.page is None else list(dict.fromkeys(["first", options.page]))
    report = Report("cluster")
    try:
        if options.address:
            run_pages(site_of(options), ["first"], options.rows, report)
        else:
            run_here(pages, options.rows, report)
    finally:  # what was found also of a run that is ended
        status = report.finish(options.json)
    return status


if __name__ == "__main__":
    sys.exit(main())
