"""The typed client of the HTTP API, as the command line uses it."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx

from app.retry_client import DEFAULT_POLICY, RetryPolicy, retry, retry_after

JsonObject = dict[str, Any]
Item = TypeVar("Item")

TIMEOUT = httpx.Timeout(10.0, connect=2.0)
UPLOAD_TIMEOUT = httpx.Timeout(60.0, connect=2.0)
UPLOAD_DEADLINE = 600.0
"""Seconds: one attempt of a large file may outlast the policy's own deadline."""
POLL_ATTEMPTS = 30
"""So many that a wait outlasts a restart of the server; the deadline ends it."""
POLL_INTERVAL, LEAST_POLL_INTERVAL, LONGEST_POLL_INTERVAL = 1.0, 0.1, 30.0
ENDED = frozenset({"complete", "failed", "cancelled"})


class ApiError(Exception):
    """A call failed for good; the text says what happened, where, and what to do.

    `status` is None if there was no response. The other fields are those of the problem details
    (RFC 9457): `errors` holds `{"detail", "pointer"}` objects.
    """

    def __init__(self, message: str, *, status: int | None = None, problem: JsonObject | None = None) -> None:
        super().__init__(message)
        problem = problem or {}
        self.status = status
        self.type = str(problem.get("type", "about:blank"))
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail", ""))
        self.errors = _faults(problem)


class NoAnswer(ApiError):
    """The server at `address` cannot be reached or does not respond."""

    def __init__(self, message: str, address: str) -> None:
        super().__init__(message)
        self.address = address


class Recommendations(NamedTuple):
    """Movie ids, best first; their source (personal, own or popular); the model's version, if any."""

    movie_ids: list[int]
    source: str
    model_version: str | None


