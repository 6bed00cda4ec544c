"""How many requests a second a process answers, beside a bare endpoint of FastAPI in the same run.

Closed loop with 1, 16 and 64 connections and open loop up to saturation; a plain list, a rich one, a movie, a
search, a rating; the bare endpoint as `def` and as `async def`. With the door closed and open, on SQLite and
PostgreSQL, in one process and in two. Also what others see beside busy connections and beside a user with
30,000 ratings, and what is left of it during an import and a rebuild.

All are served by uvicorn with h11 on asyncio, as `matinee serve` does. What is compared takes turns of a
fraction of a second, and a ratio is the median of those of the rounds: what else the machine does falls on
all of them. `--against` names another checkout, for the same beside it.

    uv run --group bench python -m benchmarks.requests [--quick] [--against FOLDER] [--json FILE]
"""

import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.asked import BARE_KINDS, HEAVY, Bare, Kind, Ours, Target, make_data, word_of
from benchmarks.load import Client, Load
from benchmarks.report import Report, arguments, note
from tests.postgres import PostgresServer

BARE_DEF = BARE_KINDS[1].name
SHARES = (0.25, 0.5, 0.75, 0.9, 1.1)
"""Of the rate of a closed loop with 16 connections, for the open loop."""


@dataclass(frozen=True)
class Plan:
    """Rounds, seconds of each turn, and of what is measured once."""

    rounds: int
    turn: float
    long: float
    connections: tuple[int, ...]


WHOLE, QUICK = Plan(12, 0.4, 8.0, (1, 16, 64)), Plan(4, 0.15, 2.0, (1, 16))
Asked = tuple[int, str, tuple[int, ...]]
"""A user, a word of titles, and movies that are rated."""
Loads = dict[tuple[str, str, int], list[Load]]
"""Of each round, by target, kind of request and connections."""


def in_turns(targets: list[Target], plan: Plan, kinds: set[str] | None = None) -> Loads:
    found: Loads = {}
    asked = [(target, kind) for target in targets for kind in target.kinds if not kinds or kind.name in kinds]
    for target, kind in asked:
        target.ask(kind, max(plan.connections), 0.1)
    for number in range(plan.rounds):
        note(f"round {number + 1} of {plan.rounds}")
        for connections in plan.connections:
            for target, kind in asked:
                load = target.ask(kind, connections, plan.turn)
                found.setdefault((target.name, kind.name, connections), []).append(load)
    return found


def ratio(some: list[Load], others: list[Load]) -> float:
    """The median of the ratios of the rates, round by round."""
    return float(np.median([a.rate / max(1e-9, b.rate) for a, b in zip(some, others, strict=True)]))


def rates(report: Report, loads: Loads, setup: str) -> None:
    """A row a kind and number of connections."""
    for (target, kind, connections), rounds in loads.items():
        every = Load()
        for load in rounds:
            every += load
        report.add(
            setup=f"{setup}, {target}",
            request=kind,
            connections=connections,
            a_second=round(float(np.median([load.rate for load in rounds]))),
            of_bare_def=round(ratio(rounds, loads["bare", BARE_DEF, connections]), 3),
            cpu_us=round(1e6 * every.cpu / max(1, len(every.latencies))),
            p50_ms=round(every.percentile(50), 2),
            p99_ms=round(every.percentile(99), 2),
            refused=sum(every.statuses.values()) - every.good,
        )


def bars(report: Report, loads: Loads, target: str, connections: tuple[int, ...]) -> None:
    for many in (1, 16):
        bare = loads["bare", BARE_DEF, many]
        for kind, least in (("plain", 0.5), ("rich", 0.25)):
            found = ratio(loads[target, kind, many], bare)
            report.at_least(f"{kind} over a bare def, {many} connections", found, least)
    for name, kind, many in loads:
        if name == target and many == max(16, *(n for n in connections if n <= 16)):
            found = ratio(loads[name, kind, 16], loads[name, kind, 1])
            report.at_least(f"{kind}, 16 connections over 1", found, 1.0)


def saturate(report: Report, target: Target, plan: Plan, capacity: float) -> None:
    """Open loop with plain lists: latency from the moment at which each request was due."""
    plain = target.kinds[1]
    for share in SHARES:
        rate = share * capacity

        def run(client: Client, requests: Iterator[bytes], rate: float = rate) -> Load:
            return client.open(requests, rate, plan.long / 2)

        load = target.ask(plain, 64, run)
        report.add(
            open_loop=f"plain, {share:g} of {capacity:.0f} a second",
            answered=round(load.rate),
            p50_ms=round(load.percentile(50), 2),
            p99_ms=round(load.percentile(99), 2),
            refused=sum(load.statuses.values()) - load.good,
        )


