"""What a search finds in MovieLens, and how long fifty queries take among 90,000 movies, on both engines.

`uv run python -m benchmarks.search --data ml-latest-small.zip --json FILE`: the file, or its folder, is the
user's own; without it the times alone are taken.
"""

import csv
import io
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.config import Settings
from app.movie import keys
from app.repository import title_index
from app.repository.search import search
from app.storage import Database, open_database
from app.storage.schema import movies as table
from app.titles import split_title
from benchmarks.report import Report, arguments, note
from tests.postgres import PostgresServer

MOVIES, AT_ONCE = 90_000, 5_000
LONGEST_MS = 20.0
MEANT = """
1: toy story
2571: the matrix; the matrix 1999; matrix, the; martix
541: bladerunner
176371: blade runner 2049
60069: wall-e; walle; WALL·E
858: godfather; Godfather, The
1221: godfather 2
2023: godfather part iii
4973: amelie
527: Schindler’s List; schindler's list; shindlers list
1260: m
68954: up
1921: pi
1097: et
29: la cité des enfants perdus; city of lost children
260: star wars; starwars
1196: star wars 1980; empire strikes back
32: 12 monkeys; twelve monkeys
47: seven; se7en
293: leon
1721: titanic
3404: titanic 1953
1200: alien 1986; aliens
5349: spiderman
8636: spider-man 2
3793: xmen
356: forest gump
318: shwashank redemption
296: pulp fictoin
5816: hary potter chamber of secrets
4896: hary potter
4993: fellowship ring
5952: lord of the rings two towers
750: dr strangelove
5060: mash
924: 2001 a space odyssey; 2001 space odissey
1251: 8 1/2
589: terminator 2
6: heat
3996: crouching tiger; wo hu cang long
6016: cidade de deus
1233: das boot
4963: ocean's 11
"""
"""Ids in MovieLens, and queries that mean the movie."""
LATEST_SMALL = {
    query: int(number)
    for number, _, some in (line.partition(": ") for line in MEANT.split("\n") if line)
    for query in some.split("; ")
}
Titles = Mapping[int, tuple[str, int | None]]
"""Titles and years by id."""
COMMON = ("the", "of", "a", "and", "in", "man", "love", "night", "to", "my")


def fill(database: Database, titles: Titles, counts: Counter[int]) -> None:
    """Write movies, their counts and their terms: what a search reads of an import."""
    ids = list(titles)
    with database.write() as connection:
        database.unbounded(connection)
        for start in range(0, len(ids), AT_ONCE):
            rows = [_row(i, *titles[i], counts[i]) for i in ids[start : start + AT_ONCE]]
            connection.execute(table.delete().where(table.c.id.in_([row["id"] for row in rows])))
            connection.execute(table.insert(), rows)
            title_index.put(connection, {row["id"]: (row["title"], row["search_key"]) for row in rows})
        if database.engine.name == "postgresql":
            connection.execute(sa.text("ANALYZE"))  # as its autovacuum does soon after an import


def _row(number: int, title: str, year: int | None, count: int) -> dict[str, Any]:
    given = {"id": number, "title": title, "year": year, "genre": "Drama", "rating_count": count}
    return given | {"source": "import", "created_at": 1.0} | keys(title, "Drama")


def movielens(path: Path) -> tuple[Titles, Counter[int]]:
    """Titles and years by id, and counts of ratings, of a MovieLens file or folder."""
    titles = {int(row["movieId"]): split_title(row["title"]) for row in _rows(path, "movies.csv")}
    return titles, Counter(int(row["movieId"]) for row in _rows(path, "ratings.csv"))


def _rows(path: Path, name: str) -> Iterator[dict[str, str]]:
    if path.is_dir():
        with (path / name).open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)
        return
    with zipfile.ZipFile(path) as archive:
        (member,) = (member for member in archive.namelist() if member.endswith(f"/{name}"))
        with archive.open(member) as file:
            yield from csv.DictReader(io.TextIOWrapper(file, "utf-8", newline=""))


def generated(seed: int = 1) -> tuple[Titles, Counter[int]]:
    """Titles of one to six words, some common, with articles, numerals and asides; few are much rated."""
    random = np.random.default_rng(seed)
    syllables = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]
    lengths = random.choice([1, 2, 3, 4], 50_000, p=[0.1, 0.4, 0.35, 0.15])
    vocabulary = np.array(["".join(random.choice(syllables, n)) for n in lengths])

    def title() -> str:
        places = (len(vocabulary) * random.random(random.choice([1, 2, 3, 4, 6])) ** 3).astype(int)
        words = [random.choice(COMMON) if random.random() < 0.3 else vocabulary[place] for place in places]
        text = " ".join(words).title()
        text = f"The {text}" if random.random() < 0.25 else text
        text += f" {random.choice(['2', 'II', 'III', 'Part II'])}" if random.random() < 0.06 else ""
        return f"{text} ({' '.join(random.choice(vocabulary, 2)).title()})" if random.random() < 0.1 else text

    titles = {10_000 + i: (title(), int(random.integers(1920, 2025))) for i in range(MOVIES)}
    counts = np.minimum(random.zipf(1.3, MOVIES), 80_000).tolist()
    return titles, Counter(dict(zip(titles, counts, strict=True)))


