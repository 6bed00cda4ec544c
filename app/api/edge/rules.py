"""Who may call a route. Each declares it, as the first of its dependencies: a route without does not start.

The edge judges the role before the body is received (`edge.callers`); the dependency judges the ids.
"""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.routing import iter_route_contexts
from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute, Mount

from app.api.edge.manners import SAFE_METHODS, Manner
from app.api.edge.places import place
from app.api.edge.rows import rows_of
from app.errors import Forbidden, NotFound
from app.repository import tasks
from app.repository.import_order import IMPORT_RATINGS
from app.service import Service
from app.task import Task
from app.user import Caller, Role


class Rule:
    """Who may call a route.

    `role`: the least that is needed; None: open to all. `own`: a viewer names themselves and no
    other user, in path, query or body, or with `in_rows` in every row of the body; `among`: they are one of
    the `users` in the body; `own_task`: the task in the path is theirs. `anywhere`: from every address and
    under every Host, also with the door closed. `here`: a caller on this machine needs no role.
    """

    def __init__(
        self,
        role: Role | None,
        *,
        own: bool = False,
        in_rows: bool = False,
        among: bool = False,
        own_task: bool = False,
        anywhere: bool = False,
        here: bool = False,
    ) -> None:
        self.role, self.own, self.own_task, self.anywhere, self.here = role, own, own_task, anywhere, here
        self.in_rows, self.among = in_rows, among

    async def __call__(self, request: Request) -> None:
        if request.scope["rule"] is not self:  # the edge took the path for that of another route
            raise NotFound(f"There is nothing at {request.scope['path'][:200]!r}.")
        caller: Caller | None = request.scope["caller"]
        confined_to = caller.confined_to if caller else None
        if confined_to is None:
            return
        if self.own:
            named = await (_named_in_rows(request) if self.in_rows else _named(request))
            if self.in_rows and not named:
                return
            try:
                _judge_ids(named, confined_to)
            except Forbidden:
                await _in_transaction(request, lambda _: None)  # it may be no viewer any more (`edge.again`)
                raise
        if self.among:
            await _judge_group(request, confined_to)
        if self.own_task:
            await _judge_task(request, confined_to)


def _judge_ids(named: list[str], own: int) -> None:
    if not named:
        raise Forbidden(f"You may see your own alone: add user_id={own}.")
    for text in named:
        if text != str(own):
            raise Forbidden(f"You are user {own}, and may not read or change what is user {text[:20]}'s.")


async def _named(request: Request) -> list[str]:
    """Every id by which the request names a user, as text."""
    named = [request.path_params["user_id"]] if "user_id" in request.path_params else []
    named += request.query_params.getlist("user_id")
    if request.method not in SAFE_METHODS and request.scope["manner"] is not Manner.UPLOADS:
        named += await _named_in_body(request)
    return [str(one) for one in named]


async def _named_in_body(request: Request) -> list[Any]:
    """Whatever the Content-Type says: there are many ways to write the one of JSON."""
    try:
        body: Any = await request.json()
    except (ValueError, RecursionError):  # no endpoint takes it for JSON either
        return []
    return [body["user_id"]] if isinstance(body, dict) and "user_id" in body else []


async def _named_in_rows(request: Request) -> list[str]:
    """Each id once. A row that is no object, or has none, is refused by the endpoint."""
    rows = await rows_of(request)
    return list({str(row["user_id"]): None for row in rows if isinstance(row, dict) and "user_id" in row})


async def _judge_group(request: Request, own: int) -> None:
    try:
        body: Any = await request.json()
    except (ValueError, RecursionError):  # the endpoint refuses it
        return
    named = body.get("users") if isinstance(body, dict) else None
    if isinstance(named, list) and own not in named:
        await _in_transaction(request, lambda _: None)  # it may be no viewer any more (`edge.again`)
        raise Forbidden(f"You may ask for yourself and others: name user {own} in `users` too.")


async def _judge_task(request: Request, own: int) -> None:
    task_id = request.path_params["task_id"]

    def judge(connection: Connection) -> None:
        task = tasks.get(connection, task_id)
        if task is None:
            return  # the endpoint says that there is none
        if task.owner != own:
            raise Forbidden(f"Task {task_id[:100]} is not yours.")
        if request.method not in SAFE_METHODS and not _is_about(connection, task, own):
            raise Forbidden(f"Task {task_id[:100]} changes what is not yours. It takes the role editor.")

    await _in_transaction(request, judge)


async def _in_transaction(request: Request, judge: Callable[[Connection], None]) -> None:
    service: Service = request.app.state.service

    def run() -> None:
        with service.database.read() as connection:
            judge(connection)

    async with place(request) if "line_of_parts" in request.scope else nullcontext():
        await run_in_threadpool(run)


def _is_about(connection: Connection, task: Task, own: int) -> bool:
    """Whether a task is an import, or the undo of one, for that person alone.

    A key with fewer rights than its owner, and an editor who has become a viewer, own tasks that do more.
    """
    undone = task.params.get("undo_of")
    about = tasks.get(connection, undone) if undone else task
    if about is None or about.kind != IMPORT_RATINGS:
        return False
    return about.params.get("user_id") == own


async def _caller(request: Request) -> Caller:  # async: a sync one would run in a thread
    return request.scope["caller"]  # type: ignore[no-any-return]


CallerDependency = Annotated[Caller, Depends(_caller)]

ALIVE = Depends(Rule(None, anywhere=True))
READY = Depends(Rule(Role.VIEWER, anywhere=True))
METRICS = Depends(Rule(Role.VIEWER, here=True))
PUBLIC = Depends(Rule(None))
VIEWER = Depends(Rule(Role.VIEWER))
OWN = Depends(Rule(Role.VIEWER, own=True))
OWN_ROWS = Depends(Rule(Role.VIEWER, own=True, in_rows=True))
AMONG = Depends(Rule(Role.VIEWER, among=True))
OWN_TASK = Depends(Rule(Role.VIEWER, own_task=True))
EDITOR = Depends(Rule(Role.EDITOR))
ADMIN = Depends(Rule(Role.ADMIN))

UNKNOWN: Rule = VIEWER.dependency
"""Of an address that does not exist."""
FILES: Rule = PUBLIC.dependency
"""Of a mounted folder: the login page needs its files."""


def rule_of(dependencies: Iterable[Any]) -> Rule | None:
    """The rule among the dependencies of a route."""
    return next((one.dependency for one in dependencies if isinstance(one.dependency, Rule)), None)


def require_rules(routes: Iterable[BaseRoute]) -> None:
    """Raises `RuntimeError` for a route that does not say who may call it, or says it twice."""
    for context in iter_route_contexts(list(routes)):
        if isinstance(context.original_route, Mount):
            continue
        declared = sum(isinstance(one.dependency, Rule) for one in dependencies_of(context))
        if declared != 1:
            count = f"{declared} rules" if declared else "no rule"
            raise RuntimeError(f"{context.path} declares {count}; it has to be one (app/api/edge/rules.py)")


def dependencies_of(context: Any) -> list[Any]:
    return list(getattr(context.original_route, "dependencies", ()))
