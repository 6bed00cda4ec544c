"""What one user rated, and the genres of the catalogue."""

from fastapi.testclient import TestClient


def rate(client: TestClient, movie_id: int, score: float, user_id: int = 7) -> None:
    body = {"movie_id": movie_id, "user_id": user_id, "score": score}
    assert client.post("/ratings", json=body).is_success


def test_rated_movies_come_with_titles_page_by_page(client: TestClient) -> None:
    films = client.get("/movies?limit=5").json()
    for film in films:
        rate(client, film["id"], 4.5)
    rate(client, films[0]["id"], 1.0, user_id=8)
    seen, url = [], "/users/7/ratings?limit=2"
    while url:
        answer = client.get(url)
        seen += answer.json()
        url = answer.links.get("next", {}).get("url", "")
    assert {r["movie"]["id"]: (r["movie"], r["score"]) for r in seen} == {
        film["id"]: (client.get(f"/movies/{film['id']}").json(), 4.5) for film in films
    }
    assert len(seen) == len(films)
    assert [r["rated_at"] for r in seen] == sorted((r["rated_at"] for r in seen), reverse=True)


def test_an_unknown_user_has_no_ratings(client: TestClient) -> None:
    assert client.get("/users/999/ratings").json() == []


def test_genres_are_listed_once_in_order(client: TestClient) -> None:
    client.post("/movies", json={"title": "Plain"})
    client.post("/movies", json={"title": "New", "genre": "Drama|Zither"})
    genres = client.get("/genres").json()
    assert genres == sorted(set(genres))
    assert {"Drama", "Zither"} < set(genres)
    assert client.get("/movies", params={"query": "new", "genre": "Zither"}).json()[0]["title"] == "New"
