"""The files of `benchmarks.cluster`: movies of some tastes, and people who score them by theirs."""

from pathlib import Path

import numpy as np

FIRST_MOVIE, MOVIES, TASTES, USERS = 500_001, 3_000, 12, 20_000
"""So many movies that a new model is announced before it is served."""
FIRST_FILMS = list(range(FIRST_MOVIE, FIRST_MOVIE + 60))
"""Those with the most ratings."""


def write_movies(path: Path) -> Path:
    lines = (f"{FIRST_MOVIE + n},Film {n},{1950 + n % 70},Taste {n % TASTES}\n" for n in range(MOVIES))
    path.write_text("id,title,year,genre\n" + "".join(lines))
    return path


def write_ratings(path: Path, rows: int, seed: int) -> Path:
    """Ratings in no order, some of them twice or of pairs of other files, one in two hundred bad."""
    choose = np.random.default_rng(seed)
    users = choose.integers(1, USERS, rows)
    places = (MOVIES // TASTES * choose.random(rows) ** 3).astype(int)  # few movies have many ratings
    liked = choose.random(rows) < 0.8
    tastes = np.where(liked, users % TASTES, choose.integers(0, TASTES, rows))
    films = FIRST_MOVIE + places * TASTES + tastes
    steps = np.where(liked, choose.integers(7, 11, rows), choose.integers(1, 8, rows))
    scores = np.where(choose.random(rows) < 0.005, 18, steps) / 2
    times = choose.integers(10**9, 10**9 + 10**6, rows)
    columns = (users.tolist(), films.tolist(), scores.tolist(), times.tolist())
    with path.open("w") as file:
        file.write("user_id,movie_id,score,rated_at\n")
        file.writelines(map("%d,%d,%g,%d\n".__mod__, zip(*columns, strict=True)))
    return path
