"""The first ten of people whose taste is known, on a MovieLens folder that the user brings.

Each profile comes with films that have nothing to do with it, which must not be in its list: a list of what
is popular would have most of them. Titles are written as "Alien 1979"; those that the folder lacks are left
out.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from app.recommender.model import Model
from app.recommender.ranking import POPULARITY, rank
from benchmarks.movielens import movielens, titles_of, trained
from benchmarks.report import Report, arguments, note

SHOWN = 10
BLOCKBUSTERS = """Fight Club 1999; Inception 2010; Lord of the Rings: The Fellowship of the Ring, The
2001; Lord of the Rings: The Two Towers, The 2002; Lord of the Rings: The Return of the King, The 2003;
Shrek 2001; Forrest Gump 1994; Matrix, The 1999; Independence Day 1996; Dark Knight, The 2008; Shawshank
Redemption, The 1994; Jurassic Park 1993"""
ART_HOUSE = """Seventh Seal, The 1957; Solaris 1972; Stalker 1979; Persona 1966; 8 1/2 1963; Rashomon
1950; 400 Blows, The 1959; Wings of Desire 1987; In the Mood For Love 2000; Three Colors: Blue 1993;
Bicycle Thieves 1948; Aguirre: The Wrath of God 1972; Breathless 1960"""
MORE_ART_HOUSE = """Three Colors: White 1994; Three Colors: Red 1994; Ran 1985; M 1931; Metropolis 1927;
Ikiru 1952; Strada, La 1954; Dolce Vita, La 1960; Jules and Jim 1961; Conformist, The 1970; Yi Yi 2000;
Blow-Up 1966; Discreet Charm of the Bourgeoisie, The 1972; Passion of Joan of Arc, The 1928; Battle of
Algiers, The 1966; Chungking Express 1994; Alphaville 1965; Paris, Texas 1984; Fitzcarraldo 1982; Wild
Strawberries 1957; Tokyo Story 1953; Double Life of Veronique, The 1991; Taste of Cherry 1997; Mirror,
The 1975; Rules of the Game, The 1939; Mon Oncle 1958; Diary of a Country Priest 1951; Play Time 1967;
Grand Illusion 1937; Breaking the Waves 1996; Celebration, The 1998; Farewell My Concubine 1993; Raise
the Red Lantern 1991"""


class Taste(NamedTuple):
    """Films that a person scored `score`, and films that must not be in their list."""

    name: str
    films: str
    never: str
    score: float = 4.5


TASTES = [
    Taste(
        "science fiction",
        """Alien 1979; Blade Runner 1982; 2001: A Space Odyssey 1968; Terminator, The 1984; Twelve
        Monkeys 1995; Fifth Element, The 1997; Star Trek: First Contact 1996; Minority Report 2002""",
        """Lion King, The 1994; Aladdin 1992; Pretty Woman 1990; Titanic 1997; Sleepless in Seattle
        1993; Schindler's List 1993; Forrest Gump 1994; Shrek 2001""",
    ),
    Taste(
        "horror",
        """Shining, The 1980; Exorcist, The 1973; Scream 1996; Blair Witch Project, The 1999; Ring, The
        2002; 28 Days Later 2002; Poltergeist 1982; Thing, The 1982""",
        """Lion King, The 1994; Aladdin 1992; Pretty Woman 1990; Titanic 1997; Toy Story 1995; Shrek
        2001; Forrest Gump 1994; Sleepless in Seattle 1993""",
    ),
    Taste(
        "children",
        """Aladdin 1992; Lion King, The 1994; Finding Nemo 2003; Monsters, Inc. 2001; Beauty and the
        Beast 1991; Babe 1995; Ice Age 2002; Mary Poppins 1964""",
        """Pulp Fiction 1994; Fight Club 1999; Silence of the Lambs, The 1991; Seven 1995; Shining, The
        1980; Alien 1979; Reservoir Dogs 1992; Terminator, The 1984""",
    ),
    Taste("art house, 13 films", ART_HOUSE, BLOCKBUSTERS),
    Taste("art house, 46 films", f"{ART_HOUSE}; {MORE_ART_HOUSE}", BLOCKBUSTERS),
    Taste(
        "one film",
        "Spirited Away 2001",
        """Independence Day 1996; Home Alone 1990; Speed 1994; True Lies 1994; Pretty Woman 1990;
        Batman 1989; Dances with Wolves 1990; Mission: Impossible 1996""",
    ),
    Taste(
        "only dislikes",
        """Star Wars: Episode IV - A New Hope 1977; Matrix, The 1999;
        Lord of the Rings: The Two Towers, The 2002""",
        """Star Wars: Episode V - The Empire Strikes Back 1980; Star Wars: Episode VI - Return of the Jedi
        1983; Lord of the Rings: The Fellowship of the Ring, The 2001; Lord of the Rings: The Return of the
        King, The 2003; Matrix Reloaded, The 2003; Raiders of the Lost Ark 1981""",
        score=1.0,
    ),
]


def found_in(titles: dict[str, int], films: str) -> list[int]:
    """The ids of the films, those that there are."""
    return [movie for film in films.split(";") if (movie := _found(titles, " ".join(film.split())))]


def _found(titles: dict[str, int], film: str) -> int | None:
    name, year = film.rsplit(" ", 1)
    for title, movie in titles.items():
        if title.startswith(f"{name} (") and title.endswith(f"({year})"):
            return movie
    return None


def first(model: Model, movies: Iterable[int], score: float, popularity: float) -> tuple[list[int], str]:
    rated = sorted(movies)
    scores = [score] * len(rated)
    options: dict[str, Any] = {"limit": SHOWN, "fill_rated": False, "popularity": popularity}
    found = rank(model, rated, scores, np.zeros(len(rated)), **options)
    return found.movie_ids.tolist(), found.source


def compare(report: Report, folder: Path, popularities: list[float]) -> None:
    titles = titles_of(folder)
    names = {movie: title for title, movie in titles.items()}
    interactions = movielens(folder)
    model, factors = trained(interactions)
    for popularity in popularities:
        for taste in TASTES:
            films, never = found_in(titles, taste.films), set(found_in(titles, taste.never))
            listed, source = first(model, films, taste.score, popularity)
            alone, _ = first(factors, films, taste.score, popularity)
            wrong, known = never.intersection(listed), model.counts[model.rows(listed)]
            told = "; ".join(names[movie] for movie in listed)
            note(f"{taste.name} ({len(films)} films, popularity {popularity:g}): {told}")
            report.add(
                taste=taste.name, popularity=popularity, films=len(films), source=source,
                wrong=len(wrong), of=len(never), factors_alone=len(never.intersection(alone)),
                median_ratings=int(np.median(known)), first_ten=told,
            )  # fmt: skip
            if popularity == POPULARITY:
                report.at_most(f"{taste.name}: films that must not be there", len(wrong), 0)


def main() -> int:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a MovieLens folder with movies.csv")
    parser.add_argument(
        "--popularity", type=float, nargs="+", default=[POPULARITY], help="0 to 1; the default has the bars"
    )
    options = parser.parse_args()
    report = Report("tastes")
    compare(report, options.data, options.popularity)
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
