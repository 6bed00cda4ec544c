"""Imports over HTTP: what is taken, what is refused before a task exists, what is left on disk."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.tasks import retention
from app.tasks.worker import run_next
from benchmarks.sample import rows

SAMPLE_ROWS = sum(1 for _ in rows())
CSV = {"Content-Type": "text/csv"}
GOOD = b"user_id,movie_id,score\n7,1,5\n7,2,0.5\n"


def run_import(client: TestClient, run_tasks: Callable[[], None], **request: Any) -> dict[str, Any]:
    started = client.post(request.pop("url", "/imports"), **request)
    assert started.status_code == 202, started.text
    run_tasks()
    task: dict[str, Any] = client.get(started.headers["location"]).json()
    return task


def test_no_body_imports_the_bundled_sample(client: TestClient, run_tasks: Callable[[], None]) -> None:
    task = run_import(client, run_tasks)
    assert task["status"] == "complete"
    assert task["result"]["read"] == task["result"]["new"] == SAMPLE_ROWS
    again = run_import(client, run_tasks)
    assert again["result"]["unchanged"] == SAMPLE_ROWS


@pytest.mark.parametrize(
    "request_",
    [
        {"content": GOOD, "headers": CSV},
        {"content": GOOD, "headers": {"Content-Type": "text/csv; charset=utf-8"}},
        {"content": GOOD},
        {"content": iter([GOOD[:9], GOOD[9:]]), "headers": CSV},
        {"files": {"file": ("my ratings.csv", GOOD)}},
    ],
)
def test_a_csv_is_taken_raw_or_as_a_form(
    client: TestClient, run_tasks: Callable[[], None], request_: dict[str, Any]
) -> None:
    task = run_import(client, run_tasks, **request_)
    assert task["status"] == "complete"
    assert task["result"]["new"] == 2
    scores = {r["movie_id"]: r["score"] for r in client.get("/ratings?user_id=7").json()}
    assert scores == {1: 5.0, 2: 0.5}


def test_one_bad_row_costs_no_good_one(client: TestClient, run_tasks: Callable[[], None]) -> None:
    content = b"user_id,movie_id,score\n7,1,5\n7,2,nine\nx,2,4\n7,424242,4\n8,1,4\n"
    result = run_import(client, run_tasks, content=content, headers=CSV)["result"]
    assert (result["read"], result["new"], result["rejected"]) == (5, 2, 3)
    assert sorted(reject["line"] for reject in result["rejects"]) == [3, 4, 5]


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", CSV, 422),
        (b"name,age\n1,2\n", CSV, 422),
        (b"\xff\xfeu\x00s\x00e\x00r\x00", CSV, 422),
        (b"user_id,movie_id,score\r7,1,5\r", CSV, 422),
        (GOOD, {"Content-Type": "application/pdf"}, 415),
        (GOOD, {"Content-Type": "image/png"}, 415),
    ],
)
def test_what_cannot_be_read_is_refused_whole(
    client: TestClient, settings: Settings, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/imports", content=content, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert len(answer.json()["detail"]) > 30
    assert client.get("/tasks").json() == []
    assert list(settings.uploads_dir.iterdir()) == []


def form(*parts: tuple[str, bytes], end: bytes = b"--x--\r\n") -> dict[str, Any]:
    """A form as it stands in a request: (what follows the name of a part, its content)."""
    head = "Content-Disposition: form-data; name="
    content = b"".join(f"--x\r\n{head}{name}\r\n\r\n".encode() + data + b"\r\n" for name, data in parts)
    return {"content": content + end, "headers": {"Content-Type": "multipart/form-data; boundary=x"}}


FILE = ('"file"; filename="a.csv"', GOOD)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (form(*[(f'"f{i}"', b"x") for i in range(900)], FILE), "10 fields"),
        (form(('"note"', b"x" * 5_000), FILE), "4,096 bytes"),
        (form(FILE, FILE), "another file"),
        (form(('"other"; filename="a.csv"', GOOD)), "part `file`"),
        (form(FILE, end=b""), "no end"),
        (form(FILE, end=b"--x--\r\n" + b"x" * 200_000), "too much"),
        ({"content": b"--x", "headers": {"Content-Type": "multipart/form-data"}}, "boundary"),
        ({"content": b"nothing", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, "form"),
    ],
)
def test_a_form_is_one_file_and_little_else(
    client: TestClient, settings: Settings, request_: dict[str, Any], says: str
) -> None:
    answer = client.post("/imports", **request_)
    assert (answer.status_code, says in answer.json()["detail"]) == (422, True), answer.text
    assert list(settings.uploads_dir.iterdir()) == []


def test_a_form_with_some_fields_and_a_file_in_small_parts(
    client: TestClient, run_tasks: Callable[[], None]
) -> None:
    whole = form(('"_charset_"', b"utf-8"), ('"file"; filename="é.csv"', GOOD), ('"token"', b"t"))
    whole["content"] = iter([whole["content"][i : i + 1] for i in range(len(whole["content"]))])
    task = run_import(client, run_tasks, **whole)
    assert (task["status"], task["result"]["new"]) == ("complete", 2)


def test_a_form_without_a_file_is_refused(client: TestClient) -> None:
    answer = client.post("/imports", files={"other": ("a.csv", GOOD)})
    assert answer.status_code == 422
    assert "part `file`" in answer.json()["detail"]


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("form", [True, False])
def test_a_large_upload_is_refused(settings: Settings, declared: bool, form: bool) -> None:
    client = TestClient(create_app(Settings(settings.data_dir, max_upload=100_000, embedded_worker=False)))
    large = GOOD + b"7,1,5\n" * 50_000
    if form:
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        large, kind = head + large + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"
    else:
        kind = "text/csv"
    content = large if declared else iter([large[:70_000], large[70_000:]])
    answer = client.post("/imports", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 413
    assert "MATINEE_MAX_UPLOAD" in answer.json()["detail"]
    assert client.get("/tasks").json() == []
    assert list(settings.uploads_dir.iterdir()) == []


@pytest.mark.parametrize("kind", ["application/vnd.ms-excel", "text/x-csv", "TEXT/CSV; header=present"])
def test_a_csv_is_taken_by_the_types_that_systems_give_it(
    client: TestClient, run_tasks: Callable[[], None], kind: str
) -> None:
    task = run_import(client, run_tasks, content=GOOD, headers={"Content-Type": kind})
    assert task["result"]["new"] == 2


def test_what_the_caller_says_of_a_file_is_followed_and_part_of_the_request(
    client: TestClient, run_tasks: Callable[[], None]
) -> None:
    content = "who;what;mark\n7;1;10\n7;2;\u00e9\n".encode("cp1252")
    asked = client.post("/imports", content=content, headers=CSV)
    assert asked.status_code == 422
    assert asked.json()["errors"][0]["parameter"] == "columns"
    assert asked.json()["errors"][0]["candidates"] == ["who", "what", "mark"]
    query = "columns=user_id:who,movie_id:2,score:mark&scale=10"
    keyed = {"Idempotency-Key": "k", "Content-Type": "text/csv; charset=ISO-8859-1"}
    task = run_import(client, run_tasks, url=f"/imports?{query}", content=content, headers=keyed)
    assumed = task["result"]["assumed"][0]
    assert (assumed["scale"], assumed["encoding"], task["result"]["new"]) == ("0-10", "cp1252", 1)
    other = client.post("/imports?columns=user_id:1&scale=5", content=content, headers=keyed)
    assert other.status_code == 422
    for wrong in ("scale=7", "charset=base64", "columns=x:y", "dates=year"):
        refused = client.post(f"/imports?{wrong}", content=content, headers=CSV)
        assert refused.status_code == 422, wrong
        assert refused.json()["errors"][0]["parameter"] == wrong.partition("=")[0]


def test_unknown_imports_are_unknown(client: TestClient) -> None:
    assert client.get("/imports/nope").json() == {"task_id": "nope", "status": "unknown"}
    rebuild = client.post("/recommender/rebuild").json()["task_id"]
    assert client.get(f"/imports/{rebuild}").json()["status"] == "unknown"
    assert client.get("/recommender/rebuild/nope").json() == {
        "task_id": "nope",
        "status": "unknown",
        "sample": [],
    }
    missing = client.get("/tasks/nope")
    assert missing.status_code == 404
    assert "GET /tasks" in missing.json()["detail"]


def test_rejects_are_a_csv_to_download(client: TestClient, run_tasks: Callable[[], None]) -> None:
    content = b"user_id,movie_id,score\n7,1,5\n7,2,nine\n=1+1,2,4\n"
    task = run_import(client, run_tasks, content=content, headers=CSV)
    answer = client.get(f"/imports/{task['task_id']}/rejects")
    assert answer.headers["content-type"].startswith("text/csv")
    lines = answer.text.splitlines()
    assert lines[0] == "line,column,value,reason"
    assert [line.split(",")[0] for line in lines[1:]] == ["3", "4"]
    assert "\n=" not in answer.text
    assert ",=" not in answer.text
    assert client.get("/imports/nope/rejects").status_code == 404


def test_an_import_is_undone_over_http(client: TestClient, run_tasks: Callable[[], None]) -> None:
    client.post("/ratings", json={"movie_id": 1, "user_id": 7, "score": 1})
    later = b"user_id,movie_id,score,rated_at\n8,1,5,1000000000\n"
    task_id = run_import(client, run_tasks, content=later, headers=CSV)["task_id"]
    assert client.get("/movies/1").json()["rating_count"] == 2
    started = client.post(f"/imports/{task_id}/undo", headers={"Idempotency-Key": "u"})
    assert started.status_code == 202
    run_tasks()
    assert client.get(started.headers["location"]).json()["status"] == "complete"
    assert client.get("/movies/1").json()["rating_count"] == 1
    again = client.post(f"/imports/{task_id}/undo", headers={"Idempotency-Key": "u"})
    assert again.json() == started.json()
    refused = client.post(f"/imports/{task_id}/undo")
    assert refused.status_code == 409
    assert "undone already" in refused.json()["detail"]
    assert client.post("/imports/nope/undo").status_code == 404


def test_what_is_exported_is_imported_again_to_the_same(
    client: TestClient, run_tasks: Callable[[], None], tmp_path: Path
) -> None:
    client.post("/movies", json={"title": '=1+1, "quoted"', "genre": "Sci-Fi|Drama"})
    run_import(client, run_tasks)
    exported = {name: client.get(f"/{name}.csv") for name in ("movies", "ratings")}
    assert exported["movies"].headers["content-type"] == "text/csv; charset=utf-8"
    app = create_app(Settings(tmp_path / "other", embedded_worker=False))
    other = TestClient(app)
    for name in ("movies", "ratings"):
        other.post("/imports", content=exported[name].content, headers=CSV).raise_for_status()
    while run_next(app.state.service.database, app.state.service.settings):
        pass
    assert {name: other.get(f"/{name}.csv").text for name in exported} == {
        name: answer.text for name, answer in exported.items()
    }
    app.state.service.close()


def test_a_refusal_of_a_file_without_a_name_reads_as_a_sentence(client: TestClient) -> None:
    answer = client.post("/imports", content=b"a,b\n1,2\n", headers={"Content-Type": "text/csv"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("The file begins with 'a,b'")


def test_a_movie_of_the_highest_id_keeps_none_from_being_made(
    client: TestClient, run_tasks: Callable[[], None]
) -> None:
    content = b"id,title,year,genre\n9223372036854775807,Last,,\n"
    assert run_import(client, run_tasks, content=content, headers=CSV)["result"]["new"] == 1
    made = client.post("/movies", json={"title": "Mine"})
    assert (made.status_code, made.json()["id"]) == (201, 1_000_000_000)


def test_the_undo_of_a_forgotten_import_is_refused_in_words(
    client: TestClient, run_tasks: Callable[[], None]
) -> None:
    task = run_import(client, run_tasks, content=GOOD, headers=CSV)
    service = client.app.state.service  # type: ignore[attr-defined]
    retention.clean(service.database, service.settings, now=time.time() + 40 * 24 * 3600)
    refused = client.post(f"/imports/{task['task_id']}/undo")
    assert refused.status_code == 404
    assert "kept for some time after their end" in refused.json()["detail"]
    assert len(client.get("/ratings?user_id=7").json()) == 2
