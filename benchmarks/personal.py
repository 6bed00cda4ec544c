"""How soon a person's export of 5,000 rows is imported against 90,000 movies, through a server on SQLite.

`uv run python -m benchmarks.personal --json FILE`: of each kind of file the median of three, from the last
byte sent to the end of the task, each with a person of its own; and the CPU of the server's processes.
"""

import csv
import io
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import psutil

from benchmarks.report import Report, arguments, note
from tests.server import Server

MOVIES, ROWS, ROUNDS, LONGEST_S = 90_000, 5_000, 3, 2.0
ABSENT = 0.04
"""Share of rows whose movie is not in the catalogue."""
ENDED = ("complete", "failed", "cancelled")


class Film(NamedTuple):
    number: int
    title: str
    year: int


def films(seed: int = 1) -> list[Film]:
    """Titles of mostly two to four words, with articles, subtitles, numerals and asides; of a century."""
    random = np.random.default_rng(seed)
    syllables = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]
    lengths = random.choice([1, 2, 3, 4], 40_000, p=[0.05, 0.45, 0.35, 0.15])
    vocabulary = ["".join(random.choice(syllables, n)) for n in lengths]

    def words(least: int, most: int) -> str:
        places = (len(vocabulary) * random.random(random.integers(least, most + 1)) ** 2).astype(int)
        return (
            " of the ".join(" ".join(vocabulary[p] for p in places).title().rsplit(" ", 1))
            if (len(places) > 2 and random.random() < 0.3)
            else " ".join(vocabulary[p] for p in places).title()
        )

    def title() -> str:
        text = words(1, 1) if random.random() < 0.12 else words(2, 4)
        text = f"The {text}" if random.random() < 0.25 else text
        shape = random.random()
        if shape < 0.08:
            return f"{text}: {words(2, 3)}"
        if shape < 0.14:
            return f"{text} {random.choice(['2', 'II', 'III', 'Part II', '3'])}"
        return f"{text} ({words(1, 3)}, {random.choice(['La', 'Il', 'Der'])})" if shape < 0.24 else text

    years = random.integers(1920, 2025, MOVIES)
    return [Film(number, title(), int(years[number - 1])) for number in range(1, MOVIES + 1)]


def table(header: str, rows: Iterator[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    written = csv.writer(text)
    written.writerow(header.split(","))
    written.writerows(rows)
    return text.getvalue().encode()


def written(film: Film, row: int) -> str:
    """The title as a person's service has it: some that no catalogue has, few with their asides."""
    return f"Unheard {film.title[:20]}" if row % round(1 / ABSENT) == 0 else film.title.partition(" (")[0]


def letterboxd(header: str) -> Callable[[list[Film]], bytes]:
    def file(some: list[Film]) -> bytes:
        more = {"Rating": 4, "Watched Date": "2022-02-01"}
        rows = (
            ["2022-02-03", written(film, row), film.year, f"https://boxd.it/{row}"]
            + [more.get(name, "") for name in header.split(",")[4:]]
            for row, film in enumerate(some)
        )
        return table(header, rows)

    return file


def imdb(header: str) -> Callable[[list[Film]], bytes]:
    def file(some: list[Film]) -> bytes:
        known = {"Your Rating": 8, "Date Rated": "2022-02-01", "Created": "2022-02-01", "Title Type": "Movie"}
        values = (
            known | {"Const": f"tt{_imdb(film):07}", "Title": written(film, row), "Year": film.year}
            for row, film in enumerate(some)
        )
        return table(header, ([one.get(name, "") for name in header.split(",")] for one in values))

    return file


def trakt(time_of: str, **more: Any) -> Callable[[list[Film]], bytes]:
    def file(some: list[Film]) -> bytes:
        return json.dumps(
            [
                {time_of: "2022-02-01T20:00:00.000Z", "type": "movie", **more}
                | {"movie": {"title": film.title, "year": film.year, "ids": {"imdb": f"tt{_imdb(film):07}"}}}
                for film in some
            ]
        ).encode()

    return file


def _imdb(film: Film) -> int:
    return 1_000_000 + film.number


_LISTED = "Date,Name,Year,Letterboxd URI"
_CONST = "Const,Created,Title,Title Type,Year"
KINDS = {
    "ratings.csv": letterboxd(f"{_LISTED},Rating"),
    "diary.csv": letterboxd(f"{_LISTED},Rating,Rewatch,Tags,Watched Date"),
    "watched.csv": letterboxd(_LISTED),
    "watchlist.csv": letterboxd(_LISTED),
    "films.csv": letterboxd(_LISTED),
    "imdb ratings.csv": imdb("Const,Your Rating,Date Rated,Title,Title Type,Year"),
    "imdb watchlist.csv": imdb(f"Position,{_CONST}"),
    "ratings-movies.json": trakt("rated_at", rating=8),
    "watched-history.json": trakt("watched_at"),
    "lists-watchlist.json": trakt("listed_at"),
}


def load(client: httpx.Client, catalogue: list[Film]) -> None:
    movies = table("id,title,year,genre", ((*film, "Drama") for film in catalogue))
    links = table(
        "movieId,imdbId,tmdbId", ((film.number, _imdb(film), 5_000_000 + film.number) for film in catalogue)
    )
    for name, content in (("movies.csv", movies), ("links.csv", links)):
        ended, _ = imported(client, name, content)
        if ended["status"] != "complete":
            raise SystemExit(f"{name}: {ended['error']}")


def imported(client: httpx.Client, name: str, content: bytes, **query: Any) -> tuple[dict[str, Any], float]:
    """The task of an import at its end, and the seconds since its last byte was sent."""
    sent = 0.0

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield content
        sent = time.perf_counter()

    headers = {"X-Filename": name, "Content-Length": str(len(content))}
    answer = client.post("/imports", params=query, content=body(), headers=headers, timeout=120)
    answer.raise_for_status()
    task_id = answer.json()["task_id"]
    while (task := client.get(f"/tasks/{task_id}").json())["status"] not in ENDED:
        time.sleep(0.02)
    return task, time.perf_counter() - sent


def cpu(server: Server) -> float:
    """Seconds of CPU of the server and its worker so far."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def measure(report: Report, server: Server, catalogue: list[Film], rounds: int) -> None:
    random, user = np.random.default_rng(2), 100
    for kind, file in KINDS.items():
        taken, spent, figures = list[float](), list[float](), dict[str, Any]()
        for _ in range(rounds):
            some = [catalogue[place] for place in random.choice(MOVIES, ROWS, replace=False)]
            user, before = user + 1, cpu(server)
            task, seconds = imported(server.client, kind.rpartition(" ")[2], file(some), user_id=user)
            if task["status"] != "complete":
                raise SystemExit(f"{kind}: {task['error']}")
            taken.append(seconds)
            spent.append(cpu(server) - before)
            figures = task["result"]
        shown = {name: figures[name] for name in ("read", "new", "marks", "waiting", "rejected")}
        median = statistics.median(taken)
        report.add(kind=kind, seconds=round(median, 3), cpu=round(statistics.median(spent), 3), **shown)
        report.at_most(f"{kind}, seconds from the last byte to the end", median, LONGEST_S)
        note(f"{kind}: {median:.2f} s, {statistics.median(spent):.2f} of CPU")


def main() -> int:
    parser = arguments(__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    report, catalogue = Report("personal"), films()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data").start().ready()
        try:
            note("the catalogue is imported")
            load(server.client, catalogue)
            measure(report, server, catalogue, options.rounds)
        finally:
            server.close()
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
