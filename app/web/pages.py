"""The pages, a template each. The figures in them come from the endpoints of the API."""

import inspect
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, get_args
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.api import imports, models, movies, recommendations, status, tasks
from app.api.dependencies import ServiceDependency
from app.api.edge.rules import EDITOR, OWN_TASK, PUBLIC, VIEWER, CallerDependency
from app.errors import NotFound, problem_types
from app.measures import minutes
from app.movie import Movie
from app.rating import MAX_ID
from app.repository import tasks as task_rows
from app.repository import users
from app.repository.movies import Merged
from app.tasks.kinds import names
from app.web import charts, failures, login, people, players, reference
from app.web.shell import FOLDER, page, templates

SIMILAR, VERSIONS = 10, 30
"""The longest lists: of similar movies, and of versions of the model."""
MOST_OTHERS = 200
"""People of whom some may share a list; as many are read for a page."""
SILENT = 10.0
"""Seconds since the last heartbeat from which a worker in trouble is said to be silent."""

router = APIRouter(include_in_schema=False)


class _Scripts(StaticFiles):
    """Files that a browser revalidates each time: after an upgrade no old module imports a new one."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def mount(app: FastAPI) -> None:
    """Serve the pages and their files; a browser that asked for a page gets errors as pages too."""
    failures.install(app)
    for part in (router, login.router, people.router, players.router):
        app.router.routes.extend(part.routes)  # an included router is built and searched more slowly
    app.mount("/static", _Scripts(directory=FOLDER / "static"), name="static")


@router.get("/", dependencies=[VIEWER])
def discover(request: Request, service: ServiceDependency, caller: CallerDependency) -> Response:
    with service.database.read() as connection:
        own = caller.confined_to if caller.user_id is None else caller.user_id
        allows = own is not None and (found := users.find(connection, own)) is not None and found.together
        named = users.listing(connection, limit=MOST_OTHERS)
    others = [one for one in named if one.id != own and (caller.confined_to is None or one.together)]
    return page(request, "discover", others=others, allows=allows)


@router.get("/film/{movie_id}", dependencies=[VIEWER])
def moved(request: Request, movie_id: str) -> Response:
    """The address that a movie's page had before."""
    query = request.url.query
    return RedirectResponse(f"/movie/{quote(movie_id)}" + (f"?{query}" if query else ""), status_code=308)


@router.get("/movie/{movie_id}", dependencies=[VIEWER])
def movie(request: Request, movie_id: str, service: ServiceDependency) -> Response:
    found = _find(movie_id, service)
    similar = recommendations.similar_movies(found.id, service, limit=SIMILAR)
    chart = _score_chart(movies.histogram(found.id, service))
    return page(request, "movie", movie=found, similar=similar, chart=chart)


def _find(movie_id: str, service: ServiceDependency) -> Movie:
    try:
        if movie_id.isdecimal() and len(movie_id) <= 19 and int(movie_id) <= MAX_ID:
            return movies.find_movie(service, int(movie_id))
    except NotFound as error:
        if isinstance(error, Merged):
            raise
    raise NotFound(f"There is no film {movie_id[:100]!r}. Discover finds films by their titles.")


def _score_chart(counts: dict[str, int]) -> str:
    """How often each score was given; whole scores have a label."""
    summary = ", ".join(f"{score}: {count}" for score, count in counts.items())
    labels = [score.removesuffix(".0") if score.endswith(".0") else "" for score in counts]
    return charts.bars(list(counts.values()), title=f"Ratings by score. {summary}", labels=labels)


@router.get("/import", dependencies=[VIEWER])
def import_file(request: Request) -> Response:
    # a service without the parameter would refuse the file
    creates = "create" in inspect.signature(imports.start_import).parameters
    return page(request, "import", creates=creates)


@router.get("/waiting", dependencies=[VIEWER])
def waiting(request: Request) -> Response:
    return page(request, "waiting")


@router.get("/activity", dependencies=[VIEWER])
def activity(request: Request) -> Response:
    return page(request, "activity", kinds=names(), statuses=get_args(tasks.Status))


@router.get("/activity/{task_id}", dependencies=[OWN_TASK])
def activity_of_task(request: Request, task_id: str, service: ServiceDependency) -> Response:
    with service.database.read() as connection:
        task = task_rows.get(connection, task_id)
    if task is None:
        raise NotFound(f"There is no task {task_id[:100]!r}.")
    return page(request, "task", task=tasks.task_answer(task))


