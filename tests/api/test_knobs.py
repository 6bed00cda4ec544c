"""The knobs of recommendations: popularity, diversity, the filters, in query and body alike."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.sample import FIRST_USER
from app.tasks.worker import run_next

PATH = f"/users/{FIRST_USER}/recommendations"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The application with the sample imported and a model built. No test changes anything."""
    app = create_app(Settings(data_dir=tmp_path_factory.mktemp("built"), embedded_worker=False))
    client = TestClient(app, raise_server_exceptions=False)
    client.post("/imports")
    client.post("/recommender/rebuild")
    while run_next(app.state.service.database, app.state.service.settings):
        pass
    yield client
    app.state.service.close()


def listed(client: TestClient, path: str = PATH, **knobs: Any) -> list[dict[str, Any]]:
    answer = client.get(path, params={"limit": 1000} | knobs)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["recommendations"]
    return rows


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["movie"]["id"] for row in rows]


@pytest.mark.parametrize("user", [FIRST_USER, 424_242])
def test_decades_are_any_of_them_within_the_years(built: TestClient, user: int) -> None:
    path = f"/users/{user}/recommendations"
    every = {row["movie"]["id"]: row["movie"]["year"] for row in listed(built, path)}
    found = ids(listed(built, path, decade=[1970, 1990], year_from=1975))
    wanted = [i for i, year in every.items() if year and (1975 <= year <= 1979 or 1990 <= year <= 1999)]
    assert sorted(found) == sorted(wanted)
    assert found


@pytest.mark.parametrize("user", [FIRST_USER, 424_242])
def test_among_and_min_ratings(built: TestClient, user: int) -> None:
    path = f"/users/{user}/recommendations"
    rows = listed(built, path)
    some = ids(rows)[3:7]
    assert ids(listed(built, path, among=[*some, 10**12])) == some
    least = rows[len(rows) // 2]["movie"]["rating_count"]
    known = listed(built, path, min_ratings=least)
    assert ids(known) == [row["movie"]["id"] for row in rows if row["movie"]["rating_count"] >= least]


def test_popularity_moves_the_order_and_nothing_else(built: TestClient) -> None:
    default, gems, known = (listed(built, popularity=value) for value in (0.5, 0, 1))
    assert listed(built) == default
    assert sorted(gems, key=str) == sorted(default, key=str) == sorted(known, key=str)

    def mean(rows: list[dict[str, Any]]) -> float:
        """Ratings of a movie, those at the top weighing more."""
        return float(sum(row["movie"]["rating_count"] / place for place, row in enumerate(rows, 1)))

    assert mean(gems) < mean(default) < mean(known)


def test_a_body_has_the_same_knobs_as_a_query(built: TestClient) -> None:
    shared: dict[str, Any] = {
        "limit": 8,
        "popularity": 0.1,
        "diversity": 0.4,
        "min_ratings": 3,
        "among": ids(listed(built)),
    }
    shared |= {"exclude": ids(listed(built))[:2]}
    alone = listed(built, decade=[1980, 1990], **shared)
    assert len(alone) == 8
    body = shared | {"decades": [1980, 1990]}
    batch = built.post("/recommendations/batch", json=body | {"user_ids": [FIRST_USER], "reasons": True})
    assert batch.json()["users"][0]["recommendations"] == alone
    rated = built.get(f"/ratings?user_id={FIRST_USER}&limit=1000").json()
    given = [{"movie_id": row["movie_id"], "score": row["score"]} for row in rated]
    what_if = built.post("/recommendations", json=body | {"ratings": given})
    assert what_if.json()["recommendations"] == alone


def test_each_knob_has_a_tag_of_its_own(built: TestClient) -> None:
    queries = ("", "?popularity=0.4", "?diversity=0.4", "?among=1", "?min_ratings=2", "?decade=1990")
    tags = {built.get(PATH + query).headers["etag"] for query in queries}
    assert len(tags) == len(queries)


@pytest.mark.parametrize("user", [FIRST_USER, 424_242])
@pytest.mark.parametrize(
    "query", ["decade=1830", "among=424242", "min_ratings=1000000", "year_from=1990&decade=1980"]
)
def test_knobs_that_leave_nothing_give_an_empty_list(built: TestClient, user: int, query: str) -> None:
    answer = built.get(f"/users/{user}/recommendations?{query}").json()
    assert (answer["source"], answer["recommendations"]) == ("popular", [])


def test_an_empty_among_in_a_body_is_nothing_at_all(built: TestClient) -> None:
    body = {"ratings": [{"movie_id": 2571, "score": 5}], "among": []}
    assert built.post("/recommendations", json=body).json()["recommendations"] == []


def test_a_long_among_is_taken_in_a_body(built: TestClient) -> None:
    body = {"ratings": [{"movie_id": 2571, "score": 5}], "among": list(range(10_000)), "limit": 5}
    answer = built.post("/recommendations", json=body)
    assert (answer.json()["source"], len(answer.json()["recommendations"])) == ("personal", 5)
    popular = built.post("/recommendations", json=body | {"ratings": []}).json()
    assert (popular["source"], len(popular["recommendations"])) == ("popular", 5)


@pytest.mark.parametrize(
    "query",
    [
        *("popularity=1.1", "popularity=-0.1", "popularity=nan", "diversity=2", "min_ratings=-1"),
        *(
            "decade=1995",
            "decade=1790",
            "decade=x",
            "among=-1",
            "among=x",
            "min_ratings=9223372036854775808",
        ),
    ],
)
def test_a_knob_out_of_bounds_is_refused(built: TestClient, query: str) -> None:
    answer = built.get(f"{PATH}?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == query.split("=", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("knob", "pointer"),
    [
        ({"popularity": "0.5"}, "#/popularity"),
        ({"popularity": True}, "#/popularity"),
        ({"decades": [1995]}, "#/decades/0"),
        ({"decades": 1990}, "#/decades"),
        ({"among": list(range(10_001))}, "#/among"),
        ({"among": [1, "2"]}, "#/among/1"),
        ({"min_ratings": 1.5}, "#/min_ratings"),
    ],
)
def test_a_knob_of_a_body_out_of_bounds_is_refused(
    built: TestClient, knob: dict[str, Any], pointer: str
) -> None:
    answer = built.post("/recommendations", json={"ratings": []} | knob)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_a_query_takes_a_thousand_ids(built: TestClient) -> None:
    among = "&".join(f"among={i}" for i in range(1000))
    assert built.get(f"{PATH}?{among}").status_code == 200
    assert built.get(f"{PATH}?{among}&among=1000").status_code == 422