class MatineeClient:
    """Calls to one server, retried by `policy`, whose budget they share.

    Every method raises `ApiError`. All attempts of a call that changes something carry one idempotency key,
    by which the server recognises them. `token`: an API key or an access token. Threads may share a client.
    """

    def __init__(
        self,
        base_url: str,
        *,
        policy: RetryPolicy = DEFAULT_POLICY,
        transport: httpx.BaseTransport | None = None,
        token: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        headers = {"Accept": "application/json", **_authorization(token)}
        self._http = httpx.Client(
            base_url=_address(base_url), headers=headers, timeout=TIMEOUT, transport=transport
        )
        self._policy, self._sleep, self._clock = policy, sleep, clock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """The address of the server, without a password."""
        url = self._http.base_url
        return f"{url.scheme}://{url.netloc.decode('ascii')}{url.path.rstrip('/')}"

    def close(self) -> None:
        self._http.close()

    def health(self) -> JsonObject:
        return _object(self._get("/health"))

    def create_movie(self, title: str, year: int | None = None, genre: str | None = None) -> JsonObject:
        fields = {"title": title, "year": year, "genre": genre}
        known = {name: value for name, value in fields.items() if value is not None}
        return self._post("/movies", json=known)

    def movies(self, query: str | None = None, limit: int = 20) -> list[JsonObject]:
        params: dict[str, str | int] = {"limit": limit, **({"query": query} if query else {})}
        return _list(self._get("/movies", params=params), dict, "a list of JSON objects")

    def movie(self, movie_id: int) -> JsonObject:
        return _object(self._get(f"/movies/{movie_id}"))

    def create_user(self, name: str) -> JsonObject:
        """Add a person; the id is in `id`."""
        return self._post("/users", json={"name": name})

    def users(self, name: str | None = None) -> list[JsonObject]:
        """The people there are, or the one of that name."""
        return _list(self._get("/users", params={"name": name} if name else None), dict, "a list of people")

    def rate(self, movie_id: int, user_id: int, score: float) -> JsonObject:
        """Rate a movie; a second rating replaces the first."""
        rating = {"movie_id": movie_id, "user_id": user_id, "score": score}
        return self._post("/ratings", json=rating)

    def recommendations(self, user_id: int, limit: int = 10) -> Recommendations:
        response = self._get(f"/recommendations/{user_id}", params={"limit": limit})
        ids = _list(response, int, "a list of movie ids")
        headers = response.headers
        return Recommendations(ids, headers.get("X-Source", ""), headers.get("X-Model-Version") or None)

    def rich_recommendations(self, user_id: int, limit: int = 10) -> JsonObject:
        """With titles and reasons: `source`, `model_version`, `recommendations`."""
        return _object(self._get(f"/users/{user_id}/recommendations", params={"limit": limit}))

    def start_rebuild(self, idempotency_key: str | None = None) -> JsonObject:
        return self._post("/recommender/rebuild", idempotency_key)

    def start_import(
        self,
        path: Path | str | None = None,
        *,
        user_id: int | None = None,
        idempotency_key: str | None = None,
        content_type: str = "text/csv",
    ) -> JsonObject:
        """Stream a file to the server, from its start at each attempt; None imports the bundled sample.

        `user_id`: whose ratings they are, for an export that holds one person's (Letterboxd, IMDb). Raises
        `OSError` if the file cannot be read.
        """
        headers = {"Idempotency-Key": idempotency_key or str(uuid4())}
        if path is not None:
            name = "".join(letter if " " <= letter <= "~" else "_" for letter in Path(path).name)
            headers |= {"Content-Type": content_type, "X-Filename": name}
        options: dict[str, Any] = {"headers": headers, "timeout": UPLOAD_TIMEOUT}
        if user_id is not None:
            options["params"] = {"user_id": user_id}

        def upload() -> httpx.Response:
            with nullcontext() if path is None else Path(path).open("rb") as file:
                return self._http.post("/imports", content=file, **options)

        deadline = max(self._policy.deadline, UPLOAD_DEADLINE)
        return _object(self._call(upload, replace(self._policy, deadline=deadline)))

    def import_status(self, task_id: str) -> JsonObject:
        return _object(self._get(f"/imports/{_segment(task_id)}"))

    def rebuild_status(self, task_id: str) -> JsonObject:
        return _object(self._get(f"/recommender/rebuild/{_segment(task_id)}"))

    def task(self, task_id: str) -> JsonObject:
        return _object(self._get(f"/tasks/{_segment(task_id)}"))

    def wait(self, task_id: str, on_progress: Callable[[JsonObject], None] | None = None) -> JsonObject:
        """Poll a task as often as Retry-After says, at least every 30 s, and return it once it has ended.

        `on_progress` is called with the task of every poll, also the last. The wait itself has no limit;
        it raises `ApiError` if the server has not responded for as long as the policy's deadline.
        """
        path = f"/tasks/{_segment(task_id)}"
        patient = replace(self._policy, attempts=max(self._policy.attempts, POLL_ATTEMPTS))
        while True:
            response = self._call(lambda: self._http.get(path), patient)
            task = _object(response)
            if on_progress:
                on_progress(task)
            if task.get("status") in ENDED:
                return task
            pause = retry_after(response, time.time())
            pause = POLL_INTERVAL if pause is None else max(pause, LEAST_POLL_INTERVAL)
            self._sleep(min(pause, LONGEST_POLL_INTERVAL))

    def _get(self, path: str, params: dict[str, Any] | None = None) -> httpx.Response:
        return self._call(lambda: self._http.get(path, params=params))

    def _post(self, path: str, key: str | None = None, **options: Any) -> JsonObject:
        headers = {"Idempotency-Key": key or str(uuid4())}
        return _object(self._call(lambda: self._http.post(path, headers=headers, **options)))

    def _call(self, func: Callable[[], httpx.Response], policy: RetryPolicy | None = None) -> httpx.Response:
        try:
            return retry(func, policy or self._policy, sleep=self._sleep, clock=self._clock)
        except httpx.HTTPStatusError as error:
            raise _refused(error.response) from error
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            message = f"No answer from {self.address}: {reason}. Is the server running there?"
            raise NoAnswer(message, self.address) from error


def _authorization(token: str | None) -> dict[str, str]:
    """The header that presents a token (RFC 6750, section 2.1). Raises `ApiError`, without the token."""
    if not token or not (text := token.strip()):
        return {}
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ApiError("The token has blanks or letters that no token has. Copy it again, whole and alone.")
    return {"Authorization": f"Bearer {text}"}


def _address(text: str) -> httpx.URL:
    """The URL of the server; without a scheme, like localhost:8000, it is http. Raises `ApiError`."""
    try:
        url = httpx.URL(text if "://" in text else f"http://{text}")
        reason = "" if url.scheme in ("http", "https") and url.host else "it names no server to call by HTTP"
    except httpx.InvalidURL as error:
        reason = str(error)
    if reason:
        raise ApiError(f"{text!r} is no server address: {reason}. Give one like http://127.0.0.1:8000.")
    return url


def _segment(task_id: str) -> str:
    return quote(task_id, safe="")


def _place(response: httpx.Response) -> str:
    return f"{response.request.method} {response.request.url.path}"


def _refused(response: httpx.Response) -> ApiError:
    """The error of a failed response: its problem details, or the status alone (a proxy's page)."""
    try:
        answer = response.json()
    except ValueError:
        answer = None
    problem: JsonObject = answer if isinstance(answer, dict) else {}
    title = problem.get("title") or response.reason_phrase
    lines = [f"{_place(response)} answered {response.status_code} {title}".rstrip()]
    if problem.get("detail"):
        lines.append(str(problem["detail"]))
    lines += [_fault(fault) for fault in _faults(problem)]
    return ApiError("\n  ".join(lines), status=response.status_code, problem=problem)


def _faults(problem: JsonObject) -> list[JsonObject]:
    errors = problem.get("errors")
    return [fault for fault in errors if isinstance(fault, dict)] if isinstance(errors, list) else []


def _fault(fault: JsonObject) -> str:
    pointer, detail = fault.get("pointer") or fault.get("parameter"), fault.get("detail", "")
    return f"{pointer}: {detail}" if pointer else str(detail)


def _parsed(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise _unexpected(response, "JSON") from error


def _object(response: httpx.Response) -> JsonObject:
    value = _parsed(response)
    if not isinstance(value, dict):
        raise _unexpected(response, "a JSON object")
    return value


def _list(response: httpx.Response, kind: type[Item], expected: str) -> list[Item]:
    value = _parsed(response)
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        raise _unexpected(response, expected)
    return value


def _unexpected(response: httpx.Response, expected: str) -> ApiError:
    message = (
        f"{_place(response)} answered {response.status_code}, but not with {expected}. "
        "Is this address a Matinee server?"
    )
    return ApiError(message, status=response.status_code)
