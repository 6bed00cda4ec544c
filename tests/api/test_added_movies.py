"""A movie that is added ends the rows that wait for it, by its ids as by its title."""

from fastapi.testclient import TestClient

from app.mark import Mark, Marked
from app.service import Service
from tests.imports.conftest import counts_are_right
from tests.imports.test_arrivals import there, titles_waiting, wait


def test_rows_end_when_their_movie_is_added_by_hand(client: TestClient) -> None:
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    database = service.database
    wait(database, 7, "The Nobody", 2004, score=4.0, rated_at=1000)
    wait(database, 8, "Nobody", 2005, marks={Mark.WATCHED: Marked(True, 9)})
    wait(database, 9, "Nobody", 1980, score=1.0)
    film = client.post("/movies", json={"title": "Nobody", "year": 2004}).json()
    assert (film["rating_count"], film["mean_score"]) == (1, 4.0)
    assert there(database, film["id"]) == {7: (4.0, 1000)}
    assert [titles_waiting(database, user) for user in (7, 8, 9)] == [[], [], ["Nobody"]]
    assert client.get("/users/8/feedback").json()[0]["movie"]["id"] == film["id"]
    assert counts_are_right(database)


def test_a_movie_is_added_with_its_ids_which_no_other_has(client: TestClient) -> None:
    new = {"title": "Persona", "year": 1966, "imdb_id": "tt0060827", "tmdb_id": 797}
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    wait(service.database, 7, "Masken", 1967, score=4.5, rated_at=1000, imdb_id=60827)
    film = client.post("/movies", json=new).json()
    assert (film["imdb_id"], film["tmdb_id"], film["rating_count"]) == ("tt0060827", 797, 1)
    assert client.get("/movies", params={"tmdb_id": 797}).json() == [film]
    for ids in ({"imdb_id": "tt0060827"}, {"tmdb_id": 797, "imdb_id": "tt0000001"}):
        refused = client.post("/movies", json={"title": "Another"} | ids)
        assert refused.status_code == 409
        assert refused.json()["detail"].startswith(f'Movie {film["id"]}, "Persona", has that ')
    for wrong in ({"imdb_id": "60827"}, {"tmdb_id": 0}, {"tmdb_id": "797"}):
        assert client.post("/movies", json={"title": "Another"} | wrong).status_code == 422
    assert client.put(f"/movies/{film['id']}", json=new).status_code == 422  # ids are not edited
    assert client.get("/movies", params={"query": "Another"}).json() == []
