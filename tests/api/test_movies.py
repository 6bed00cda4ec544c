"""Movies over HTTP, the contract and its refusals."""

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.storage.schema import FIRST_OWN_ID


def create(client: TestClient, **fields: object) -> dict[str, object]:
    answer = client.post("/movies", json={"title": "Async Demo", "year": 2024, "genre": "Sci-Fi"} | fields)
    assert answer.status_code == 201
    body: dict[str, object] = answer.json()
    return body


def test_a_movie_is_created_read_replaced_and_deleted(client: TestClient) -> None:
    movie = create(client)
    assert movie["id"] == FIRST_OWN_ID
    assert movie | {"id": 0} == {
        "id": 0,
        "title": "Async Demo",
        "year": 2024,
        "genre": "Sci-Fi",
        "genres": ["Sci-Fi"],
        "imdb_id": None,
        "tmdb_id": None,
        "rating_count": 0,
        "mean_score": None,
    }
    path = f"/movies/{movie['id']}"
    assert client.get(path).json() == movie
    replaced = client.put(path, json={"title": "Other"})
    assert replaced.status_code == 200
    assert replaced.json() == movie | {"title": "Other", "year": None, "genre": None, "genres": []}
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404


def test_the_starter_catalogue_is_there_on_first_open(client: TestClient) -> None:
    assert client.get("/movies/1").json()["title"] == "Toy Story"
    assert len(client.get("/movies?limit=1000").json()) == 60


def test_a_list_is_paged_by_its_link_header(client: TestClient) -> None:
    whole = [movie["id"] for movie in client.get("/movies?limit=1000").json()]
    paged, url = [], "/movies?limit=7"
    while url:
        answer = client.get(url)
        paged += [movie["id"] for movie in answer.json()]
        url = answer.links.get("next", {}).get("url", "")
    assert paged == whole


@pytest.mark.parametrize("genre", ["Ärztefilm", "ärztefilm", "ÄRZTEFILM", "Драма", "драма", "FILM  NOIR"])
def test_a_genre_is_found_whatever_its_case_in_any_script(engine_settings: Settings, genre: str) -> None:
    app = create_app(engine_settings)
    client = TestClient(app)
    movie = create(client, genre="ÄRZTEFILM|Драма|Film Noir")
    create(client, genre="Drama")
    assert [found["id"] for found in client.get("/movies", params={"genre": genre}).json()] == [movie["id"]]
    replaced = client.put(f"/movies/{movie['id']}", json={"title": "A", "genre": "Other"})
    assert replaced.status_code == 200
    assert client.get("/movies", params={"genre": genre}).json() == []
    app.state.service.close()


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("query=godfather", ["The Godfather", "The Godfather: Part II"]),
        ("query=AMELIE", ["Amélie"]),
        ("query=part+godfather", ["The Godfather: Part II"]),
        ("query=100%25", []),
        ("genre=war&year_from=1970&year_to=1980", ["Apocalypse Now"]),
        ("genre=wa", []),
        ("year_from=2003", ["Finding Nemo"]),
    ],
)  # fmt: skip
def test_movies_are_found_by_words_genre_and_year(client: TestClient, query: str, titles: list[str]) -> None:
    assert [movie["title"] for movie in client.get(f"/movies?{query}").json()] == titles


def test_a_search_lists_the_closest_and_then_the_most_rated_first_and_pages(client: TestClient) -> None:
    for user in range(3):
        client.post("/ratings", json={"movie_id": 1221, "user_id": user, "score": 4})
        client.post("/ratings", json={"movie_id": 3114, "user_id": user, "score": 4})
    first = client.get("/movies?query=god&limit=1")
    assert first.json()[0]["id"] == 1221
    assert client.get(first.links["next"]["url"]).json()[0]["id"] == 858
    first = client.get("/movies?query=toy+story&limit=1")  # the exact title before a more rated one
    assert first.json()[0]["id"] == 1
    assert client.get(first.links["next"]["url"]).json()[0]["id"] == 3114
    assert client.get("/movies?query=toy+story&limit=1000").links == {}


@pytest.mark.parametrize("query", ["a" * 201, "a" * 10_000, "%00", "toy%00story"])
def test_a_query_that_is_too_long_or_no_text_is_refused(client: TestClient, query: str) -> None:
    assert client.get(f"/movies?query={query}").status_code == 422


@pytest.mark.parametrize("query", ["%25", "%3F!", "%27", "%22", "*", "%5C", "%27;--", "%ED%A0%80"])
def test_punctuation_finds_nothing(client: TestClient, query: str) -> None:
    assert client.get(f"/movies?query={query}").json() == []


def test_a_cursor_of_another_list_is_refused(client: TestClient) -> None:
    cursor = client.get("/movies?limit=1").links["next"]["url"].rpartition("cursor=")[2]
    assert client.get("/movies", params={"query": "toy", "cursor": cursor}).status_code == 400


def test_top_is_damped_and_popular_counts(client: TestClient) -> None:
    client.post("/ratings", json={"movie_id": 1, "user_id": 1, "score": 5})
    for user in range(30):
        client.post("/ratings", json={"movie_id": 2, "user_id": user, "score": 4.5})
    for user in range(40):
        client.post("/ratings", json={"movie_id": 6, "user_id": user, "score": 1})
    assert [movie["id"] for movie in client.get("/movies/top?limit=3").json()] == [2, 1, 6]
    assert [movie["id"] for movie in client.get("/movies/popular?limit=3").json()] == [6, 2, 1]
    assert client.get("/movies/2").json()["mean_score"] == 4.5


def test_a_movie_with_ratings_is_deleted_only_by_force(client: TestClient) -> None:
    client.post("/ratings", json={"movie_id": 1, "user_id": 7, "score": 5})
    refused = client.delete("/movies/1")
    assert refused.status_code == 409
    assert "force=true" in refused.json()["detail"]
    assert client.delete("/movies/1?force=true").status_code == 204
    assert client.get("/ratings?user_id=7").json() == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/title"),
        ({"title": "   "}, "#/title"),
        ({"title": " \ufeff "}, "#/title"),
        ({"title": "A\x00B"}, "#/title"),
        ({"title": "A", "genre": "B\nC"}, "#/genre"),
        ({"title": "A", "year": 12}, "#/year"),
        ({"title": "A", "year": "soon"}, "#/year"),
        ({"title": "A", "colour": "red"}, "#/colour"),
    ],
)
def test_a_bad_movie_is_refused_by_name(client: TestClient, body: dict[str, object], pointer: str) -> None:
    answer = client.post("/movies", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("cursor", ["x", "", "WyJhIl0", "Wy0yXQ", "WzEsMl0"])
def test_a_foreign_cursor_is_refused(client: TestClient, cursor: str) -> None:
    assert client.get("/movies", params={"cursor": cursor}).status_code == 400


def test_titles_come_back_as_they_were_given(client: TestClient) -> None:
    title = "<b>שלום</b> \u202e'; DROP TABLE movies; --"
    movie = create(client, title=title)
    assert client.get(f"/movies/{movie['id']}").json()["title"] == title
    assert client.get("/movies", params={"query": "drop table"}).json()[0]["id"] == movie["id"]


def test_a_title_and_genre_are_kept_as_an_import_would_read_them(client: TestClient) -> None:
    movie = create(client, title="\u2003\ufeff A\ufeffB\xa0\ufeff", genre="\ufeff")
    assert (movie["title"], movie["genre"]) == ("A\ufeffB", None)
