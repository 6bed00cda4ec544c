"""Recommendations over HTTP: the ranking rule, from the first start to a model and beyond."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter

from app.api.movie_lists import RatedMovieAnswer, Recommendations
from app.config import Settings
from app.main import create_app
from app.repository import models
from app.sample import FIRST_USER
from app.service import Service
from app.serving.active_model import ActiveModel
from app.serving.model_store import ModelStore
from benchmarks.sample import TASTES
from tests.server import poll


def recommend(client: TestClient, user: int, limit: int = 10) -> tuple[list[int], str]:
    answer = client.get(f"/recommendations/{user}?limit={limit}")
    assert answer.status_code == 200
    return answer.json(), answer.headers["x-source"]


def rated(client: TestClient, user: int) -> list[int]:
    return [rating["movie_id"] for rating in client.get(f"/ratings?user_id={user}&limit=1000").json()]


def test_without_a_model_everybody_gets_the_popular_list(client: TestClient) -> None:
    client.post("/ratings", json={"movie_id": 50, "user_id": 7, "score": 1})
    ids, source = recommend(client, 8, 3)
    assert (ids[0], len(ids), source) == (50, 3, "popular")
    assert client.get("/recommendations/7").headers["x-model-version"] == "0"


def test_without_a_model_what_one_has_rated_comes_last_and_best_first(client: TestClient) -> None:
    for movie, score in ((50, 0.5), (260, 5), (1, 3)):
        client.post("/ratings", json={"movie_id": movie, "user_id": 7, "score": score})
    every = [movie["id"] for movie in client.get("/movies?limit=500").json()]
    ids, source = recommend(client, 7, len(every))
    assert (sorted(ids), source) == (sorted(every), "popular")
    assert ids[-3:] == [260, 1, 50]
    assert recommend(client, 7, 3)[0] == ids[:3]


def test_the_unrated_come_first_and_the_rated_fill(built: TestClient) -> None:
    mine = set(rated(built, FIRST_USER))
    ids, source = recommend(built, FIRST_USER, 60)
    assert source == "personal"
    assert len(ids) == len(set(ids)) == 60
    assert not mine & set(ids[: 60 - len(mine)])
    assert set(ids[60 - len(mine) :]) == mine


@pytest.mark.parametrize("taste", TASTES)
def test_taste_decides(built: TestClient, taste: str) -> None:
    films = TASTES[taste]
    for movie in films[:3]:
        built.post("/ratings", json={"movie_id": movie, "user_id": 1, "score": 5})
    best, source = recommend(built, 1, 5)
    assert source == "personal"
    assert len(set(best) & set(films)) >= 4


def test_a_rating_counts_in_the_next_request(built: TestClient) -> None:
    assert recommend(built, 7)[1] == "popular"
    built.post("/ratings", json={"movie_id": 2571, "user_id": 7, "score": 5})
    first, source = recommend(built, 7)
    assert source == "personal"
    assert 2571 not in first
    built.post("/ratings", json={"movie_id": first[0], "user_id": 7, "score": 1})
    assert first[0] not in recommend(built, 7)[0]


def test_a_user_whom_the_model_cannot_know_gets_their_own(
    built: TestClient, run_tasks: Callable[[], None]
) -> None:
    ids = [built.post("/movies", json={"title": f"Home video {n}"}).json()["id"] for n in range(3)]
    for movie, score in zip(ids, (5, 4, 1), strict=True):
        built.post("/ratings", json={"movie_id": movie, "user_id": 88, "score": score})
    built.post("/recommender/rebuild")
    run_tasks()
    best, source = recommend(built, 88, 4)
    assert (source, best[:2]) == ("own", [ids[1], ids[0]])
    assert not set(ids) & set(best[2:])


def test_a_deleted_movie_is_never_recommended(built: TestClient) -> None:
    best = recommend(built, FIRST_USER, 3)[0]
    assert built.delete(f"/movies/{best[0]}?force=true").status_code == 204
    assert best[0] not in recommend(built, FIRST_USER, 60)[0]
    assert best[0] not in recommend(built, 999_999, 60)[0]


def test_the_sample_of_a_rebuild_is_user_ones_list(built: TestClient, run_tasks: Callable[[], None]) -> None:
    built.post("/ratings", json={"movie_id": 2571, "user_id": 1, "score": 5})
    task_id = built.post("/recommender/rebuild").json()["task_id"]
    assert built.get(f"/recommender/rebuild/{task_id}").json()["sample"] == []
    run_tasks()
    status = built.get(f"/recommender/rebuild/{task_id}").json()
    assert status == {"task_id": task_id, "status": "complete", "sample": recommend(built, 1, 3)[0]}


@pytest.mark.parametrize("path", ["x", "-1", "7?limit=0", "7?limit=x", str(2**63)])
def test_a_bad_request_is_refused(client: TestClient, path: str) -> None:
    assert client.get(f"/recommendations/{path}").status_code == 422


def test_a_rebuild_without_ratings_serves_the_popular_list(
    client: TestClient, run_tasks: Callable[[], None]
) -> None:
    task_id = client.post("/recommender/rebuild").json()["task_id"]
    run_tasks()
    assert client.get(f"/tasks/{task_id}").json()["status"] == "complete"
    ids, source = recommend(client, 7)
    assert source == "popular"
    assert len(ids) == 10


def test_the_rich_form_has_titles_and_reasons(built: TestClient) -> None:
    for movie, score in ((2571, 5), (260, 4), (597, 1)):
        built.post("/ratings", json={"movie_id": movie, "user_id": 7, "score": score})
    answer = built.get("/users/7/recommendations?limit=5").json()
    assert (answer["source"], answer["model_version"]) == ("personal", 1)
    assert [r["movie"]["id"] for r in answer["recommendations"]] == recommend(built, 7, 5)[0]
    for recommendation in answer["recommendations"]:
        because = {reason["movie"]["id"]: reason for reason in recommendation["because"]}
        assert set(because) <= {2571, 260}
        contributions = [reason["contribution"] for reason in recommendation["because"]]
        assert contributions == sorted(contributions, reverse=True)
        assert sum(contributions) >= recommendation["preference"] - 1e-5
    assert answer["recommendations"][0]["because"][0]["movie"]["title"]


def test_a_movie_looks_the_same_wherever_it_is_nested(built: TestClient) -> None:
    rich = built.get(f"/users/{FIRST_USER}/recommendations")
    Recommendations.model_validate_json(rich.content, extra="forbid")
    rated = built.get(f"/users/{FIRST_USER}/ratings")
    TypeAdapter(list[RatedMovieAnswer]).validate_json(rated.content, extra="forbid")
    similar = built.get("/movies/2571/similar").json()
    listed = rich.json()["recommendations"]
    nested = [row["movie"] for row in (*listed, *rated.json(), *similar)]
    nested += [reason["movie"] for row in listed for reason in row["because"]]
    whole = {movie["id"]: movie for movie in built.get("/movies?limit=1000").json()}
    assert len(nested) > 40
    assert all(movie == whole[movie["id"]] for movie in nested)


def test_the_rich_form_never_lists_what_they_rated(built: TestClient) -> None:
    mine = set(rated(built, FIRST_USER))
    answer = built.get(f"/users/{FIRST_USER}/recommendations?limit=1000").json()
    assert {r["movie"]["id"] for r in answer["recommendations"]} | mine == {
        movie["id"] for movie in built.get("/movies?limit=1000").json()
    }
    assert not mine & {r["movie"]["id"] for r in answer["recommendations"]}
    built.post("/ratings", json={"movie_id": 260, "user_id": 7, "score": 1})
    popular = built.get("/users/7/recommendations?limit=1000").json()
    assert popular["source"] == "popular"
    assert 260 not in {r["movie"]["id"] for r in popular["recommendations"]}


@pytest.mark.parametrize("user", [FIRST_USER, 424242])
def test_filters_hold_for_every_source(built: TestClient, user: int) -> None:
    query = "genre=sci-fi&year_from=1980&year_to=1999&exclude=1270"
    found = built.get(f"/users/{user}/recommendations?limit=1000&{query}").json()["recommendations"]
    assert found
    listed = [r["movie"] for r in found]
    assert all("Sci-Fi" in movie["genres"] and 1980 <= movie["year"] <= 1999 for movie in listed)
    assert 1270 not in {movie["id"] for movie in listed}


def test_given_ratings_are_ranked_as_those_of_a_user(built: TestClient) -> None:
    given: list[dict[str, float]] = [{"movie_id": 2571, "score": 5}, {"movie_id": 260, "score": 3.5}]
    for rating in given:
        built.post("/ratings", json=rating | {"user_id": 7})
    answer = built.post("/recommendations", json={"ratings": given})
    assert answer.status_code == 200
    assert answer.json() == built.get("/users/7/recommendations").json()
    unknown = built.post("/recommendations", json={"ratings": [{"movie_id": 424242, "score": 5}]})
    assert unknown.json()["source"] == "popular"
    assert built.post("/recommendations", json={"ratings": [{"movie_id": 1, "score": 9}]}).status_code == 422


def test_an_unchanged_answer_is_not_sent_again(built: TestClient) -> None:
    url = f"/users/{FIRST_USER}/recommendations"
    tag = built.get(url).headers["etag"]
    assert built.get(url, headers={"If-None-Match": tag}).status_code == 304
    built.post(
        "/ratings", json={"movie_id": rated(built, FIRST_USER)[0], "user_id": FIRST_USER, "score": 0.5}
    )
    assert built.get(url, headers={"If-None-Match": tag}).status_code == 200


def test_similar_movies_share_their_taste(built: TestClient) -> None:
    films = set(TASTES["family"])
    found = built.get("/movies/588/similar?limit=5").json()
    assert len({row["movie"]["id"] for row in found} & films) >= 4
    assert 588 not in {row["movie"]["id"] for row in found}
    assert built.get("/movies/424242/similar").status_code == 404


def test_diversity_trades_likeness(built: TestClient) -> None:
    plain = built.get(f"/users/{FIRST_USER}/recommendations?limit=5").json()["recommendations"]
    mixed = built.get(f"/users/{FIRST_USER}/recommendations?limit=5&diversity=0.9").json()["recommendations"]
    assert mixed[0]["movie"] == plain[0]["movie"]
    assert {r["movie"]["id"] for r in mixed} != {r["movie"]["id"] for r in plain}


def test_a_model_that_cannot_be_read_is_refused_and_the_one_before_stays(
    built: TestClient, run_tasks: Callable[[], None], settings: Settings
) -> None:
    before, _ = recommend(built, FIRST_USER)
    (first,) = settings.models_dir.glob("*.npz")
    built.post("/ratings", json={"movie_id": 1, "user_id": 7, "score": 5})
    built.post("/recommender/rebuild")
    run_tasks()
    (second,) = set(settings.models_dir.glob("*.npz")) - {first}
    second.write_bytes(second.read_bytes()[:1000])
    answer = built.get(f"/recommendations/{FIRST_USER}")
    assert (answer.status_code, answer.headers["x-model-version"], answer.json()) == (200, "1", before)
    other = TestClient(create_app(settings))  # a process that never had the one before
    assert other.get(f"/recommendations/{FIRST_USER}").headers["x-source"] == "popular"


def another_process(service: Service) -> None:
    """Forget what this process has in memory."""
    service.model = ActiveModel(ModelStore.of(service.settings), lambda: service.database)


def add_version(built: TestClient) -> int:
    """Another version of the first model, which is not served yet."""
    service = built.app.state.service  # type: ignore[attr-defined]
    first = built.get("/models/1").json()
    with service.database.write() as connection:
        names = ("task_id", "checksum", "reason", "settings", "evaluation", "ratings", "users", "movies")
        row = {name: first[name] for name in names}
        return models.add(connection, **row, promoted=True, created_at=1.0, rating_changes=0)


def test_a_version_that_could_not_be_read_ahead_is_tried_again(
    built: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def fail(_model: ActiveModel, version: int) -> None:
        tried.append(version)
        raise OSError("too many open files")

    monkeypatch.setattr(ActiveModel, "read_ahead", fail)
    second = add_version(built)

    def tried_twice() -> bool:
        assert built.get("/recommendations/7").status_code == 200
        return len(tried) > 1

    poll(tried_twice)
    assert set(tried) == {second}


def test_a_version_is_read_before_it_is_served(built: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    service = built.app.state.service  # type: ignore[attr-defined]
    second = add_version(built)
    assert built.get("/recommendations/7").headers["x-model-version"] == "1"
    service.model.read_ahead(second)
    monkeypatch.setattr(ModelStore, "read", lambda *_a, **_k: pytest.fail("read within a request"))
    with service.database.write() as connection:
        models.activate(connection, second)
    assert built.get("/recommendations/7").headers["x-model-version"] == str(second)


def test_a_new_movie_is_recommended_before_the_next_rebuild(built: TestClient) -> None:
    new = built.post("/movies", json={"title": "The Newest Robot", "genre": "Sci-Fi"}).json()["id"]
    assert new not in recommend(built, 7, 60)[0]
    fans = [FIRST_USER + 5 * n for n in range(8)]  # of the taste "science fiction"
    for fan in fans:
        built.post("/ratings", json={"movie_id": new, "user_id": fan, "score": 5})
    service = built.app.state.service  # type: ignore[attr-defined]
    another_process(service)
    built.post("/ratings", json={"movie_id": 2571, "user_id": 7, "score": 5})
    built.post("/ratings", json={"movie_id": 588, "user_id": 8, "score": 5})
    robots, families = recommend(built, 7, 60)[0], recommend(built, 8, 60)[0]
    assert robots.index(new) < 15
    assert robots.index(new) < families.index(new)
    assert new not in recommend(built, fans[0], 10)[0]
    assert built.get(f"/movies/{new}/similar?limit=3").json()[0]["movie"]["id"] in TASTES["science fiction"]


def test_reasons_are_movies_that_they_liked(built: TestClient) -> None:
    users = [FIRST_USER + n for n in range(12)]
    ratings = [rating for user in users for rating in built.get(f"/ratings?user_id={user}&limit=1000").json()]
    named = 0
    for user in users:
        given = {r["movie_id"]: r["score"] for r in ratings if r["user_id"] == user}
        mean = sum(given.values()) / len(given)
        what_if = {"ratings": [{"movie_id": i, "score": s} for i, s in given.items()], "limit": 50}
        answers = [
            built.get(f"/users/{user}/recommendations?limit=50").json(),
            built.post("/recommendations", json=what_if).json(),
        ]
        assert answers[0] == answers[1]
        for recommendation in answers[0]["recommendations"]:
            because = recommendation["because"]
            assert len(because) <= 3
            assert all(given[reason["movie"]["id"]] == reason["score"] >= mean for reason in because)
            named += len(because)
    assert named > 100


def test_reasons_of_a_user_who_gives_every_movie_the_same_score(built: TestClient) -> None:
    films = TASTES["science fiction"][:4]
    given = [{"movie_id": film, "score": 2.5} for film in films]
    answer = built.post("/recommendations", json={"ratings": given, "limit": 3}).json()
    assert all(len(r["because"]) == 3 for r in answer["recommendations"])


def test_movies_that_are_not_there_are_no_reasons(built: TestClient) -> None:
    films = TASTES["science fiction"][:4]
    built.delete(f"/movies/{films[0]}?force=true")
    given = [{"movie_id": film, "score": 4} for film in (*films, 424_242)]
    answer = built.post("/recommendations", json={"ratings": given, "limit": 60}).json()
    named = {reason["movie"]["id"] for r in answer["recommendations"] for reason in r["because"]}
    assert named == set(films[1:])
    refused = built.post("/recommendations", json={"ratings": [{"movie_id": 1, "score": 4, "x": 1}]})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/ratings/0/x")
