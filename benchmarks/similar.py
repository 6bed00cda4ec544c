"""Similar movies: how often a movie that belongs to another is among those shown beside it.

Fifty pairs (parts of one story, or of one maker and kind), each looked for from both sides, in a MovieLens
folder that the user brings. Beside the way that is served: the cosine of the factors alone.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from app.recommender.model import Model
from benchmarks.quality import movielens, trained
from benchmarks.report import Report, arguments, note

SHOWN = 10
PAIRS = [
    ("Toy Story (1995)", "Toy Story 2 (1999)"),
    ("Toy Story 2 (1999)", "Toy Story 3 (2010)"),
    ("Godfather, The (1972)", "Godfather: Part II, The (1974)"),
    ("Matrix, The (1999)", "Matrix Reloaded, The (2003)"),
    ("Matrix Reloaded, The (2003)", "Matrix Revolutions, The (2003)"),
    ("Alien (1979)", "Aliens (1986)"),
    ("Terminator, The (1984)", "Terminator 2: Judgment Day (1991)"),
    ("Back to the Future (1985)", "Back to the Future Part II (1989)"),
    ("Back to the Future Part II (1989)", "Back to the Future Part III (1990)"),
    ("Star Wars: Episode IV - A New Hope (1977)", "Star Wars: Episode V - The Empire Strikes Back (1980)"),
    (
        "Star Wars: Episode I - The Phantom Menace (1999)",
        "Star Wars: Episode II - Attack of the Clones (2002)",
    ),
    (
        "Lord of the Rings: The Fellowship of the Ring, The (2001)",
        "Lord of the Rings: The Two Towers, The (2002)",
    ),
    (
        "Harry Potter and the Sorcerer's Stone (a.k.a. Harry Potter and the Philosopher's Stone) (2001)",
        "Harry Potter and the Chamber of Secrets (2002)",
    ),
    ("Shrek (2001)", "Shrek 2 (2004)"),
    ("Kill Bill: Vol. 1 (2003)", "Kill Bill: Vol. 2 (2004)"),
    (
        "Raiders of the Lost Ark (Indiana Jones and the Raiders of the Lost Ark) (1981)",
        "Indiana Jones and the Last Crusade (1989)",
    ),
    ("Die Hard (1988)", "Die Hard 2 (1990)"),
    ("Lethal Weapon (1987)", "Lethal Weapon 2 (1989)"),
    ("Batman Begins (2005)", "Dark Knight, The (2008)"),
    ("Batman (1989)", "Batman Returns (1992)"),
    ("Spider-Man (2002)", "Spider-Man 2 (2004)"),
    ("X-Men (2000)", "X2: X-Men United (2003)"),
    ("Iron Man (2008)", "Iron Man 2 (2010)"),
    ("Bourne Identity, The (2002)", "Bourne Supremacy, The (2004)"),
    ("Before Sunrise (1995)", "Before Sunset (2004)"),
    ("Scream (1996)", "Scream 2 (1997)"),
    ("Ocean's Eleven (2001)", "Ocean's Twelve (2004)"),
    (
        "Pirates of the Caribbean: The Curse of the Black Pearl (2003)",
        "Pirates of the Caribbean: Dead Man's Chest (2006)",
    ),
    ("Hobbit: An Unexpected Journey, The (2012)", "Hobbit: The Desolation of Smaug, The (2013)"),
    ("Jurassic Park (1993)", "Lost World: Jurassic Park, The (1997)"),
    ("Home Alone (1990)", "Home Alone 2: Lost in New York (1992)"),
    ("Ace Ventura: Pet Detective (1994)", "Ace Ventura: When Nature Calls (1995)"),
    ("Austin Powers: International Man of Mystery (1997)", "Austin Powers: The Spy Who Shagged Me (1999)"),
    ("Men in Black (a.k.a. MIB) (1997)", "Men in Black II (a.k.a. MIIB) (a.k.a. MIB 2) (2002)"),
    ("Ghostbusters (a.k.a. Ghost Busters) (1984)", "Ghostbusters II (1989)"),
    (
        "Naked Gun: From the Files of Police Squad!, The (1988)",
        "Naked Gun 2 1/2: The Smell of Fear, The (1991)",
    ),
    ("Clerks (1994)", "Mallrats (1995)"),
    ("Evil Dead, The (1981)", "Evil Dead II (Dead by Dawn) (1987)"),
    ("Rocky (1976)", "Rocky II (1979)"),
    ("Halloween (1978)", "Nightmare on Elm Street, A (1984)"),
    ("Mission: Impossible (1996)", "Mission: Impossible II (2000)"),
    ("Spirited Away (Sen to Chihiro no kamikakushi) (2001)", "My Neighbor Totoro (Tonari no Totoro) (1988)"),
    ("Princess Mononoke (Mononoke-hime) (1997)", "Spirited Away (Sen to Chihiro no kamikakushi) (2001)"),
    ("Finding Nemo (2003)", "Monsters, Inc. (2001)"),
    ("Beauty and the Beast (1991)", "Little Mermaid, The (1989)"),
    ("Star Trek: First Contact (1996)", "Star Trek: Insurrection (1998)"),
    ("Fast and the Furious, The (2001)", "2 Fast 2 Furious (Fast and the Furious 2, The) (2003)"),
    ("28 Days Later (2002)", "Shaun of the Dead (2004)"),
    ("Shaun of the Dead (2004)", "Hot Fuzz (2007)"),
    ("Airplane! (1980)", "Naked Gun: From the Files of Police Squad!, The (1988)"),
]


def titles_of(folder: Path) -> dict[str, int]:
    """Movie ids by title, as movies.csv writes it."""
    with (folder / "movies.csv").open(encoding="utf-8", newline="") as file:
        return {row["title"].strip(): int(row["movieId"]) for row in csv.DictReader(file)}


def places(model: Model, pairs: list[tuple[int, int]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The place of the second movie among those similar to the first, from 1; infinite if it is not there."""
    found = []
    for movie, other in pairs:
        place = np.flatnonzero(model.similar(movie, len(model.movie_ids))[0] == other)
        found.append(1.0 + place[0] if len(place) else np.inf)
    return np.array(found)


def compare(report: Report, folder: Path) -> None:
    ids = titles_of(folder)
    pairs = [(ids[a], ids[b]) for a, b in PAIRS if a in ids and b in ids]
    note(f"{len(pairs)} of {len(PAIRS)} pairs are in {folder}")
    pairs += [(b, a) for a, b in pairs]
    model, factors = trained(movielens(folder))
    first: dict[str, float] = {}
    for name, each in (("factors alone", factors), ("served", model)):
        found = places(each, pairs)
        first[name] = float((found <= SHOWN).mean())
        report.add(
            by=name, first_3=float((found <= 3).mean()), first_10=first[name],
            mean_reciprocal=float((1 / found).mean()), median=float(np.median(found)),
        )  # fmt: skip
    gained = first["served"] - first["factors alone"]
    report.at_least("in the first ten, over the factors alone", gained, 0)


def main() -> int:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a MovieLens folder with movies.csv")
    options = parser.parse_args()
    report = Report("similar")
    compare(report, options.data)
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
