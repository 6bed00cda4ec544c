"""Compression of answers: what is long and read, in its own representation, and never a secret."""

import gzip
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from app.api.edge.compression import LEAST

GZIP = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}
LONG = "/movies?limit=50"


def coding(client: TestClient, path: str, headers: dict[str, str] = GZIP) -> str | None:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    found: str | None = answer.headers.get("content-encoding")
    return found


@pytest.mark.parametrize(
    "path", [LONG, "/openapi.json", "/movies.csv", "/static/api.js", "/static/matinee.css"]
)
def test_long_answers_to_reads_are_compressed(client: TestClient, path: str) -> None:
    packed, plain = client.get(path, headers=GZIP), client.get(path, headers=PLAIN)
    assert (packed.headers.get("content-encoding"), plain.headers.get("content-encoding")) == ("gzip", None)
    assert packed.content == plain.content
    for answer in (packed, plain):
        assert "Accept-Encoding" in answer.headers["vary"]
    if "content-length" in packed.headers:
        assert int(packed.headers["content-length"]) < len(plain.content) / 2


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/movies?limit=1", GZIP),
        ("/", GZIP),
        ("/docs", GZIP),
        (LONG, PLAIN),
        (LONG, {"Accept-Encoding": "gzip;q=0"}),
        (LONG, {"Accept-Encoding": "gzip; q=0.00, identity"}),
    ],
)
def test_short_answers_and_pages_are_not(client: TestClient, path: str, headers: dict[str, str]) -> None:
    assert coding(client, path, headers) is None


def test_events_are_not(client: TestClient, run_tasks: Callable[[], None]) -> None:
    task_id = client.post("/imports").json()["task_id"]
    run_tasks()
    assert coding(client, f"/tasks/{task_id}/events") is None


def test_answers_to_changes_are_not(client: TestClient) -> None:
    """Some hold a secret once, beside what the caller sent."""
    made = client.post("/movies", json={"title": "\N{MOVIE CAMERA}" * 400}, headers=GZIP)
    assert (made.status_code, made.headers.get("content-encoding")) == (201, None)
    assert len(made.content) > LEAST


@pytest.mark.parametrize("path", [LONG, "/static/api.js"])
def test_each_coding_has_a_tag_of_its_own_and_both_are_known_again(client: TestClient, path: str) -> None:
    tags = {
        name: client.get(path, headers={"Accept-Encoding": name}).headers["etag"]
        for name in ("gzip", "identity")
    }
    assert tags["gzip"] == tags["identity"][:-1] + '-gzip"'
    for name, tag in tags.items():
        for form in (tag, f"W/{tag}", f'"a", {tag}'):
            again = client.get(path, headers={"Accept-Encoding": name, "If-None-Match": form})
            assert (again.status_code, again.headers["etag"], again.content) == (304, tag, b"")
    assert client.get(path, headers={"If-None-Match": '"a-gzip"'}).status_code == 200


def test_head_has_the_headers_of_the_compressed_answer(client: TestClient) -> None:
    head, get = client.head(LONG, headers=GZIP), client.get(LONG, headers=GZIP)
    for name in ("content-encoding", "content-length", "etag", "vary"):
        assert head.headers[name] == get.headers[name]


def test_a_long_movie_is_changed_by_the_tag_of_its_compressed_form(client: TestClient) -> None:
    movie = client.post("/movies", json={"title": "\N{MOVIE CAMERA}" * 400}).json()
    path = f"/movies/{movie['id']}"
    tag = client.get(path, headers=GZIP).headers["etag"]
    assert tag.endswith('-gzip"')
    assert client.patch(path, json={"year": 1999}, headers={"If-Match": tag}).status_code == 200
    assert client.patch(path, json={"year": 2000}, headers={"If-Match": tag}).status_code == 412


def test_a_part_of_a_file_is_sent_as_it_is(client: TestClient) -> None:
    part = client.get("/static/api.js", headers=GZIP | {"Range": "bytes=0-1999"})
    assert (part.status_code, part.headers.get("content-encoding"), len(part.content)) == (206, None, 2000)


def test_the_wire_has_gzip(client: TestClient) -> None:
    with client.stream("GET", LONG, headers=GZIP) as answer:
        raw = b"".join(answer.iter_raw())
    assert gzip.decompress(raw) == client.get(LONG, headers=PLAIN).content
