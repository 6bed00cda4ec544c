"""Finding the film that a row means, by ids and by titles: never a wrong one."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.imports import known_titles
from app.imports.known_titles import KnownTitles
from app.imports.matching import MOST_CANDIDATES, Matcher
from app.imports.name_index import NameIndex
from app.imports.names import Form, exact_names, names, title_key
from app.imports.works import Candidate, Claims, Work
from app.movie import LONGEST_TITLE, search_key
from app.repository import movies
from app.storage import Database
from app.titles import split_title

PIECES = (
    "The", "Man", "of", "(", ")", ":", "-", "/", ", The", ", La", "a.k.a.", "II", "5", "Part", "Él", "Ö",
    "Disney's",
    "An", "Other", "or:", "L'", "Spider-Man", "E.T.", "&", "Colour", "Die",
)  # fmt: skip
TITLES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map(" ".join)
OTHERS = [(number, f"Other {number}", 1990) for number in range(100, 900)]
FILMS = st.dictionaries(st.integers(1, 40), st.sampled_from(("Heat", "The Heat", "Dune", "Élan")))
TABLE = Path(__file__).with_name("titles.txt")


def pairs() -> tuple[list[tuple[int, str, int | None]], list[tuple[str, int | None, int | None]]]:
    """The films of the table, and the names asked for: (name, year, film or None)."""
    films, asked, numbers = [], [], count(1)
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        title, *names = line.split("=")
        film, year = next(numbers), None
        if title.strip():
            text, year = split_title(title)
            films.append((film, text, year))
        for name in names:
            text, _, given_year = name.strip().partition(" @")
            wanted = year if not given_year else None if given_year == "-" else int(given_year)
            asked.append((text, wanted, film if title.strip() else None))
    return films, asked


def test_no_name_of_the_table_finds_a_wrong_film_and_nearly_all_find_theirs() -> None:
    films, asked = pairs()
    matcher = Matcher(films, {})
    found = [(name, year, film, matcher.find(name, year)) for name, year, film in asked]
    wrong = [one for one in found if one[3] is not None and one[3] != one[2]]
    there = [one for one in found if one[2] is not None]
    missed = [one[:3] for one in there if one[3] is None]
    assert len(asked) >= 300
    assert not wrong
    assert len(missed) <= len(there) * 0.05, missed


@settings(max_examples=40)
@example("¡", "")
@given(
    st.text(min_size=1, max_size=60).filter(lambda text: title_key(text) != ""),
    st.text(max_size=LONGEST_TITLE + 100),
)
def test_a_film_is_found_by_its_own_title_whatever_that_is(title: str, other: str) -> None:
    matcher = Matcher([(1, title, 2000)], {})
    assert matcher.find(title, 2000) == 1
    assert matcher.find(title, 2001) == 1
    assert matcher.find(title, 2005) is None
    assert len(matcher.match(Work((other,), 2000)).candidates) <= MOST_CANDIDATES


def test_hostile_titles_cost_no_more_than_others() -> None:
    hostile = ["(" * 10_000, " (x)" * 2_500, ", The" * 2_000, ": " * 5_000, "a.k.a. " * 1_500, "II " * 3_000]
    matcher = Matcher([(n, title, 2000) for n, title in enumerate(hostile)], {})
    for n, title in enumerate(hostile):
        assert matcher.match(Work((title,), 2000)).movie_id in (n, None)


def test_without_a_year_a_title_to_the_letter_is_nearer_than_one_with_an_article() -> None:
    matcher = Matcher([(1, "Fall", 1997), (2, "The Fall", 2006), (3, "Nine", 2009), (4, "9", 2009)], {})
    assert [matcher.find(title, None) for title in ("Fall", "The Fall", "Nine")] == [1, 2, None]
    assert matcher.find("Fall", 2012) is None
    undated = Matcher([(1, "Fall", None), (2, "The Fall", 2006)], {})
    assert undated.find("Fall", 1999) is None


def test_ids_come_before_titles() -> None:
    matcher = Matcher([(1, "Heat", 1995), (2, "Dune", 2021)], {113277: 1}, {438631: 2})
    assert matcher.find("Dune", 2021, imdb_id=113277) == 1
    assert matcher.find("Anything", None, tmdb_id=438631) == 2
    both = matcher.match(Work(("Heat",), 1995, imdb_id=113277, tmdb_id=438631))
    assert both.movie_id is None
    assert [one.movie_id for one in both.candidates] == [1, 2]


def test_what_is_no_film_is_found_by_its_id_alone() -> None:
    matcher = Matcher([(1, "Toy Story", 1995)], {114709: 1})
    game = matcher.match(Work(("Toy Story",), 1995, imdb_id=205214, other="a video game"))
    assert (game.movie_id, game.why, game.candidates) == (None, "It is a video game, not a movie.", ())
    assert matcher.match(Work(("x",), 1995, imdb_id=114709, other="a series")).movie_id == 1


def test_a_film_that_has_another_id_is_another_work() -> None:
    matcher = Matcher([(1, "Heat", 1995), (2, "Heat", 1986)], {113277: 1}, {949: 1})
    for other in (Work(("Heat",), 1995, imdb_id=7), Work(("Heat",), 1995, tmdb_id=7)):
        match = matcher.match(other)
        assert match.movie_id is None
        assert match.candidates[0] == Candidate(1, "the same title, but another id and year")
    assert matcher.find("Heat", 1986, imdb_id=7) == 2  # its own id is not known


def test_original_titles_count_as_titles() -> None:
    matcher = Matcher([(1, "Downfall", 2004)], {})
    assert matcher.match(Work(("Der Untergang", "Downfall"), 2004)).movie_id == 1


def test_candidates_are_the_nearest_best_first() -> None:
    films = [
        (1, "Dune", 1984),
        (2, "Dune", 2021),
        (3, "Dune: Part Two", 2024),
        (4, "The Last Days of a Star", 1999),
    ]
    match = Matcher(films, {}).match(Work(("Dune",), 2005))
    assert match.movie_id is None
    assert match.candidates == (
        Candidate(2, "the same title, of 2021"),
        Candidate(1, "the same title, of 1984"),
        Candidate(3, "a similar title"),
    )
    similar = Matcher(films, {}).match(Work(("The Last Day of Stars",), 1999))
    assert similar.candidates == (Candidate(4, "a similar title"),)


def test_a_movie_is_claimed_by_the_first_work_that_it_is_matched_with() -> None:
    claims = Claims()
    assert not claims.is_taken(1, Work(("Heat",), 1995))
    assert not claims.is_taken(1, Work(("HEAT",), 1995))
    assert claims.is_taken(1, Work(("Heat",), 1996))
    assert claims.is_taken(1, Work(("Heat",), 1995, imdb_id=113277))


def test_a_film_is_looked_up_by_each_of_its_names() -> None:
    """So that the names of those alone are worked out that may have the one that is asked for."""
    films, _ = pairs()
    titles = [
        *(title for _, title, _ in films),
        *(
            "Walt Disney's Up: The Movie",
            "Beauty and the Beast: Part of Your World",
            "E.T. (a.k.a. The Extra)",
        ),
        *(
            "Avventura, L' (Adventure, The)",
            "Rocky V: The Fight",
            "Über: Ein Fall",
            "$",
            "$ (Dollars)",
            ") a.k.a.",
            "a.k.a. )",
            "( ( The )",
            "Money aka ( (The)",
            "Matrix, The aka Reloaded",
            "Money a.k.a. $",
            "Part 21: An Other",
        ),
    ]
    index = NameIndex((title, search_key(title)) for title in titles)
    for place, title in enumerate(titles):
        assert not [name for name in names(title) if place not in index.having(name)], title


@settings(max_examples=60)
@given(st.lists(TITLES, max_size=4))
def test_no_punctuation_hides_a_name_of_a_film(titles: list[str]) -> None:
    index = NameIndex((title, search_key(title)) for title in titles)
    for place, title in enumerate(titles):
        assert not [name for name in names(title) if place not in index.having(name)], title


@given(TITLES)
@example("- ( )")
def test_exact_names_are_those_of_the_nearest_form(title: str) -> None:
    assert exact_names(title) == {name for name, form in names(title).items() if form == Form.TITLE}


@settings(max_examples=40)
@given(FILMS, FILMS)
def test_titles_that_have_changed_are_found_as_if_all_were_read_anew(
    before: dict[int, str], after: dict[int, str]
) -> None:
    def rows(films: dict[int, str]) -> list[tuple[int, str, int]]:
        return [*((number, title, 1995) for number, title in films.items()), *OTHERS]

    changed, anew = KnownTitles(rows(before)).changed_to(rows(after)), KnownTitles(rows(after))
    assert changed.titles == anew.titles
    for name in ("heat", "theheat", "dune", "elan", "other7"):
        assert sorted(changed.having(name)) == sorted(anew.having(name))
        assert sorted(changed.saying(name, at_most=900)) == sorted(anew.saying(name, at_most=900))


def test_titles_are_indexed_again_when_the_catalogue_has_changed_and_only_then(database: Database) -> None:
    with database.write() as connection:
        movie = movies.create(connection, "Quartz Alley", 1995, None, now=1).id
        first = known_titles.held(connection)
    with database.write() as connection:
        assert known_titles.held(connection) is first
        movies.replace(connection, movie, "Onyx Alley", 1984, None)
        assert known_titles.held(connection).titles.having("quartzalley") == []
        assert known_titles.held(connection).titles.having("onyxalley") == [movie]


def test_of_works_with_known_ids_no_title_is_read() -> None:
    def never() -> Iterator[tuple[int, str, int]]:
        raise AssertionError("titles were read")
        yield 1, "", 1

    matcher = Matcher(never(), {113277: 1}, {949: 2})
    assert matcher.find("Heat", 1995, imdb_id=113277) == 1
    assert matcher.find("Heat", 1995, imdb_id=7, tmdb_id=949) == 2
