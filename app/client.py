"""The typed client of the HTTP API, as the command line uses it."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, cast
from uuid import uuid4

import httpx

from app.client_answers import ApiError, JsonObject, NoAnswer, json_list, json_object, refused
from app.client_calls.answers import Feedback, MarkedMovie, Movie, Rating, Resolved, WaitingRow
from app.client_calls.calls import segment
from app.client_calls.movies import MovieCalls
from app.client_calls.people import PeopleCalls
from app.client_calls.players import PlayerCalls
from app.client_calls.ratings import RatingCalls
from app.client_calls.recommendations import RecommendationCalls
from app.client_calls.states import Rebuild, Started, Task, UnknownTask, User
from app.client_calls.tasks import TaskCalls
from app.retry_client import DEFAULT_POLICY, RetryPolicy, retry, retry_after

__all__ = ["ApiError", "JsonObject", "MatineeClient", "NoAnswer", "Recommendations"]

TIMEOUT = httpx.Timeout(10.0, connect=2.0)
UPLOAD_TIMEOUT = httpx.Timeout(60.0, connect=2.0)
UPLOAD_DEADLINE = 600.0
"""Seconds: one attempt of a large file may outlast the policy's own deadline."""
POLL_ATTEMPTS = 30
"""So many that a wait outlasts a restart of the server; the deadline ends it."""
POLL_INTERVAL, LEAST_POLL_INTERVAL, LONGEST_POLL_INTERVAL = 1.0, 0.1, 30.0
ENDED = frozenset({"complete", "failed", "cancelled"})


class Recommendations(NamedTuple):
    """Movie ids, best first; their source (personal, own or popular); the model's version, if any."""

    movie_ids: list[int]
    source: str
    model_version: str | None


