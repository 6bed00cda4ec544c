"""Why a movie is recommended, and why not: the parts add up, and the place is that in the list."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from app.api.explanations import ExplanationAnswer
from app.rating import Profile
from app.recommender.ranking import worth
from app.sample import FIRST_USER
from app.serving.explanation import explain
from app.serving.recommendations import Filters
from app.serving.taste import Taste
from benchmarks.sample import TASTES

FILMS = sorted({film for films in TASTES.values() for film in films})
SCORES = st.integers(1, 10).map(lambda step: step / 2)
PROFILES = st.dictionaries(st.sampled_from(FILMS), SCORES, min_size=1, max_size=20)
FILTERS = st.sampled_from(
    [
        Filters(),
        Filters("Drama"),
        Filters(year_from=1990),
        Filters(year_to=1989, exclude=tuple(FILMS[:9])),
        Filters(decades=(1970, 1990), among=frozenset(FILMS[5:]), min_ratings=30),
    ]
)


@given(
    profile=PROFILES, filters=FILTERS, limit=st.integers(1, 25), popularity=st.sampled_from([0.0, 0.5, 0.8])
)
@examples(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_contributions_add_up_and_the_place_is_that_in_the_list(
    built: TestClient, profile: Mapping[int, float], filters: Filters, limit: int, popularity: float
) -> None:
    service = built.app.state.service  # type: ignore[attr-defined]
    films = sorted(profile)
    scores = np.array([profile[film] for film in films], np.float64)
    rated = Profile(7, np.array(films, np.int64), scores, np.ones(len(films), np.int64))
    with service.database.read() as connection:
        serving = service.model.serve(connection)
        listed, source = serving.rich(rated, 1000, filters, popularity=popularity)
        places = {one.movie.id: (place, one.preference) for place, one in enumerate(listed, 1)}
        for film in FILMS[::4]:
            found = explain(serving, Taste(rated), film, filters, limit, popularity)
            assert found.source == source
            assert bool(found.excluded) == (film not in places)
            assert ("rated" in {one.reason for one in found.excluded}) == (film in profile)
            if found.preference is None:
                assert source == "popular"
                continue
            parts = [one.contribution for one in found.because]
            assert sum(parts) + found.rest_contribution == pytest.approx(found.preference, abs=1e-5)
            assert (len(parts), found.rest) == (min(limit, len(rated)), max(0, len(rated) - limit))
            assert parts == sorted(parts, reverse=True)
            if film in places:
                assert (found.rank, found.preference) == places[film]
                assert found.listed == len(listed)
            elif listed and source == "personal":
                assert serving.model is not None
                columns = ([r.movie_id for r in rated], [r.score for r in rated])
                worths = worth(serving.model, serving.model.preferences(*columns), popularity)
                own, *others = worths[serving.model.rows([film, *places])].tolist()
                better = sum(other > own + 1e-6 for other in others)
                worse = sum(other < own - 1e-6 for other in others)
                assert found.rank is not None
                assert better < found.rank <= len(listed) - worse + 1


def explained(client: TestClient, user: int, movie: int, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/users/{user}/movies/{movie}/explanation{query}")
    assert answer.status_code == 200, answer.text
    ExplanationAnswer.model_validate_json(answer.content, extra="forbid")
    found: dict[str, Any] = answer.json()
    return found


def test_it_says_everything_that_keeps_a_movie_out(built: TestClient) -> None:
    (first,) = built.get(f"/users/{FIRST_USER}/recommendations?limit=1").json()["recommendations"]
    movie = first["movie"]
    found = explained(built, FIRST_USER, movie["id"])
    assert (found["rank"], found["preference"], found["movie"]) == (1, first["preference"], movie)
    assert (found["source"], found["model_version"], found["excluded_by"]) == ("personal", 1, [])
    assert set(map(str, first["because"])) <= set(map(str, found["because"]))
    query = f"?genre=Western&year_from={movie['year'] + 1}&exclude={movie['id']}&limit=2"
    built.post("/ratings", json={"movie_id": movie["id"], "user_id": FIRST_USER, "score": 4.5})
    found = explained(built, FIRST_USER, movie["id"], query)
    assert [one["reason"] for one in found["excluded_by"]] == ["rated", "excluded", "genre", "year"]
    assert "4.5" in found["excluded_by"][0]["detail"]
    assert len(found["because"]) == 2
    assert found["rest"]["ratings"] > 2
    decade = movie["year"] // 10 * 10 + 10
    query = f"?among=1&min_ratings={movie['rating_count'] + 2}&decade={decade}"
    found = explained(built, FIRST_USER, movie["id"], query)
    reasons = [one["reason"] for one in found["excluded_by"]]
    assert reasons == ["rated", "among", "min_ratings", "decade"]


def test_what_the_model_does_not_know_has_no_place(built: TestClient) -> None:
    new = built.post("/movies", json={"title": "Never seen"}).json()["id"]
    found = explained(built, FIRST_USER, new)
    assert [one["reason"] for one in found["excluded_by"]] == ["not_in_model"]
    assert (found["rank"], found["preference"], found["because"]) == (None, None, [])
    found = explained(built, 424_242, 2571)
    assert (found["source"], found["rank"], found["excluded_by"]) == ("popular", None, [])
    assert built.get(f"/users/{FIRST_USER}/movies/424242/explanation").status_code == 404