def beside(target: Target, seen: Kind, busy: Kind | None, connections: int, plan: Plan) -> Load:
    """What `seen`, 40 times a second, sees beside so many connections that ask for `busy`."""

    def run(client: Client, requests: Iterator[bytes]) -> Load:
        return client.open(requests, 40.0, plan.long / 4)

    stop = threading.Event()

    def burn() -> None:
        while busy and not stop.is_set():
            target.ask(busy, connections, 0.5)

    thread = threading.Thread(target=burn)
    thread.start()
    try:
        return target.ask(seen, 4, run)
    finally:
        stop.set()
        thread.join()


def fairness(report: Report, targets: list[Target], plan: Plan) -> None:
    """`/health` beside 16 busy connections, and others beside the user with 30,000 ratings."""
    heavy = Kind("30,000 ratings", f"/recommendations/{HEAVY}")
    p99: dict[tuple[str, str, str], list[float]] = {}
    for target in targets:
        health, plain, _, movie, *_ = target.kinds
        cases = [("nobody", None, 1), ("16 plain", plain, 16), ("30,000 ratings", heavy, 1)]
        for seen in (health, movie, plain):
            for name, busy, connections in cases:
                load = Load()
                for _ in range(4):
                    load += beside(target, seen, busy, connections, plan)
                p99[target.name, seen.name, name] = [load.percentile(50), load.percentile(99)]
    for (target_name, seen_name, name), (p50, high) in p99.items():
        report.add(
            seen=f"{seen_name}, {target_name}", beside=name, p50_ms=round(p50, 2), p99_ms=round(high, 2)
        )
    if len(targets) > 1:  # the other checkout is what it was before
        for seen_name in ("health", "movie", "plain"):
            now, then = (p99[one.name, seen_name, heavy.name][1] for one in targets)
            report.at_most(f"p99 of {seen_name} beside 30,000 ratings, over before", now / then, 1.0)


def during_tasks(report: Report, ours: Ours, target: Target, plan: Plan, file: Path) -> None:
    """The share of plain lists a second that is left during an import and a rebuild, one after the other."""
    plain = target.kinds[1]
    shares = []
    for _ in range(2 if plan is QUICK else 4):
        idle = target.ask(plain, 16, plan.long / 4)
        tasks = [ours.upload(file, wait=False), ours.rebuild(wait=False)]
        busy = Load()
        while any(ours.server.task(task_id)["finished_at"] is None for task_id in tasks):
            busy += target.ask(plain, 16, 0.25)
        shares.append(busy.rate / idle.rate)
        report.add(
            during="import and rebuild", idle=round(idle.rate), busy=round(busy.rate), seconds=busy.seconds
        )
    report.at_least("plain during an import and a rebuild, of idle", float(np.median(shares)), 0.7)


def prepare(folder: Path) -> tuple[list[Path], Asked]:
    """A folder `data` with all of the made data and a model."""
    *files, user, rated = make_data(folder)
    ours = Ours("first", folder / "data")
    with closing(ours):
        ours.fill(*files)
    return files, (user, word_of(files[0]), rated)


def variants(report: Report, bare: Target, folder: Path, prepared: tuple[list[Path], Asked]) -> None:
    """The door open, two processes, PostgreSQL: with 16 connections, beside the bare endpoint."""
    files, asked = prepared
    plan = Plan(6, 0.3, 1.0, (1, 16))
    with closing(Ours("sqlite", folder / "data")) as ours:
        target = ours.target(*asked)
        target.headers = ours.open_door()
        rates(report, in_turns([bare, target], plan), "door open")
        ours.close_door()
    with closing(Ours("sqlite", folder / "data", "--workers", "2")) as ours:
        rates(report, in_turns([bare, ours.target(*asked)], plan), "two processes")
    postgres = PostgresServer()
    with closing(postgres):
        url = postgres.url(postgres.create_database()).replace("postgresql:", "postgresql+psycopg:")
        with closing(Ours("postgresql", folder / "other", MATINEE_DATABASE_URL=url)) as ours:
            ours.fill(*files)
            rates(report, in_turns([bare, ours.target(*asked)], plan), "PostgreSQL")


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute, without the variants")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout, which takes turns")
    options = parser.parse_args()
    plan, report = QUICK if options.quick else WHOLE, Report("requests")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        bare = stack.enter_context(closing(Bare(folder))).target
        note("making data")
        files, asked = prepare(folder)
        shutil.copytree(folder / "data", folder / "before")
        ours = stack.enter_context(closing(Ours("now", folder / "data")))
        target = ours.target(*asked)
        targets = [target]
        if options.against:
            before = Ours("before", folder / "before", "--app-dir", str(options.against))
            targets.append(stack.enter_context(closing(before)).target(*asked))
        loads = in_turns([bare, *targets], plan)
        rates(report, loads, "SQLite, door closed")
        bars(report, loads, "now", plan.connections)
        note("open loop")
        rounds = loads["now", "plain", 16]
        saturate(report, target, plan, float(np.median([load.rate for load in rounds])))
        note("beside others")
        fairness(report, targets, plan)
        note("beside tasks")
        during_tasks(report, ours, target, plan, files[1])
        ours.close()
        if not options.quick:
            variants(report, bare, folder, (files, asked))
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