def queries(titles: Titles, seed: int = 2) -> list[str]:
    """Fifty: whole titles, with their year, one or two words, beginnings, slips, joined and common words."""
    random = np.random.default_rng(seed)
    picked = [titles[10_000 + int(i)] for i in random.choice(MOVIES, 47, replace=False)]
    found = []
    for number, (title, year) in enumerate(picked):
        words, place = title.split(), int(random.integers(1, max(2, len(title) - 1)))
        slipped = (
            title[: place - 1] + title[place : place + 1] + title[place - 1 : place] + title[place + 1 :]
        )
        longest = max(words, key=len)
        shapes = (
            title,
            f"{title} {year}",
            longest,
            longest[:4],
            slipped,
            title.replace(" ", ""),
            " ".join(words[-2:]),
        )
        found.append(shapes[number % len(shapes)])
    return [*found, "the", "love", "m"]


def judge(report: Report, engine: str, database: Database, path: Path) -> None:
    """The table of queries on MovieLens: each must find its movie first."""
    titles, counts = movielens(path)
    fill(database, titles, counts)
    missed = 0
    with database.read() as connection:
        for query, meant in LATEST_SMALL.items():
            found = search(connection, query, limit=1)
            if not found or found[0].movie.id != meant:
                missed += 1
                shown = found[0].movie.title if found else None
                report.add(engine=engine, query=query, meant=titles.get(meant, ("?",))[0], found=shown)
    report.at_most(f"{engine}, queries of {len(LATEST_SMALL)} that miss", missed, 0)


def measure(report: Report, engine: str, database: Database, rounds: int) -> None:
    """Times of fifty queries by one connection, warm."""
    titles, counts = generated()
    began = time.perf_counter()
    fill(database, titles, counts)
    loaded = round(time.perf_counter() - began, 1)
    with database.read() as connection:
        worker = _cpu_clock(connection)
        asked = queries(titles)
        for query in asked:  # which warms
            search(connection, query, limit=50)
        taken = [(query, *_times(connection, query, worker)) for query in asked * rounds]
    for what, place in (("wall", 1), ("CPU", 2)):
        times = [float(row[place]) for row in taken]
        p50, p95, longest = (round(float(value), 2) for value in np.percentile(times, [50, 95, 100]))
        worst = max(taken, key=lambda row: row[place])[0]
        report.add(
            engine=engine, of=what, p50_ms=p50, p95_ms=p95, max_ms=longest, load_s=loaded, slowest=worst
        )
        report.at_most(f"{engine}, p95 of fifty queries among {MOVIES} movies, ms of {what}", p95, LONGEST_MS)


def _times(connection: Connection, query: str, worker: Callable[[], float]) -> tuple[float, float]:
    """Milliseconds that a search takes, and of CPU, with the server's: these count on a busy machine."""
    began, busy = time.perf_counter(), time.process_time() + worker()
    search(connection, query, limit=50)
    spent = time.process_time() + worker() - busy
    return 1e3 * (time.perf_counter() - began), 1e3 * spent


def _cpu_clock(connection: Connection) -> Callable[[], float]:
    """Tells the seconds of CPU that the server has spent on this connection (Linux; elsewhere 0)."""
    if connection.engine.name != "postgresql":
        return lambda: 0.0
    pid = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
    path = Path(f"/proc/{pid}/schedstat")
    return lambda: int(path.read_text().split()[0]) / 1e9 if path.exists() else 0.0


def main() -> int:
    parser = arguments(__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="ml-latest-small.zip, or its folder")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    report, server = Report("search"), PostgresServer()
    try:
        with tempfile.TemporaryDirectory() as name:
            for number, work in enumerate(("judge", "measure")):
                for engine in ("sqlite", "postgres"):
                    if work == "judge" and not options.data:
                        continue
                    note(f"{work}, {engine}")
                    url = server.url(server.create_database()) if engine == "postgres" else ""
                    folder = Path(name) / f"{engine}-{number}"
                    database = open_database(Settings(data_dir=folder, database_url=url), durable=False)
                    if work == "judge":
                        judge(report, engine, database, options.data)
                    else:
                        measure(report, engine, database, options.rounds)
                    database.close()
    finally:
        server.close()
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
