"""Changing a movie: PATCH keeps what it does not name, and If-Match notices what others have changed."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app

FIELDS = ("title", "year", "genre")


@pytest.fixture
def api(engine_settings: Settings) -> Iterator[TestClient]:
    app = create_app(engine_settings)
    yield TestClient(app, raise_server_exceptions=False)
    app.state.service.close()


def shown(api: TestClient, path: str = "/movies/1") -> tuple[object, ...]:
    movie = api.get(path).json()
    return tuple(movie[name] for name in FIELDS)


@pytest.mark.parametrize(
    ("body", "after"),
    [
        ({}, ("A", 1999, "Drama|War")),
        ({"title": "B"}, ("B", 1999, "Drama|War")),
        ({"year": 2001}, ("A", 2001, "Drama|War")),
        ({"year": None}, ("A", None, "Drama|War")),
        ({"genre": "Comedy"}, ("A", 1999, "Comedy")),
        ({"genre": None}, ("A", 1999, None)),
        ({"genre": ""}, ("A", 1999, None)),
        ({"title": "B", "year": None, "genre": None}, ("B", None, None)),
    ],
)
def test_a_patch_changes_what_it_names(
    api: TestClient, body: dict[str, object], after: tuple[object, ...]
) -> None:
    api.put("/movies/1", json={"title": "A", "year": 1999, "genre": "Drama|War"}).raise_for_status()
    answer = api.patch("/movies/1", json=body)
    assert answer.status_code == 200, answer.text
    assert tuple(answer.json()[name] for name in FIELDS) == shown(api) == after
    merged = api.patch("/movies/1", json=body, headers={"Content-Type": "application/merge-patch+json"})
    assert merged.status_code == 200


def test_a_put_clears_what_it_does_not_name(api: TestClient) -> None:
    api.put("/movies/1", json={"title": "A"}).raise_for_status()
    assert shown(api) == ("A", None, None)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"title": None}, "#/title"),
        ({"title": " "}, "#/title"),
        ({"year": 12}, "#/year"),
        ({"id": 3}, "#/id"),
    ],
)
def test_a_bad_patch_is_refused_by_name(client: TestClient, body: dict[str, object], pointer: str) -> None:
    answer = client.patch("/movies/1", json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert client.patch("/movies/424242", json={"year": 1999}).status_code == 404


def test_the_tag_is_the_movies_own_and_strong(api: TestClient) -> None:
    made = api.post("/movies", json={"title": "A"})
    path = made.headers["location"]
    tags = [made.headers["etag"]]
    assert tags[0].startswith('"') and api.get(path).headers["etag"] == tags[0]
    api.post("/movies", json={"title": "Another"}).raise_for_status()
    api.post("/ratings", json={"movie_id": 2, "user_id": 7, "score": 5}).raise_for_status()
    assert api.get(path, headers={"If-None-Match": tags[0]}).status_code == 304
    tags.append(api.put(path, json={"title": "B"}).headers["etag"])
    tags.append(api.patch(path, json={"year": 1999}).headers["etag"])
    assert api.get(path).headers["etag"] == tags[-1]
    api.post("/ratings", json={"movie_id": made.json()["id"], "user_id": 7, "score": 5}).raise_for_status()
    tags.append(api.get(path).headers["etag"])
    assert len(set(tags)) == 4


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_change_takes_a_precondition(api: TestClient, method: str) -> None:
    def change(tag: str | None) -> int:
        headers = {} if tag is None else {"If-Match": tag}
        body = None if method == "DELETE" else {"title": "B"}
        return int(api.request(method, "/movies/2", json=body, headers=headers).status_code)

    before = api.get("/movies/2").headers["etag"]
    api.patch("/movies/2", json={"year": 1950}).raise_for_status()
    now = api.get("/movies/2").headers["etag"]
    for tag in (before, f"W/{now}", '"a", "b"', "", "nonsense", now.strip('"'), f'"{now}"'):
        assert change(tag) == 412, tag
    assert shown(api, "/movies/2")[0] == "Jumanji"
    assert api.get("/movies/2").headers["etag"] == now
    good = 204 if method == "DELETE" else 200
    assert change(f'"a", {now}') == good
    if method != "DELETE":
        assert [change(now), change("*"), change(None)] == [412, 200, 200]
    assert (
        api.request(method, "/movies/424242", json={"title": "B"}, headers={"If-Match": "*"}).status_code
        == 404
    )


def test_a_refusal_says_what_to_do_and_leaves_no_trace(client: TestClient) -> None:
    refused = client.put("/movies/1", json={"title": "B"}, headers={"If-Match": '"a"'})
    assert refused.json()["type"] == "urn:matinee:precondition-failed"
    assert "Read it again" in refused.json()["detail"]
    assert client.get("/audit").json() == []
