"""Events of players over HTTP: whose they are, what they change, and that each counts once."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api.discretion import hidden
from app.config import Settings
from app.repository import hooks, marks
from app.user import Role
from tests.house import House
from tests.players import messages
from tests.players.messages import NOON

HOUR = 3600


def hook(client: TestClient, player: str = "tautulli", **body: Any) -> dict[str, Any]:
    answer = client.post("/hooks", json={"player": player, "user_id": 7, "names": {"anna": 7}} | body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def tell(client: TestClient, made: dict[str, Any], message: Any) -> dict[str, Any]:
    answer = client.post(made["address"], json=message)
    assert answer.status_code == 200, answer.text
    return {name: value for name, value in answer.json().items() if value}


def marked(client: TestClient, movie_id: int = 1, user_id: int = 7) -> dict[str, bool]:
    with client.app.state.service.database.read() as connection:  # type: ignore[attr-defined]
        found = marks.of_movie(connection, user_id, movie_id)
    return {mark.value: state.is_set for mark, state in found.items()}


def test_an_event_marks_the_movie_of_its_person_once(client: TestClient) -> None:
    made = hook(client)
    assert tell(client, made, messages.tautulli()) == {"counted": 1}
    assert tell(client, made, messages.tautulli()) == {"repeated": 1}
    assert tell(client, made, messages.tautulli(NOON + 5 * HOUR, session="")) == {"repeated": 1}
    assert tell(client, made, messages.tautulli(NOON + 20 * HOUR, session="12")) == {"counted": 1}
    shown = client.get("/users/7/feedback").json()
    assert [(row["movie"]["id"], row["watched"]["at"]) for row in shown] == [(1, "2025-10-10T04:53:20Z")]
    (listed,) = client.get("/hooks", params={"user_id": 7}).json()
    assert (listed["counted"], listed["repeated"], listed["player"]) == (2, 2, "tautulli")
    assert "address" not in listed


def test_the_form_of_plex_is_read_and_its_picture_dropped(client: TestClient) -> None:
    made = hook(client, "plex")
    body, headers = messages.form(messages.plex(), b"\x00" * 4_000_000)
    answer = client.post(made["address"], content=body, headers=headers)
    assert answer.json()["counted"] == 1, answer.text
    assert answer.headers["referrer-policy"] == "no-referrer"
    body, headers = messages.form(messages.plex(), b"\x00" * 6_000_000)
    assert client.post(made["address"], content=body, headers=headers).status_code == 413
    assert client.post(made["address"], content=body[:-20][:500], headers=headers).status_code in (200, 422)


def test_ratings_likes_and_their_order(client: TestClient) -> None:
    made = hook(client, "kodi")
    for at, event in ((NOON + 9, "unfavourite"), (NOON, "favourite")):
        tell(client, made, messages.kodi(at, event=event))
    assert marked(client) == {"like": False}
    for at, rating in ((NOON + 9, 8), (NOON, 3), (NOON + 9, 7)):
        tell(client, made, messages.kodi(at, event="rated", rating=rating))
    rating = client.get("/users/7/ratings/1").json()
    assert rating["score"] == 4


def test_a_movie_that_is_not_there_waits_for_it(client: TestClient) -> None:
    made = hook(client, "kodi")
    unknown = {"title": "No Such Movie", "uniqueid": {"imdb": "tt9999999"}}
    assert tell(client, made, messages.kodi(**unknown)) == {"counted": 1, "without_movie": 1}
    assert tell(client, made, messages.kodi(event="rated", rating=9, **unknown)) == {
        "counted": 1,
        "without_movie": 1,
    }
    (row,) = client.get("/users/7/waiting").json()
    assert (row["title"], row["imdb_id"], row["score"]) == ("No Such Movie", "tt9999999", 4.5)
    client.put(f"/users/7/waiting/{row['number']}", json={"movie_id": 2}).raise_for_status()
    assert marked(client, 2) == {"watched": True}
    assert tell(client, made, messages.kodi(**unknown)) == {"repeated": 1}
    assert tell(client, made, messages.kodi(NOON + 9, title="Toy Story", uniqueid={})) == {"counted": 1}
    assert marked(client) == {"watched": True}


def test_events_of_an_unknown_name_wait_and_are_offered(client: TestClient) -> None:
    made = hook(client, user_id=None, names={})
    for at in (NOON, NOON, NOON + 20 * HOUR):
        event = messages.tautulli(at, "ben", session="")
        assert tell(client, made, event)["waiting"] == 1
    (listed,) = client.get("/hooks").json()
    assert listed["unknown_names"] == {"ben": 2}
    assert marked(client, user_id=8) == {}
    named = client.put(f"/hooks/{made['number']}/names", json={"ben": 8, "guest": None})
    assert (named.status_code, named.json()["counted"]) == (200, 2)
    assert marked(client, user_id=8) == {"watched": True}
    (listed,) = client.get("/hooks").json()
    assert (listed["unknown_names"], listed["names"]) == ({}, {"ben": 8, "guest": None})
    assert tell(client, made, messages.tautulli(NOON, "guest"))["ignored"] == 1
    assert tell(client, made, messages.tautulli(NOON, ""))["ignored"] == 1


def test_what_waits_is_bounded(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "MOST_EVENTS", 3)
    made = hook(client)
    told = [tell(client, made, messages.tautulli(NOON + n, "ben")) for n in range(5)]
    assert [("waiting" in one, "dropped" in one) for one in told] == [(True, False)] * 3 + [(False, True)] * 2
    assert client.get("/hooks?user_id=7").json()[0]["dropped"] == 2


def test_series_are_ignored_by_name(client: TestClient) -> None:
    told = tell(client, hook(client, "plex"), messages.plex(type="episode", grandparentTitle="Show"))
    assert told == {"ignored": 1, "reason": "'Toy Story' of 'Show' is of the kind 'episode', not a movie."}


def test_an_address_that_is_no_hook_and_one_that_was_deleted(client: TestClient) -> None:
    made = hook(client)
    wrong = client.post("/hook/" + "x" * 43, json=messages.tautulli())
    assert (wrong.status_code, wrong.headers["referrer-policy"]) == (404, "no-referrer")
    assert client.delete(f"/hooks/{made['number']}?user_id=8").status_code == 404
    assert client.delete(f"/hooks/{made['number']}?user_id=7").status_code == 204
    assert client.post(made["address"], json=messages.tautulli()).status_code == 404
    assert marked(client) == {}


def test_a_foreign_page_and_another_machine_are_refused(client: TestClient) -> None:
    made = hook(client)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = client.post(made["address"], json=messages.tautulli(), headers=headers)
        assert answer.status_code == 403
    elsewhere = TestClient(client.app, base_url="http://192.0.2.1", client=("192.0.2.7", 1))
    assert elsewhere.post(made["address"], json=messages.tautulli()).status_code == 403
    assert marked(client) == {}


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"[" * 10_000, 422),
        (b'{"a":' * 10_000, 422),
        (b"[]", 422),
        (b"", 422),
        (b'{"event": NaN}', 422),
        (b"\xff", 422),
        (b'"' + b"a" * (1 << 20) + b'"', 413),
    ],
)
def test_bodies_that_are_no_messages(client: TestClient, content: bytes, status: int) -> None:
    answer = client.post(hook(client)["address"], content=content)
    assert answer.status_code == status, answer.text


def test_a_title_of_10000_characters_waits_cut(client: TestClient) -> None:
    tell(client, hook(client), messages.tautulli(title="A" * 10_000, imdb_id="", tmdb_id=""))
    (row,) = client.get("/users/7/waiting").json()
    assert len(row["title"]) == 500


def test_with_the_door_open_the_address_is_enough_and_viewers_have_their_own(settings: Settings) -> None:
    house = House(settings)
    ann, ben = house.person("Ann", Role.VIEWER), house.person("Ben", Role.VIEWER)
    client, token = house.client(), house.token(ann, "a")
    body = {"player": "kodi", "user_id": ann, "names": {"anna": ann}}
    made = client.post("/hooks", json=body, headers=token)
    assert made.status_code == 201, made.text
    told = client.post(made.json()["address"], json=messages.kodi())
    assert told.json()["counted"] == 1
    for other in ({"player": "kodi", "user_id": ben}, {"player": "kodi"}, body | {"names": {"x": ben}}):
        assert client.post("/hooks", json=other, headers=token).status_code == 403, other
    names = f"/hooks/{made.json()['number']}/names?user_id={ann}"
    assert client.put(names, json={"x": ben}, headers=token).status_code == 403
    assert client.put(names, json={"x": ann}, headers=token).status_code == 200
    again = [client.post("/hooks", json=body, headers=token | {"Idempotency-Key": "k"}) for _ in range(2)]
    assert [one.status_code for one in again] == [201, 409]
    assert again[0].json()["address"] not in again[1].text
    house.service.close()


def test_the_secret_is_in_no_log_and_not_in_the_database(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    made = hook(client)
    secret = made["address"].removeprefix("/hook/")
    client.post(made["address"], content=b"nonsense")
    assert secret not in caplog.text
    assert hidden(f"POST {made['address']} HTTP/1.1") == "POST /hook/... HTTP/1.1"
    settings: Settings = client.app.state.service.settings  # type: ignore[attr-defined]
    for path in settings.data_dir.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
