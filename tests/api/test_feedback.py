"""Marks and rows that wait, over HTTP."""

from fastapi.testclient import TestClient

from app.mark import Mark, Marked
from app.repository import waiting
from app.repository.waiting import Waiting


def keep(client: TestClient, *rows: Waiting) -> None:
    with client.app.state.service.database.write() as connection:  # type: ignore[attr-defined]
        for row in rows:
            waiting.put(connection, row.user_id, [row])


def test_marks_that_are_named_change_and_the_others_stay(client: TestClient) -> None:
    first = client.put("/users/7/feedback/1", json={"watched": True, "like": True})
    assert first.status_code == 200, first.text
    assert {name: state["value"] for name, state in first.json().items() if isinstance(state, dict)} == {
        "watched": True,
        "like": True,
    }
    client.put("/users/7/feedback/1", json={"not_interested": True})
    client.put("/users/7/feedback/2", json={"watchlist": True})
    listed = client.get("/users/7/feedback", params={"limit": 1})
    assert [(row["movie"]["id"], row["movie"]["title"]) for row in listed.json()] == [(1, "Toy Story")]
    assert listed.json()[0]["not_interested"]["value"] is True
    assert listed.json()[0]["like"] is None
    assert [row["movie"]["id"] for row in client.get(listed.links["next"]["url"]).json()] == [2]
    only = client.get("/users/7/feedback", params={"mark": "watched"}).json()
    assert [row["movie"]["id"] for row in only] == [1]
    for movie_id, found in ((2, [2]), (3, [])):
        one = client.get("/users/7/feedback", params={"movie_id": movie_id}).json()
        assert [row["movie"]["id"] for row in one] == found


def test_what_makes_no_sense_is_refused(client: TestClient) -> None:
    for body in (
        {},
        {"watched": "yes"},
        {"watched": 1},
        {"seen": True},
        {"like": True, "not_interested": True},
    ):
        assert client.put("/users/7/feedback/1", json=body).status_code == 422, body
    assert client.put("/users/7/feedback/999999", json={"watched": True}).status_code == 404
    assert client.get("/users/7/feedback", params={"mark": "seen"}).status_code == 422
    assert client.put("/users/7/waiting/0", json={"movie_id": 1}).status_code == 422


def test_a_row_waits_until_its_movie_is_chosen(client: TestClient) -> None:
    candidates = ((1, "the same title, of 1995"), (999_999, "a similar title"))
    marks = {Mark.WATCHED: Marked(True, 5)}
    row = Waiting(7, "title:toy:1996", "Toy", 1996, score=4.5, rated_at=9, marks=marks, candidates=candidates)
    keep(client, row, Waiting(7, "imdb:3", "Other", imdb_id=3), Waiting(8, "imdb:3", "Other"))
    page = client.get("/users/7/waiting", params={"limit": 1})
    (listed,) = page.json()
    whole = client.get("/movies/1").json()
    assert listed["candidates"] == [{"movie": whole, "why": "the same title, of 1995"}]
    assert listed["marks"]["watched"]["value"] is True
    (other,) = client.get(page.links["next"]["url"]).json()
    chosen = client.put(f"/users/7/waiting/{listed['number']}", json={"movie_id": 1})
    assert chosen.json() == {"number": listed["number"], "movie_id": 1}
    assert client.get("/users/7/ratings").json()[0]["score"] == 4.5
    assert client.put(f"/users/7/waiting/{listed['number']}", json={"movie_id": 1}).status_code == 404
    assert client.delete(f"/users/8/waiting/{other['number']}").status_code == 404
    assert client.delete(f"/users/7/waiting/{other['number']}").status_code == 204
    assert client.get("/users/7/waiting").json() == []