@router.get("/quality", dependencies=[VIEWER])
def quality(request: Request, service: ServiceDependency) -> Response:
    versions = models.list_models(request, Response(), service, limit=VERSIONS)
    before = versions[1:] + versions[-1:]  # the first one is compared with itself: no changes
    shown = [new | {"changes": _changes(new, old)} for new, old in zip(versions, before, strict=True)]
    return page(request, "quality", versions=shown, chart=_quality_chart(versions[::-1]))


def _quality_chart(versions: list[dict[str, Any]]) -> str | None:
    """NDCG@100 of every version, oldest first, with the popular list on the same users; None: untested."""
    model, baseline = (_ndcg(versions, name) for name in ("model", "popularity"))
    if not any(model):
        return None
    labels = [f"v{v['version']}" for v in versions]
    said = "; ".join(
        f"version {label[1:]}: {own:.3f}, popularity {base:.3f}"
        for label, own, base in zip(labels, model, baseline, strict=True)
        if own is not None and base is not None
    )
    title = f"NDCG@100 by version. {said}"
    return charts.lines({"baseline": baseline, "model": model}, title=title, labels=labels)


def _ndcg(versions: list[dict[str, Any]], name: str) -> list[float | None]:
    """Of one evaluation of each version; None where no user was held out."""
    found = [v["evaluation"].get(name) or {} for v in versions]
    return [evaluation["ndcg_at_100"] if evaluation.get("users") else None for evaluation in found]


def _changes(new: dict[str, Any], old: dict[str, Any]) -> list[str]:
    """What differs between two versions, as short texts."""
    counts = [f"{new[n] - old[n]:+,} {n}" for n in ("ratings", "users", "movies") if new[n] != old[n]]
    before = _by_words(old["settings"])
    settings = [
        f"{name} {before.get(name)} → {value}"
        for name, value in _by_words(new["settings"]).items()
        if before.get(name) != value
    ]
    return counts + settings


def _by_words(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a model by their names in words, with those of its item weights but for their age."""
    items = settings.get("items")
    parts = items if isinstance(items, dict) else {}
    further = {f"items {name}": value for name, value in parts.items() if name != "rating_changes"}
    return {
        name.replace("_", " "): value for name, value in settings.items() if not isinstance(value, dict)
    } | further


@router.get("/system", dependencies=[EDITOR])
def system(request: Request, service: ServiceDependency) -> Response:
    figures, counted = status.get_status(service), service.snapshots.all()
    return page(
        request,
        "system",
        status=figures,
        background=_background_work(figures["worker"]),
        hour=minutes.summary(counted["minutes"], time.time()),
        routes=status.routes_of(counted),
        free=shutil.disk_usage(service.settings.data_dir).free,
    )


def _background_work(worker: status.Worker | None) -> str:
    """The state of the worker, for a person."""
    if worker is None:
        return "done by workers that run outside this server"
    age, problem = worker.beat_age_seconds or 0.0, worker.problem
    if problem and age >= SILENT:
        return f"not answering for {_duration(age)}; it will be restarted"
    if problem:
        return f"not running ({problem}); it will be restarted"
    return "starting" if worker.pid is None else "running"


@router.get("/docs", dependencies=[VIEWER])
def docs(request: Request) -> Response:
    described = request.app.openapi()
    return page(
        request,
        "reference",
        host=str(request.base_url).rstrip("/"),
        sections=reference.sections(described),
        headers=reference.headers(described),
        types=reference.types(described),
    )


@router.get("/docs/problems", dependencies=[PUBLIC])
def problems(request: Request) -> Response:
    """Every type of problem, with cause and remedy: where the Link header of a problem leads."""
    return page(request, "problems", types=problem_types())


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%-d %b %Y")


def _ticked(text: str) -> Markup:
    """A text of the description, in which what stands between two backticks is code."""
    parts = enumerate(text.split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in parts)


def _verbatim(text: str) -> Markup:
    """A text between tags, whose many quotes stay as they are."""
    return Markup(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))  # noqa: S704


def _by_minute(values: Sequence[float | None], title: str, unit: str) -> Markup:
    """A chart of the last hour, with the time and the value of each minute where the mouse is."""
    ago = range(len(values) - 1, -1, -1)
    said = [
        f"{minute} min ago: {f'{value:,.4g} {unit}' if value is not None else 'no requests'}"
        for minute, value in zip(ago, values, strict=True)
    ]
    labels = [f"-{minute} min" if minute and minute % 20 == 0 else "" for minute in ago]
    return charts.bars(values, title=title, labels=labels, hover=said)


templates.env.filters |= {"by_minute": _by_minute}
templates.env.filters |= {"duration": _duration, "day": _day, "bars": charts.bars}
templates.env.filters |= {"ticked": _ticked, "verbatim": _verbatim}
