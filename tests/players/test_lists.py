"""What other programs read: lists at addresses with a secret, and what a person said as CSV."""

import csv
import io
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.movie import Movie
from app.players import lists

LINKS = "movieId,imdbId,tmdbId\n1,114709,862\n2,113497,8844\n6,113277,949\n"


@pytest.fixture
def linked(client: TestClient, run_tasks: Callable[[], None]) -> TestClient:
    """The starter catalogue, with three movies that have ids elsewhere."""
    headers = {"Content-Type": "text/csv", "X-Filename": "links.csv"}
    assert client.post("/imports", content=LINKS, headers=headers).status_code == 202
    run_tasks()
    return client


def addresses(client: TestClient, user_id: int = 7) -> dict[str, str]:
    made = client.post("/lists", json={"user_id": user_id})
    assert made.status_code == 201, made.text
    return dict(made.json()["addresses"])


def read(client: TestClient, address: str) -> Any:
    answer = client.get(address, params={"limit": 200})
    assert answer.status_code == 200, answer.text
    assert answer.headers["referrer-policy"] == "no-referrer"
    return answer


def titles_of(feed: str) -> list[str | None]:
    return [item.text for item in ET.fromstring(feed).findall("channel/item/title")]  # noqa: S314 our own


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_list_has_ids_and_never_what_was_rated_watched_or_is_not_wanted(linked: TestClient) -> None:
    found = addresses(linked)
    wanted = {one["imdb_id"]: one for one in read(linked, found["radarr"]).json()}
    assert wanted.keys() == {"tt0114709", "tt0113497", "tt0113277"}
    assert wanted["tt0113277"] | {} == {
        "title": "Heat",
        "year": 1995,
        "imdb_id": "tt0113277",
        "id": 949,
        "tmdb_id": 949,
    }
    linked.put("/users/7/feedback/1", json={"watched": True})
    linked.put("/users/7/feedback/2", json={"not_interested": True})
    linked.post("/ratings", json={"user_id": 7, "movie_id": 6, "score": 4})
    assert read(linked, found["radarr"]).json() == []
    titles = {row["Title"] for row in table(read(linked, found["recommendations"]).text)}
    items = titles_of(read(linked, found["rss"]).text)
    assert titles and len(items) == len(titles)
    assert not titles & {"Toy Story", "Jumanji", "Heat"}
    assert not {*items} & {"Toy Story (1995)", "Jumanji (1995)", "Heat (1995)"}


def test_a_list_has_a_tag_that_a_mark_moves(linked: TestClient) -> None:
    address = addresses(linked)["radarr"]
    tag = {"If-None-Match": linked.get(address).headers["etag"]}
    assert linked.get(address, headers=tag).status_code == 304
    linked.put("/users/7/feedback/1", json={"watched": True})
    assert linked.get(address, headers=tag).status_code == 200
    assert linked.get(address, params={"limit": 201}).status_code == 422


def test_an_address_that_was_deleted_leads_nowhere(client: TestClient) -> None:
    address = addresses(client)["rss"]
    (made,) = client.get("/lists", params={"user_id": 7}).json()
    assert client.delete(f"/lists/{made['number']}", params={"user_id": 8}).status_code == 404
    assert client.delete(f"/lists/{made['number']}", params={"user_id": 7}).status_code == 204
    assert client.get(address).status_code == 404


def test_titles_are_safe_in_every_form() -> None:
    movie = Movie(5, "=1+<b>&\x0b\ufffe", None, None, 0, None, "tt0000005", None)
    assert titles_of(lists.rss([movie])) == ["=1+<b>&\ufffd\ufffd"]
    assert table(lists.letterboxd([movie]))[0]["Title"].startswith("'=1+")
    assert lists.radarr([Movie(5, "A", None, None, 0, None, None, None)]) == []


def test_what_was_said_comes_out_and_scores_come_back(
    linked: TestClient, run_tasks: Callable[[], None]
) -> None:
    for movie_id, score in ((1, 4.5), (6, 0.5)):
        linked.post("/ratings", json={"user_id": 7, "movie_id": movie_id, "score": score})
    linked.put("/users/7/feedback/1", json={"watched": True, "like": False})
    linked.put("/users/7/feedback/2", json={"watched": True, "watchlist": True})
    kept = table(linked.get("/users/7/marks.csv").text)
    said = {(row["movie_id"], row["what"], row["value"]) for row in kept}
    assert said == {
        ("1", "rating", "4.5"),
        ("1", "watched", "1"),
        ("1", "like", "0"),
        ("2", "watched", "1"),
        ("2", "watchlist", "1"),
        ("6", "rating", "0.5"),
    }
    assert [row["Title"] for row in table(linked.get("/users/7/letterboxd.csv?sheet=watchlist").text)] == [
        "Jumanji"
    ]
    answer = linked.get("/users/7/letterboxd.csv")
    rows = {
        row["Title"]: (row["imdbID"], row["Rating"], bool(row["WatchedDate"])) for row in table(answer.text)
    }
    assert rows == {
        "Toy Story": ("tt0114709", "4.5", True),
        "Jumanji": ("tt0113497", "", True),
        "Heat": ("tt0113277", "0.5", False),
    }
    headers = {"Content-Type": "text/csv", "X-Filename": "letterboxd.csv"}
    assert (
        linked.post("/imports?user_id=8&scale=5", content=answer.content, headers=headers).status_code == 202
    )
    run_tasks()
    back = {row["movie"]["id"]: row["score"] for row in linked.get("/users/8/ratings").json()}
    assert back == {1: 4.5, 6: 0.5}
