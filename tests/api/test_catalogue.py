"""What is served is what exists, in every process, in the next request after any change."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.sample import FIRST_USER
from benchmarks.sample import TASTES

Tasks = Callable[[], None]
USERS = (FIRST_USER, FIRST_USER + 1, 7, 424_242)
MOVIES = "id,title,year,genre\n" + "".join(f"{900_000 + n},Film {n},1990,Drama\n" for n in range(12))
RATINGS = "user_id,movie_id,score\n" + "".join(
    f"{user},{900_000 + n},{5 if n % 3 == user % 3 else 2}\n"
    for user in range(1, 25)
    for n in range(12)
    if (user + n) % 4
)


@pytest.fixture
def two(client: TestClient, run_tasks: Tasks, settings: Settings) -> Iterator[tuple[TestClient, TestClient]]:
    """Two processes, as far as they know of each other, on one data folder with the sample and a model."""
    client.post("/imports")
    client.post("/recommender/rebuild")
    run_tasks()
    other = create_app(settings)
    yield client, TestClient(other, raise_server_exceptions=False)
    other.state.service.close()


def listed(client: TestClient, user: int, limit: int = 200) -> list[int]:
    ids: list[int] = client.get(f"/recommendations/{user}?limit={limit}").json()
    return ids


def shown(client: TestClient) -> list[object]:
    """All that depends on what exists, with the tags."""
    paths = [f"/recommendations/{user}?limit=200" for user in USERS]
    paths += [f"/users/{user}/recommendations?limit=200" for user in USERS]
    paths += ["/movies?limit=200", "/movies/popular", "/movies/1/similar", "/genres"]
    answers = [client.get(path) for path in paths]
    return [(answer.json(), answer.headers["etag"]) for answer in answers]


def start_import(client: TestClient, text: str, run_tasks: Tasks) -> str:
    answer = client.post("/imports", content=text, headers={"Content-Type": "text/csv"})
    task_id = str(answer.json()["task_id"])
    run_tasks()
    assert client.get(f"/tasks/{task_id}").json()["status"] == "complete"
    return task_id


def test_a_catalogue_that_is_undone_and_imported_again_is_recommended_again(
    client: TestClient, run_tasks: Tasks, settings: Settings
) -> None:
    other = TestClient(create_app(settings))
    films = set(range(900_000, 900_012))
    imported = [start_import(client, text, run_tasks) for text in (MOVIES, RATINGS)]
    client.post("/recommender/rebuild")
    run_tasks()
    first = listed(client, 1)
    assert set(first) == films == set(listed(other, 1))
    for task_id in reversed(imported):
        client.post(f"/imports/{task_id}/undo")
        run_tasks()
        assert listed(client, 1) == listed(other, 1)
    assert listed(client, 1)
    assert not films & set(listed(client, 1))
    for text in (MOVIES, RATINGS):
        start_import(client, text, run_tasks)
        assert listed(client, 1) == listed(other, 1)
    assert listed(client, 1) == first


def test_a_movie_that_was_deleted_and_added_again_is_shown_again(
    two: tuple[TestClient, TestClient], run_tasks: Tasks
) -> None:
    best = listed(two[0], 7, 3)[0]
    row = two[0].get(f"/movies/{best}").json()
    before = shown(two[0])
    assert before == shown(two[1])
    two[0].delete(f"/movies/{best}?force=true")
    for client in two:
        assert all(best not in listed(client, user) for user in USERS)
    assert shown(two[0]) == shown(two[1])
    text = f'id,title,year,genre\n{best},"{row["title"]}",{row["year"]},{row["genre"]}\n'
    start_import(two[1], text, run_tasks)
    for client in two:
        assert best in listed(client, FIRST_USER)
    assert shown(two[0]) == shown(two[1])


def test_two_processes_agree_after_every_change(two: tuple[TestClient, TestClient], run_tasks: Tasks) -> None:
    one, other = two
    new = one.post("/movies", json={"title": "The Newest Robot", "genre": "Sci-Fi"}).json()["id"]
    rating = {"movie_id": new, "user_id": FIRST_USER, "score": 5}
    changes: list[Callable[[], object]] = [
        lambda: one.post("/ratings", json=rating),
        lambda: other.post("/ratings", json=rating | {"user_id": FIRST_USER + 5}),
        lambda: one.post("/ratings", json=rating | {"user_id": FIRST_USER + 1, "movie_id": 1}),
        lambda: other.post("/ratings", json=rating | {"score": 0.5}),
        lambda: one.delete(f"/ratings/{FIRST_USER + 5}/{new}"),
        lambda: other.put("/movies/1", json={"title": "Renamed", "year": 2001}),
        lambda: one.delete("/movies/2571?force=true"),
        lambda: start_import(one, MOVIES, run_tasks),
        lambda: (other.post("/recommender/rebuild"), run_tasks()),  # type: ignore[func-returns-value]
        lambda: one.post("/models/1/activate"),
    ]
    seen = [shown(one)]
    for change in changes:
        change()
        assert shown(one) == shown(other)
        assert shown(one) not in seen
        seen.append(shown(one))


def test_a_new_movie_that_has_lost_its_ratings_is_in_no_personal_list(
    two: tuple[TestClient, TestClient],
) -> None:
    new, later = (two[0].post("/movies", json={"title": name}).json()["id"] for name in ("Fresh", "Later"))
    for movie in (new, later):
        two[0].post("/ratings", json={"movie_id": movie, "user_id": FIRST_USER, "score": 5})
    two[0].post("/ratings", json={"movie_id": 2571, "user_id": 7, "score": 5})
    assert all({new, later} <= set(listed(client, 7)) for client in two)
    two[0].delete(f"/ratings/{FIRST_USER}/{new}")
    for client in two:
        assert new not in listed(client, 7)
        assert later in listed(client, 7)


def test_the_model_before_lists_no_movie_that_is_gone(
    two: tuple[TestClient, TestClient], run_tasks: Tasks, settings: Settings
) -> None:
    one, _ = two
    best = listed(one, FIRST_USER, 1)[0]
    first = set(settings.models_dir.glob("*.npz"))
    one.post("/ratings", json={"movie_id": 1, "user_id": 7, "score": 5})
    one.post("/recommender/rebuild")
    run_tasks()
    (second,) = set(settings.models_dir.glob("*.npz")) - first
    second.write_bytes(b"damaged")
    one.delete(f"/movies/{best}?force=true")
    answer = one.get(f"/recommendations/{FIRST_USER}?limit=200")
    assert answer.headers["x-model-version"] == "1"
    assert best not in answer.json()


def test_what_they_rated_fills_the_list_whatever_was_deleted(
    two: tuple[TestClient, TestClient], run_tasks: Tasks
) -> None:
    one, _ = two
    one.post("/ratings", json={"movie_id": 2571, "user_id": 7, "score": 5})
    start_import(one, MOVIES, run_tasks)
    start_import(one, "user_id,movie_id,score\n7,900000,3\n", run_tasks)  # not in the model
    assert listed(one, 7)[-2:] == [2571, 900_000]
    one.delete("/movies/1?force=true")
    assert listed(one, 7)[-2:] == [2571, 900_000]


def test_an_empty_personal_list_is_filled_like_a_short_one(two: tuple[TestClient, TestClient]) -> None:
    one, _ = two
    one.post("/ratings", json={"movie_id": 2571, "user_id": 7, "score": 5})
    new = one.post("/movies", json={"title": "Nobody knows it", "genre": "Unheard"}).json()["id"]
    answer = one.get("/users/7/recommendations?genre=unheard").json()
    assert (answer["source"], [r["movie"]["id"] for r in answer["recommendations"]]) == ("popular", [new])


TAGGED = (
    f"/recommendations/{FIRST_USER}",
    "/recommendations/424242",
    f"/users/{FIRST_USER}/recommendations",
    "/users/424242/recommendations",
    f"/users/{FIRST_USER}/ratings",
    f"/users/{FIRST_USER}/movies/2571/explanation",
    "/movies?query=matrix",
    "/movies",
    "/movies/2571",
    "/movies/2571/similar",
    "/movies/2571/histogram",
    "/movies/popular",
    "/movies/top",
    "/movies/new",
    "/ratings?movie_id=2571",
    "/genres",
)


def test_only_a_changed_answer_is_sent_again(two: tuple[TestClient, TestClient]) -> None:
    one, other = two
    tags = {}
    for path in TAGGED:
        first = one.get(path)
        tags[path] = tag = first.headers["etag"]
        assert first.headers["cache-control"] == "no-cache"
        for given in (tag, f"W/{tag}", f'"x", W/{tag}', f'W/"a,b",{tag} , "y"', "*"):
            again = other.get(path, headers={"If-None-Match": given})
            assert (again.status_code, again.content) == (304, b""), (path, given)
            same = tag.replace("-gzip", "") if given == "*" else tag  # which names no coding
            assert (again.headers["etag"], again.headers["cache-control"]) == (same, "no-cache")
        for given in ('"x"', tag.strip('"'), f'"x{tag[1:]}', "W/*", ""):
            assert other.get(path, headers={"If-None-Match": given}).status_code == 200
    assert len(set(tags.values())) == len(TAGGED)
    other.put("/movies/2571", json={"title": "The Matrix, renamed", "year": 1999, "genre": "Action"})
    for path, tag in tags.items():
        changed = one.get(path, headers={"If-None-Match": tag})
        assert (changed.status_code, changed.headers["etag"] != tag) == (200, True)


def test_a_list_by_popularity_changes_with_any_rating(two: tuple[TestClient, TestClient]) -> None:
    one, other = two
    path = "/recommendations/424242"
    tag = one.get(path).headers["etag"]
    films = [film for film in listed(one, 424242, 60) if film in TASTES["family"]]
    for user in range(5000, 5003):
        other.post("/ratings", json={"movie_id": films[-1], "user_id": user, "score": 1})
    assert one.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_a_personal_list_stays_when_another_rates_unless_it_shows_counts(
    two: tuple[TestClient, TestClient],
) -> None:
    one, other = two
    paths = (f"/recommendations/{FIRST_USER}", f"/users/{FIRST_USER}/recommendations")
    plain, rich = (one.get(path) for path in paths)
    first = rich.json()["recommendations"][0]["movie"]
    other.post("/ratings", json={"movie_id": first["id"], "user_id": 6_000, "score": 1})
    again = [
        one.get(path, headers={"If-None-Match": before.headers["etag"]})
        for path, before in zip(paths, (plain, rich), strict=True)
    ]
    assert [answer.status_code for answer in again] == [304, 200]
    counts = {r["movie"]["id"]: r["movie"]["rating_count"] for r in again[1].json()["recommendations"]}
    assert counts[first["id"]] == first["rating_count"] + 1


def test_two_databases_share_no_tag(client: TestClient, settings: Settings) -> None:
    other = create_app(replace(settings, data_dir=settings.data_dir.with_name("other")))
    tag = client.get("/movies").headers["etag"]
    assert TestClient(other).get("/movies", headers={"If-None-Match": tag}).status_code == 200
    other.state.service.close()


def test_an_error_has_no_tag(client: TestClient) -> None:
    answer = client.get("/movies/424242", headers={"If-None-Match": '"x"'})
    assert answer.status_code == 404
    assert "etag" not in answer.headers
