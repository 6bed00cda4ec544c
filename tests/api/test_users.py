"""People over HTTP: names are unique in whatever form, and an id that has ratings can be given one."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.user import Role
from tests.house import House

FIRST = 1_000_000_000


def add(client: TestClient, name: str) -> Any:
    return client.post("/users", json={"name": name})


def rate(client: TestClient, user: int) -> None:
    assert client.post("/ratings", json={"movie_id": 1, "user_id": user, "score": 4}).is_success


def test_a_person_has_a_name_and_an_id_of_their_own(client: TestClient) -> None:
    answer = add(client, "  Ada ")
    assert answer.status_code == 201
    person = answer.json()
    assert answer.headers["location"] == f"/users/{person['id']}"
    assert person["id"] >= FIRST
    assert (person["name"], person["rating_count"]) == ("Ada", 0)
    rate(client, person["id"])
    assert client.get(answer.headers["location"]).json() == person | {"rating_count": 1}
    assert add(client, "Bob").json()["id"] != person["id"]


def test_ids_that_have_ratings_are_not_given_to_a_new_person(client: TestClient) -> None:
    rate(client, FIRST)
    rate(client, FIRST + 1)
    assert add(client, "Ada").json()["id"] == FIRST + 2


@pytest.mark.parametrize("other", ["Zoë", "zoë", "Zoe\u0308", "ＺＯË", " ZOË  "])
def test_a_name_is_given_once_in_whatever_form(client: TestClient, other: str) -> None:
    first = add(client, "Zoë").json()["id"]
    answer = add(client, other)
    assert answer.status_code == 409
    assert str(first) in answer.json()["detail"]
    second = add(client, "Zoe").json()["id"]  # another name: the accent counts
    assert client.patch(f"/users/{second}", json={"name": other}).status_code == 409
    assert client.patch(f"/users/{first}", json={"name": other}).status_code == 200


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\x00b", "a\nb", None, 7])
def test_a_name_that_is_none_is_refused(client: TestClient, name: Any) -> None:
    assert client.post("/users", json={"name": name}).status_code == 422


def test_an_id_that_has_ratings_is_given_a_name(client: TestClient) -> None:
    rate(client, 7)
    nameless = {"id": 7, "name": None, "rating_count": 1, "created_at": None, "together": False}
    assert client.get("/users/7").json() == nameless
    assert client.patch("/users/7", json={"name": "Grace"}).json()["name"] == "Grace"
    assert client.get("/users/7").json()["name"] == "Grace"
    assert client.patch("/users/8", json={"name": "Nobody"}).status_code == 404
    assert client.get("/users/8").status_code == 404


def test_people_are_listed_and_others_on_request(client: TestClient) -> None:
    people = [add(client, name).json()["id"] for name in ("Ada", "Bob", "Cleo")]
    for user in (5, 6, 7):
        rate(client, user)
    assert [user["id"] for user in client.get("/users").json()] == people
    asked = client.get(f"/users?id={people[1]}&id=6&id=8&id=6").json()
    assert [(user["id"], user["name"]) for user in asked] == [(6, None), (people[1], "Bob")]
    assert [user["id"] for user in client.get("/users?name=BOB").json()] == [people[1]]
    assert client.get("/users?name=Dora").json() == []
    found, path = [], "/users?all=true&limit=2"
    while path:
        page = client.get(path)
        found += [user["id"] for user in page.json()]
        path = page.links["next"]["url"] if "next" in page.links else ""
    assert found == [5, 6, 7, *people]


def test_a_repeated_request_adds_one_person(client: TestClient) -> None:
    headers = {"Idempotency-Key": "k"}
    answers = [client.post("/users", json={"name": "Ada"}, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(client.get("/users").json()) == 1


def test_a_viewer_sees_no_id_without_a_name(settings: Settings) -> None:
    house = House(settings)
    client, ann, ben = house.client(), house.person("Ann", Role.VIEWER), house.person("Ben", Role.EDITOR)
    as_ann, as_ben = house.token(ann, "a"), house.token(ben, "b")
    client.post("/ratings", json={"user_id": 7, "movie_id": 1, "score": 5}, headers=as_ben)
    assert client.get("/users/7", headers=as_ann).status_code == 404
    assert client.get("/users?all=true", headers=as_ann).status_code == 403
    shown = client.get(f"/users?id={ann}&id=7&id={ben}", headers=as_ann).json()
    assert [user["id"] for user in shown] == [ann, ben]
    assert client.get("/users/7", headers=as_ben).json()["rating_count"] == 1
    house.service.close()
