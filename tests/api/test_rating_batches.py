"""Many ratings in one request, and what nobody can get past the rule that a viewer rates for themselves."""

import json
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from app.user import Role
from tests.house import House

PATH = "/ratings/batch"
LINES = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}


def row(user: Any = 7, movie: Any = 1, score: Any = 4) -> dict[str, Any]:
    return {"user_id": user, "movie_id": movie, "score": score}


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(one) + "\n" for one in rows)


def send(client: TestClient, rows: list[Any], query: str = "", **headers: str) -> httpx.Response:
    answer: httpx.Response = client.post(PATH + query, json={"ratings": rows}, headers=headers)
    return answer


def statuses(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [result["index"] for result in results] == list(range(len(results)))
    assert all((result["status"] == "rejected") == ("detail" in result) for result in results)
    return [result["status"] for result in results]


def stored(client: TestClient) -> list[tuple[int, int, float]]:
    rows = client.get("/ratings?limit=1000").json()
    return [(row["user_id"], row["movie_id"], row["score"]) for row in rows]


MIXED: list[Any] = [
    row(),
    row(score=5),
    row(score=5),
    row(movie=424242),
    row(score=4.2),
    row(user="7"),
    row(8, 2, 0.5),
]
MIXED += [[1], {"user_id": 7}, row() | {"more": 1}, None]
BECAME = ["new", "replaced", "unchanged", *["rejected"] * 3, "new", *["rejected"] * 4]


@pytest.mark.parametrize("form", ["json", "lines"])
def test_good_ratings_are_written_and_bad_ones_named(client: TestClient, form: str) -> None:
    if form == "json":
        answer = send(client, MIXED)
    else:
        answer = client.post(PATH, content=f"\n{lines(MIXED)} \n", headers=LINES)
    assert statuses(answer) == BECAME
    figures = {name: answer.json()[name] for name in ("new", "replaced", "unchanged", "rejected")}
    assert figures == {"new": 2, "replaced": 1, "unchanged": 1, "rejected": 7}
    assert answer.json()["results"][3]["detail"] == "There is no movie 424242."
    assert answer.json()["results"][4]["detail"].startswith("score: ")
    assert stored(client) == [(7, 1, 5.0), (8, 2, 0.5)]
    assert client.get("/movies/1").json()["rating_count"] == 1


def test_all_or_nothing_names_every_bad_one(client: TestClient) -> None:
    refused = send(client, MIXED, "?atomic=true")
    assert refused.status_code == 422
    pointers = [fault["pointer"] for fault in refused.json()["errors"]]
    assert pointers == [f"#/ratings/{place}" for place, became in enumerate(BECAME) if became == "rejected"]
    assert stored(client) == []
    assert statuses(send(client, [row(), row(8)], "?atomic=true")) == ["new", "new"]


def test_a_repetition_with_the_key_is_the_first_answer(client: TestClient) -> None:
    key = {"Idempotency-Key": "b"}
    first = send(client, MIXED, **key)
    again = client.post(PATH, content=lines(MIXED), headers=LINES | key)
    assert again.json() == first.json() and again.headers["Idempotent-Replayed"] == "true"
    assert send(client, [row(score=1)], **key).status_code == 422
    assert send(client, MIXED, "?atomic=true", **key).status_code == 422
    assert stored(client) == [(7, 1, 5.0), (8, 2, 0.5)]


BAD = (
    b"", b"[]", b"{}", b'{"ratings": []}', b'{"ratings": {}}', b'{"ratings": [], "more": 1}',
    b'{"ratings": [', b"\xff",
    b'{"ratings": [], "ratings": [1]}', b'{"ratings": [{"score": NaN}]}', b"[" * 100_000, b"\xef\xbb\xbf{}",
    '{"ratings": [1]}'.encode("utf-16"), b'{"ratings": [' + b"9" * 5000 + b"]}",
)  # fmt: skip


@pytest.mark.parametrize("body", BAD, ids=[repr(body[:32]) for body in BAD])
def test_what_is_no_list_of_ratings(client: TestClient, body: bytes) -> None:
    answer = client.post(PATH, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:matinee:invalid"), answer.text


def test_a_line_that_cannot_be_read_is_one_bad_line(client: TestClient) -> None:
    bad = ["{", "NaN", "[" * 100_000, "9" * 5000, '{"score": 4, "score": 5}', "\ufeff{}"]
    content = "\r\n".join([json.dumps(row()), *bad, json.dumps(row(movie=2))])
    answer = client.post(PATH, content=content.encode(), headers=LINES)
    assert statuses(answer) == ["new", *["rejected"] * len(bad), "new"]


def test_how_many_and_in_which_form(client: TestClient) -> None:
    assert send(client, [1] * 10_001).status_code == 422
    for kind in ("text/csv", "text/plain", "application/x-www-form-urlencoded", ""):
        answer = client.post(PATH, content=lines([row()]), headers={"Content-Type": kind})
        assert answer.status_code == 415, kind
    large = client.post(PATH, content=b" " * 2_000_000, headers=LINES)
    assert large.status_code == 413
    assert stored(client) == []


def test_ten_thousand_ratings(client: TestClient) -> None:
    rows = [row(user, movie, 1 + user % 9 / 2) for user in range(5000) for movie in (1, 2)]
    answer = client.post(PATH, content=json.dumps({"ratings": rows}, separators=(",", ":")), headers=JSON)
    assert (answer.status_code, answer.json()["new"]) == (200, 10_000), answer.text[:200]
    assert client.get("/movies/2").json()["rating_count"] == 5000


ANN, BEN = "{ann}", "{ben}"
TRICKS: dict[str, list[dict[str, Any]]] = {
    "the last one": [{"content": lines([{"user_id": ANN}, {"user_id": BEN}]), "headers": LINES}],
    "a name twice": [
        {"content": f'{{"user_id": {one}, "user_id": {two}, "movie_id": 1, "score": 1}}', "headers": LINES}
        for one, two in ((ANN, BEN), (BEN, ANN))
    ],
    "escaped": [{"content": rf'{{"user\u005fid": {BEN}, "movie_id": 1, "score": 1}}', "headers": LINES}],
    "a number of another form": [
        {"content": f'{{"user_id": {BEN}{form}, "movie_id": 1, "score": 1}}', "headers": LINES}
        for form in (".0", "e0", "0e-1")
    ],
    "a user beside the rows": [
        {"content": f'{{"user_id": {ANN}, "ratings": [{{"user_id": {BEN}, "movie_id": 1, "score": 1}}]}}'},
        {"content": f'{{"ratings": [], "ratings": [{{"user_id": {BEN}, "movie_id": 1, "score": 1}}]}}'},
        {"content": f'{{"ratings": [[{{"user_id": {BEN}, "movie_id": 1, "score": 1}}]]}}'},
    ],
    "a Content-Type": [
        {"content": f'{{"user_id": {BEN}, "movie_id": 1, "score": 1}}', "headers": {"Content-Type": kind}}
        for kind in ("application/JSONL; charset=utf-7", " application/x-ndjson ;x=y/json", "text/x")
    ]
    + [
        {
            "content": f'{{"ratings": [{{"user_id": {BEN}, "movie_id": 1, "score": 1}}]}}',
            "headers": {"Content-Type": kind},
        }
        for kind in ("application/json; charset=utf-16", "APPLICATION/JSON", "text/x", "application/jsonl")
    ],
    "a query": [
        {
            "content": f'{{"user_id": {BEN}, "movie_id": 1, "score": 1}}',
            "headers": LINES,
            "params": {"user_id": ANN},
        }
    ],
}  # fmt: skip


def test_nobody_rates_for_another(house: House) -> None:
    ann, ben = house.person("Ann", Role.VIEWER), house.person("Ben", Role.VIEWER)
    cara = house.person("Cara", Role.EDITOR)
    client, as_ann = house.client(), house.token(ann, "a")
    for name, tricks in TRICKS.items():
        for trick in tricks:
            text = trick["content"].replace(ANN, str(ann)).replace(BEN, str(ben))
            headers = JSON | trick.get("headers", {}) | as_ann
            params = {key: str(ann) for key in trick.get("params", {})}
            answer = client.post(PATH, content=text.encode(), headers=headers, params=params)
            assert answer.status_code in (403, 415, 422) or answer.json()["rejected"] == 1, (
                name,
                answer.text,
            )
    as_cara = house.token(cara, "c")
    assert client.get("/ratings", headers=as_cara).json() == []
    assert client.post(PATH, json={"ratings": [row(ann), row(ben)]}, headers=as_ann).status_code == 403
    own = client.post(PATH, json={"ratings": [row(ann), row(ann, 2)]}, headers=as_ann)
    assert statuses(own) == ["new", "new"]
    assert statuses(client.post(PATH, json={"ratings": [row(ben), row(ann)]}, headers=as_cara)) == [
        "new",
        "unchanged",
    ]


def test_a_batch_of_anothers_is_in_the_audit_and_ones_own_is_not(house: House) -> None:
    ann, cara = house.person("Ann", Role.VIEWER), house.person("Cara", Role.EDITOR)
    admin = house.token(house.person("Dan", Role.ADMIN), "d")
    client = house.client()
    as_ann, as_cara = house.token(ann, "a"), house.token(cara, "c")
    for rows, who in (
        ([row(ann)], as_ann),
        ([row(cara)], as_cara),
        ([row(ann)], as_cara),
        ([row(), row(ann)], as_cara),
    ):
        statuses(client.post(PATH, json={"ratings": rows}, headers=who))
    listed = client.get("/audit", headers=admin).json()
    assert [(one["action"], one["target"]) for one in listed] == [
        ("rate_movies", "/ratings/batch"),
        ("rate_movies", f"/users/{ann}/ratings"),
    ]
