"""The client against a scripted server: what it sends, what it makes of the answers."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from app.client import ApiError, MatineeClient
from app.retry_client import RetryPolicy

PROBLEM = {
    "type": "about:blank",
    "title": "Invalid rating",
    "status": 422,
    "detail": "The rating was not stored.",
    "errors": [{"detail": "must be 0.5 to 5 in half steps", "pointer": "/score"}, {"detail": "see the docs"}],
}
Step = httpx.Response | type[httpx.TransportError]


class Server:
    """Returns one step a request and keeps what it was sent."""

    def __init__(self, *steps: Step) -> None:
        self.steps, self.now = iter(steps), 0.0
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        step = next(self.steps)
        if isinstance(step, httpx.Response):
            return step
        raise step("broken")

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def keys(self) -> list[str]:
        return [request.headers["Idempotency-Key"] for request in self.requests]


def serve(*steps: Step, token: str | None = None) -> tuple[MatineeClient, Server]:
    server = Server(*steps)
    client = MatineeClient(
        "http://matinee.test/base",
        policy=RetryPolicy(),
        transport=httpx.MockTransport(server.answer),
        token=token,
        sleep=server.sleep,
        clock=lambda: server.now,
    )
    return client, server


def answer(value: object, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=value, headers={k.replace("_", "-"): v for k, v in headers.items()})


CALLS: list[tuple[Callable[[MatineeClient], object], str, object]] = [
    (lambda c: c.health(), "GET /base/health", {"status": "ok"}),
    (lambda c: c.movie(7), "GET /base/movies/7", {"id": 7}),
    (lambda c: c.movies(), "GET /base/movies?limit=20", [{"id": 7}]),
    (lambda c: c.movies("a b", limit=2), "GET /base/movies?limit=2&query=a+b", []),
    (lambda c: c.create_movie("Alien", 1979), "POST /base/movies", {"id": 7}),
    (lambda c: c.rate(7, 1, 4.5), "POST /base/ratings", {"score": 4.5}),
    (lambda c: c.batch_recommendations([7, 8]), "POST /base/recommendations/batch", {"users": []}),
    (lambda c: c.explanation(7, 1), "GET /base/users/7/movies/1/explanation", {"rank": 3}),
    (
        lambda c: c.start_dump("csv", 5),
        "POST /base/recommendations/dump?format=csv&limit=5",
        {"task_id": "t"},
    ),
    (lambda c: c.start_rebuild(), "POST /base/recommender/rebuild", {"task_id": "t"}),
    (lambda c: c.start_import(), "POST /base/imports", {"task_id": "t"}),
    (lambda c: c.import_status("t"), "GET /base/imports/t", {"status": "unknown"}),
    (lambda c: c.rebuild_status("t"), "GET /base/recommender/rebuild/t", {"sample": []}),
    (lambda c: c.task("../a?b"), "GET /base/tasks/..%2Fa%3Fb", {"status": "queued"}),
]


@pytest.mark.parametrize(("call", "line", "value"), CALLS, ids=[line for _, line, _ in CALLS])
def test_each_call_asks_its_route_and_answers_the_data(
    call: Callable[[MatineeClient], object], line: str, value: object
) -> None:
    client, server = serve(answer(value))
    assert call(client) == value
    (request,) = server.requests
    assert f"{request.method} {request.url.raw_path.decode()}" == line


def test_bodies_hold_what_was_given() -> None:
    client, server = serve(answer({}), answer({}))
    client.create_movie("Alien", genre="Horror")
    client.rate(7, 1, 4.5)
    assert [json.loads(request.content) for request in server.requests] == [
        {"title": "Alien", "genre": "Horror"},
        {"movie_id": 7, "user_id": 1, "score": 4.5},
    ]


def test_the_token_goes_with_every_call_and_only_if_there_is_one() -> None:
    for token, header in [("s3cret\n", "Bearer s3cret"), (None, None), ("", None)]:
        client, server = serve(answer({}), answer({}), token=token)
        client.health()
        client.start_rebuild()
        assert [request.headers.get("Authorization") for request in server.requests] == [header] * 2


@pytest.mark.parametrize("token", ["a key", "k\u00e9y", "one\ntwo"])
def test_a_token_that_is_none_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ApiError) as refused:
        serve(token=token)
    assert "Copy it again" in str(refused.value)
    assert token not in str(refused.value)


def test_recommendations_say_where_they_come_from() -> None:
    client, server = serve(
        answer([3, 1], X_Source="personal", X_Model_Version="12"), answer([], X_Source="popular")
    )
    assert client.recommendations(5, 2) == ([3, 1], "personal", "12")
    assert client.recommendations(5) == ([], "popular", None)
    assert server.requests[0].url.raw_path == b"/base/recommendations/5?limit=2"


def test_a_result_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    client, server = serve(
        httpx.ReadError, httpx.Response(200, content=b"1,2\n" * 9), answer(PROBLEM, status=409)
    )
    path = tmp_path / "dump.csv"
    client.save_result("a/b", path)
    assert server.requests[0].url.raw_path == b"/base/tasks/a%2Fb/result"
    with pytest.raises(ApiError) as refused:
        client.save_result("t", path)
    assert refused.value.status == 409
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("dump.csv", b"1,2\n" * 9)]


class TestOneKeyACall:
    @pytest.mark.parametrize(
        "call",
        [
            MatineeClient.start_rebuild,
            MatineeClient.start_import,
            lambda client: client.rate(1, 2, 3),
            lambda client: client.create_movie("Alien"),
        ],
    )
    def test_it_is_the_same_on_every_attempt_and_new_on_every_call(
        self, call: Callable[[MatineeClient], object]
    ) -> None:
        client, server = serve(httpx.ReadTimeout, httpx.Response(503), answer({}), answer({}))
        call(client)
        call(client)
        first, *again, other = server.keys()
        assert again == [first, first]
        assert other != first
        assert UUID(first).version == 4

    def test_the_callers_own_key_is_used(self) -> None:
        client, server = serve(answer({}), answer({}))
        client.start_rebuild("mine")
        client.start_import(idempotency_key="yours")
        assert server.keys() == ["mine", "yours"]


class TestUpload:
    def test_the_whole_file_is_sent_on_every_attempt(self, tmp_path: Path) -> None:
        path = tmp_path / "ratings.csv"
        path.write_bytes(b"user_id,movie_id,score\n" + b"1,2,4.5\n" * 50_000)
        client, server = serve(httpx.ReadError, httpx.Response(502), answer({"task_id": "t"}, 202))
        assert client.start_import(path) == {"task_id": "t"}
        assert [request.content for request in server.requests] == [path.read_bytes()] * 3
        assert {request.headers["Content-Type"] for request in server.requests} == {"text/csv"}

    def test_the_server_is_told_the_files_name(self, tmp_path: Path) -> None:
        (tmp_path / "mes films é.csv").write_text("x")
        client, server = serve(answer({}, 202))
        client.start_import(tmp_path / "mes films é.csv")
        assert server.requests[0].headers["X-Filename"] == "mes films _.csv"

    def test_an_export_of_one_person_says_whose_it_is(self, tmp_path: Path) -> None:
        (tmp_path / "ratings.csv").write_text("x")
        client, server = serve(answer({}, 202))
        client.start_import(tmp_path / "ratings.csv", user_id=7)
        assert server.requests[0].url.query == b"user_id=7"

    def test_the_bundled_sample_is_asked_for_with_no_body_and_no_type(self) -> None:
        client, server = serve(answer({}, 202))
        client.start_import()
        assert server.requests[0].content == b""
        assert "Content-Type" not in server.requests[0].headers

    def test_an_empty_file_is_not_taken_for_the_sample(self, tmp_path: Path) -> None:
        (tmp_path / "empty.csv").touch()
        client, server = serve(answer(PROBLEM, 422))
        with pytest.raises(ApiError):
            client.start_import(tmp_path / "empty.csv")
        assert server.requests[0].headers["Content-Type"] == "text/csv"

    def test_a_missing_file_is_said_before_anything_is_sent(self, tmp_path: Path) -> None:
        client, server = serve()
        with pytest.raises(FileNotFoundError):
            client.start_import(tmp_path / "none.csv")
        assert server.requests == []

    def test_an_upload_may_outlast_the_usual_deadline(self, tmp_path: Path) -> None:
        path = tmp_path / "ratings.csv"
        path.write_text("x")
        client, server = serve(httpx.Response(503, headers={"Retry-After": "200"}), answer({}))
        client.start_import(path)
        assert server.requests[0].extensions["timeout"] == {"connect": 2, "read": 60, "write": 60, "pool": 60}


def test_other_calls_time_out_soon() -> None:
    client, server = serve(answer({}))
    client.health()
    timeout = server.requests[0].extensions["timeout"]
    assert (timeout["connect"], timeout["read"]) == (2, 10)


class TestErrors:
    def test_problem_details_become_a_readable_error(self) -> None:
        problem = httpx.Response(422, json=PROBLEM, headers={"Content-Type": "application/problem+json"})
        client, _ = serve(problem)
        with pytest.raises(ApiError) as caught:
            client.rate(1, 2, 9)
        assert str(caught.value) == (
            "POST /base/ratings answered 422 Invalid rating\n"
            "  The rating was not stored.\n"
            "  /score: must be 0.5 to 5 in half steps\n"
            "  see the docs"
        )
        error = caught.value
        assert (error.status, error.title, error.detail) == (
            422,
            "Invalid rating",
            "The rating was not stored.",
        )
        assert error.errors == PROBLEM["errors"]

    @pytest.mark.parametrize(
        "body", [b"<html>", b"", b"[1]", b'{"errors": 3}', b'{"errors": ["a"]}', b"\xff"]
    )
    def test_other_bodies_leave_the_status(self, body: bytes) -> None:
        client, _ = serve(httpx.Response(404, content=body))
        with pytest.raises(ApiError, match=r"^GET /base/movies/1 answered 404 Not Found$") as caught:
            client.movie(1)
        assert caught.value.status == 404

    def test_no_answer_says_where_without_the_password(self) -> None:
        transport = httpx.MockTransport(Server(httpx.ConnectError).answer)
        client = MatineeClient("http://u:pw@matinee.test:81", policy=RetryPolicy(1), transport=transport)
        with pytest.raises(ApiError, match=r"No answer from http://matinee.test:81: broken") as caught:
            client.health()
        assert caught.value.status is None

    @pytest.mark.parametrize(
        "url", ["http://matinee.test:port", "http://\x00", "ftp://matinee.test", "http://", ""]
    )
    def test_an_address_that_is_none(self, url: str) -> None:
        with pytest.raises(ApiError, match=r"is no server address.*Give one like http://127"):
            MatineeClient(url)

    @pytest.mark.parametrize("address", ["localhost:8000", "matinee.test", "127.0.0.1:81", "[::1]:8000"])
    def test_an_address_without_a_scheme_is_http(self, address: str) -> None:
        server = Server(answer({"status": "ok"}))
        MatineeClient(address, transport=httpx.MockTransport(server.answer)).health()
        assert str(server.requests[0].url) == f"http://{address}/health"

    @pytest.mark.parametrize(
        "call",
        [MatineeClient.health, MatineeClient.movies, lambda client: client.recommendations(1)],
    )
    @pytest.mark.parametrize("body", [b"<html>", b'["a"]', b"3"])
    def test_another_kind_of_server_is_recognised(
        self, call: Callable[[MatineeClient], object], body: bytes
    ) -> None:
        client, _ = serve(httpx.Response(200, content=body))
        with pytest.raises(ApiError, match="Is this address a Matinee server"):
            call(client)

    def test_a_redirect_is_not_taken_for_an_answer(self) -> None:
        client, server = serve(httpx.Response(308, headers={"Location": "https://matinee.test/"}))
        with pytest.raises(ApiError, match="308"):
            client.start_rebuild()
        assert len(server.requests) == 1


class TestWait:
    @pytest.mark.parametrize("end", ["complete", "failed", "cancelled"])
    def test_it_polls_as_asked_until_the_task_ends(self, end: str) -> None:
        tasks = [{"status": status} for status in ["queued", "running", "cancelling", "running", end]]
        pauses = ["3", "0", "soon", "86400", "9"]
        client, server = serve(
            *[answer(task, Retry_After=pause) for task, pause in zip(tasks, pauses, strict=True)]
        )
        seen: list[object] = []
        assert client.wait("t", seen.append) == tasks[-1]
        assert seen == tasks
        assert server.slept == [3.0, 0.1, 1.0, 30.0]
        assert {request.url.path for request in server.requests} == {"/base/tasks/t"}

    def test_it_outlives_a_restart_of_the_server(self) -> None:
        client, server = serve(*[httpx.ConnectError] * 8, answer({"status": "complete"}))
        assert client.wait("t")["status"] == "complete"
        assert len(server.requests) == 9

    def test_it_ends_when_the_server_stays_away(self) -> None:
        def away() -> Iterator[Step]:
            while True:
                yield httpx.ConnectError

        client, server = serve()
        server.steps = away()
        with pytest.raises(ApiError, match="No answer"):
            client.wait("t")
        assert server.now <= 30

    def test_an_unknown_task_is_an_error_at_once(self) -> None:
        client, server = serve(answer({"title": "No such task"}, 404))
        with pytest.raises(ApiError, match="No such task"):
            client.wait("t")
        assert len(server.requests) == 1


def test_leaving_the_context_closes_the_connections() -> None:
    with MatineeClient(
        "http://matinee.test", transport=httpx.MockTransport(Server(answer({})).answer)
    ) as client:
        client.health()
    with pytest.raises(RuntimeError, match="closed"):
        client.health()
