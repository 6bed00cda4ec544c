"""A movie that is added ends the rows that wait for it."""

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