class MatineeClient(MovieCalls, RatingCalls, RecommendationCalls, TaskCalls, PeopleCalls, PlayerCalls):
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
        return json_object(self._get("/health"))

    def create_movie(
        self,
        title: str,
        year: int | None = None,
        genre: str | None = None,
        imdb_id: str | None = None,
        tmdb_id: int | None = None,
    ) -> Movie:
        """Add a movie; `imdb_id` is like "tt0114709"."""
        fields = {"title": title, "year": year, "genre": genre, "imdb_id": imdb_id, "tmdb_id": tmdb_id}
        known = {name: value for name, value in fields.items() if value is not None}
        return self._changed(Movie, "POST", "/movies", json=known)

    def movies(self, query: str | None = None, limit: int = 20) -> list[Movie]:
        return self._listed(Movie, "/movies", limit=limit, query=query or None)

    def movie(self, movie_id: int) -> Movie:
        return self._read(Movie, f"/movies/{movie_id}")

    def create_user(self, name: str) -> User:
        """Add a person; the id is in `id`."""
        return self._changed(User, "POST", "/users", json={"name": name})

    def users(self, name: str | None = None) -> list[User]:
        """The people there are, or the one of that name."""
        return self._listed(User, "/users", name=name or None)

    def rate(self, movie_id: int, user_id: int, score: float) -> Rating:
        """Rate a movie; a second rating replaces the first."""
        rating = {"movie_id": movie_id, "user_id": user_id, "score": score}
        return self._changed(Rating, "POST", "/ratings", json=rating)

    def recommendations(self, user_id: int, limit: int = 10) -> Recommendations:
        response = self._get(f"/recommendations/{user_id}", params={"limit": limit})
        ids = json_list(response, int, "a list of movie ids")
        headers = response.headers
        return Recommendations(ids, headers.get("X-Source", ""), headers.get("X-Model-Version") or None)

    def feedback(
        self, user_id: int, mark: str | None = None, limit: int = 50, movie_id: int | None = None
    ) -> list[MarkedMovie]:
        """A person's marked movies by id; `mark`: watched, watchlist, like or not_interested, that alone."""
        path = f"/users/{user_id}/feedback"
        return self._listed(MarkedMovie, path, limit=limit, mark=mark, movie_id=movie_id)

    def set_feedback(self, user_id: int, movie_id: int, **marks: bool) -> Feedback:
        """Change the marks that are named, as in `watched=True`; the others stay."""
        return self._changed(Feedback, "PUT", f"/users/{user_id}/feedback/{movie_id}", json=marks)

    def waiting(self, user_id: int, limit: int = 50) -> list[WaitingRow]:
        """Rows of a person's files whose movie is not there, each with up to three candidates."""
        return self._listed(WaitingRow, f"/users/{user_id}/waiting", limit=limit)

    def choose(self, user_id: int, number: int, movie_id: int) -> Resolved:
        """Say which movie a row that waits means."""
        path = f"/users/{user_id}/waiting/{number}"
        return self._changed(Resolved, "PUT", path, json={"movie_id": movie_id})

    def drop(self, user_id: int, number: int) -> None:
        """Give a row that waits up."""
        self._change("DELETE", f"/users/{user_id}/waiting/{number}")

    def start_dump(
        self, format: str = "jsonl", limit: int = 10, idempotency_key: str | None = None
    ) -> Started:
        """Have everybody's recommendations written to a file, `jsonl` or `csv`: `wait`, `save_result`."""
        params = {"format": format, "limit": limit}
        return self._changed(Started, "POST", "/recommendations/dump", idempotency_key, params=params)

    def start_rebuild(self, idempotency_key: str | None = None) -> Started:
        return self._changed(Started, "POST", "/recommender/rebuild", idempotency_key)

    def start_import(
        self,
        path: Path | str | None = None,
        *,
        user_id: int | None = None,
        columns: str | None = None,
        scale: str | None = None,
        charset: str | None = None,
        dates: str | None = None,
        create: str | None = None,
        idempotency_key: str | None = None,
        content_type: str = "text/csv",
    ) -> Started:
        """Stream a file to the server, from its start at each attempt; None imports the bundled sample.

        `user_id`: whose ratings they are, for an export that holds one person's (Letterboxd, IMDb). What the
        file does not say, as in `title:Name,score:3`, `10`, `windows-1252`, `day`; `create="missing"` makes
        the movies that are not there. Raises `OSError` if the file cannot be read.
        """
        headers = {"Idempotency-Key": idempotency_key or str(uuid4())}
        if path is not None:
            name = "".join(letter if " " <= letter <= "~" else "_" for letter in Path(path).name)
            headers |= {"Content-Type": content_type, "X-Filename": name}
        said = {"user_id": user_id, "columns": columns, "scale": scale, "charset": charset, "dates": dates}
        params = {name: value for name, value in (said | {"create": create}).items() if value is not None}
        options: dict[str, Any] = {"headers": headers, "timeout": UPLOAD_TIMEOUT, "params": params}

        def upload() -> httpx.Response:
            with nullcontext() if path is None else Path(path).open("rb") as file:
                return self._http.post("/imports", content=file, **options)

        deadline = max(self._policy.deadline, UPLOAD_DEADLINE)
        started = json_object(self._call(upload, replace(self._policy, deadline=deadline)))
        return cast(Started, started)

    def import_status(self, task_id: str) -> Task | UnknownTask:
        """`status` is `unknown` for an id that is none of an import or undo."""
        found: Task | UnknownTask = self._read(Task, f"/imports/{segment(task_id)}")
        return found

    def rebuild_status(self, task_id: str) -> Rebuild:
        return self._read(Rebuild, f"/recommender/rebuild/{segment(task_id)}")

    def task(self, task_id: str) -> Task:
        return self._read(Task, f"/tasks/{segment(task_id)}")

    def wait(self, task_id: str, on_progress: Callable[[JsonObject], None] | None = None) -> JsonObject:
        """Poll a task as often as Retry-After says, at least every 30 s, and return it once it has ended.

        `on_progress` is called with the task of every poll, also the last. The wait itself has no limit;
        it raises `ApiError` if the server has not responded for as long as the policy's deadline.
        """
        path = f"/tasks/{segment(task_id)}"
        patient = replace(self._policy, attempts=max(self._policy.attempts, POLL_ATTEMPTS))
        while True:
            response = self._call(lambda: self._http.get(path), patient)
            task = json_object(response)
            if on_progress:
                on_progress(task)
            if task.get("status") in ENDED:
                return task
            pause = retry_after(response, time.time())
            pause = POLL_INTERVAL if pause is None else max(pause, LEAST_POLL_INTERVAL)
            self._sleep(min(pause, LONGEST_POLL_INTERVAL))

    def _call(self, func: Callable[[], httpx.Response], policy: RetryPolicy | None = None) -> httpx.Response:
        try:
            return retry(func, policy or self._policy, sleep=self._sleep, clock=self._clock)
        except httpx.HTTPStatusError as error:
            raise refused(error.response) from error
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
