"""The pages: a template each. What they show beside their scripts, they take from endpoints of the API."""

import json
from itertools import zip_longest
from pathlib import Path
from typing import Any, get_args

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.api import models, movies, recommendations, status, tasks
from app.api.dependencies import ServiceDependency
from app.errors import MethodNotAllowed, NotFound
from app.rating import MAX_ID
from app.repository import tasks as task_rows
from app.tasks.kinds import names
from app.web import charts, reference

FOLDER = Path(__file__).parent
SIMILAR = 10
VERSIONS = 30
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

router = APIRouter(include_in_schema=False)
templates = Jinja2Templates(FOLDER / "templates")


class _Scripts(StaticFiles):
    """Files that a browser asks for again each time: after an upgrade no old module meets a new one."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def mount(app: FastAPI) -> None:
    """Serve the pages and their files; a browser that asked for a page gets every error as one."""
    for kind, handler in app.exception_handlers.items():
        app.exception_handlers[kind] = _with_pages(handler)
    app.include_router(router)
    app.mount("/static", _Scripts(directory=FOLDER / "static"), name="static")


def _page(request: Request, name: str, *, status_code: int = 200, **context: Any) -> Response:
    context["here"] = "/" + request.url.path.split("/")[1]
    response = templates.TemplateResponse(request, f"{name}.html", context, status_code=status_code)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["Cache-Control"] = "no-store"
    return response


def _with_pages(handler: Any) -> Any:
    """A handler of exceptions that makes a page of its problem details where a person is to read them."""

    async def handle(request: Request, error: Exception) -> Response:
        response: Response = await handler(request, error)
        if not isinstance(response, JSONResponse) or not _for_a_person(request):
            return response
        problem = json.loads(bytes(response.body))
        if isinstance(error, HTTPException | MethodNotAllowed) and response.status_code in (404, 405):
            problem |= {"title": "Not found", "detail": f"There is no page at {request.url.path[:200]}."}
        page = _page(request, "error", status_code=response.status_code, problem=problem)
        page.headers["Vary"] = "Accept"
        for name in ("Allow", "Retry-After"):
            if name in response.headers:
                page.headers[name] = response.headers[name]
        return page

    return handle


def _for_a_person(request: Request) -> bool:
    """Whether this is one of our pages, or a browser that goes to an address: it names HTML and no JSON."""
    accept = request.headers.get("accept", "")
    if request.method not in ("GET", "HEAD"):
        return False
    return getattr(request.scope.get("endpoint"), "__module__", "") == __name__ or (
        "text/html" in accept and "json" not in accept
    )


@router.get("/")
def discover(request: Request) -> Response:
    return _page(request, "discover")


@router.get("/film/{movie_id}")
def film(request: Request, movie_id: str, service: ServiceDependency) -> Response:
    if not movie_id.isdecimal() or len(movie_id) > 19 or int(movie_id) > MAX_ID:
        raise NotFound(f"{movie_id[:100]!r} is not the id of a film.")
    movie = movies.get_movie(int(movie_id), service)
    counts = movies.histogram(movie.id, service)
    summary = ", ".join(f"{score}: {count}" for score, count in counts.items())
    labels = [score if score.endswith(".0") else "" for score in counts]
    return _page(
        request,
        "film",
        movie=movie,
        similar=recommendations.similar_movies(movie.id, service, limit=SIMILAR),
        chart=charts.bars(
            list(counts.values()),
            title=f"Ratings by score. {summary}",
            labels=[label.removesuffix(".0") for label in labels],
        ),
    )


@router.get("/import")
def import_file(request: Request) -> Response:
    return _page(request, "import")


@router.get("/activity")
def activity(request: Request) -> Response:
    return _page(request, "activity", kinds=names(), statuses=get_args(tasks.Status))


@router.get("/activity/{task_id}")
def activity_of_task(request: Request, task_id: str, service: ServiceDependency) -> Response:
    with service.database.read() as connection:
        task = task_rows.get(connection, task_id)
    if task is None:
        raise NotFound(f"There is no task {task_id[:100]!r}.")
    return _page(request, "task", task=tasks.task_answer(task))


@router.get("/quality")
def quality(request: Request, service: ServiceDependency) -> Response:
    versions = models.list_models(request, Response(), service, limit=VERSIONS)
    return _page(request, "quality", versions=_with_changes(versions), chart=_quality_chart(versions[::-1]))


def _quality_chart(versions: list[dict[str, Any]]) -> str | None:
    """NDCG@100 of every version, oldest first, beside the popular list on the same users; None: untested."""

    def series(name: str) -> list[float | None]:
        found = [v["evaluation"].get(name) or {} for v in versions]
        return [evaluation["ndcg_at_100"] if evaluation.get("users") else None for evaluation in found]

    ndcg, baseline = series("model"), series("popularity")
    if not any(ndcg):
        return None
    said = "; ".join(
        f"version {v['version']}: {own:.3f}, popularity {base:.3f}"
        for v, own, base in zip(versions, ndcg, baseline, strict=True)
        if own is not None and base is not None
    )
    labels = [f"v{v['version']}" for v in versions]
    return charts.lines(
        {"baseline": baseline, "model": ndcg}, title=f"NDCG@100 by version. {said}", labels=labels
    )


def _with_changes(versions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each version with what differs from the one before it: `changes`, as short texts."""
    return [v | {"changes": _changes(v, old)} for v, old in zip_longest(versions, versions[1:])]


def _changes(new: dict[str, Any], old: dict[str, Any] | None) -> list[str]:
    if old is None:
        return []
    counts = [f"{new[n] - old[n]:+,} {n}" for n in ("ratings", "users", "movies") if new[n] != old[n]]
    settings = [
        f"{name.replace('_', ' ')} {old['settings'].get(name)} → {value}"
        for name, value in new["settings"].items()
        if old["settings"].get(name) != value
    ]
    return counts + settings


@router.get("/system")
def system(request: Request, service: ServiceDependency) -> Response:
    figures = status.get_status(request, service)
    requests, latency = figures["requests"], figures["latency_ms"]
    return _page(
        request,
        "system",
        status=figures,
        uptime=_duration(figures["uptime_seconds"]),
        requests_chart=charts.bars(
            requests["per_minute"], title=f"Requests a minute in the last hour, {requests['total']} in all"
        ),
        latency_chart=charts.bars(
            latency["per_minute_p99"], title=f"p99 by minute in the last hour; now {latency['p99']} ms"
        ),
    )


@router.get("/docs")
def docs(request: Request) -> Response:
    return _page(request, "reference", sections=reference.sections(request.app.openapi()))


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"


templates.env.filters["bytes"] = _bytes
