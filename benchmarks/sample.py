"""Make the ratings of the bundled sample: `python -m benchmarks.sample` writes them.

Every user has one taste out of five and rates most movies of that taste and some of the others, better
or worse by the taste. The seed is fixed: the file is the same wherever it is made.
"""

import random
from collections.abc import Iterator

from app.sample import FIRST_USER, RATINGS

SEED = 9
USERS = 200
TASTES = {
    "science fiction": (32, 260, 480, 541, 589, 924, 1097, 1196, 1200, 1214, 1240, 1270, 2571),
    "family": (1, 2, 34, 364, 551, 588, 595, 919, 1073, 3114, 4306, 4886, 6377),
    "crime": (6, 47, 50, 111, 296, 593, 608, 858, 1089, 1213, 1221, 2959),
    "romance and comedy": (39, 357, 539, 597, 1197, 1265, 1721, 1968, 2396, 2918, 4973),
    "drama and war": (110, 318, 356, 527, 750, 912, 1193, 1208, 1222, 1704, 2028),
}
FIRST_TIME, LAST_TIME = 1_000_000_000, 1_100_000_000
"""September 2001 to November 2004, in epoch seconds: older than anything that is rated from now on."""


def rows() -> Iterator[tuple[int, int, float, int]]:
    """(user id, movie id, score, epoch seconds) by user."""
    choose = random.Random(SEED)
    tastes = list(TASTES)
    for number in range(USERS):
        own = tastes[number % len(tastes)]
        at = choose.randrange(FIRST_TIME, LAST_TIME)
        for taste, movies in TASTES.items():
            for movie_id in movies:
                if choose.random() < (0.5 if taste == own else 0.12):
                    at += choose.randrange(20, 2_000)
                    yield FIRST_USER + number, movie_id, _score(choose, taste == own), at


def _score(choose: random.Random, own: bool) -> float:
    score = choose.gauss(4.2 if own else 2.8, 0.7)
    return min(5.0, max(0.5, round(score * 2) / 2))


def main() -> None:
    with RATINGS.open("w", encoding="utf-8", newline="\n") as file:
        file.write("user_id,movie_id,score,rated_at\n")
        file.writelines(f"{user},{movie},{score},{at}\n" for user, movie, score, at in rows())


if __name__ == "__main__":
    main()
