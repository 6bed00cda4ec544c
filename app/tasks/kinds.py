"""The kinds of tasks: what the machinery asks of one, and the registry of those there are.

Registering is light: the modules that do the work are imported when they are called first (`later`), so that
the API and an idle worker stay small.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, get_type_hints

from sqlalchemy.engine import Connection

from app.config import Settings
from app.storage import Database
from app.task import Task

if TYPE_CHECKING:
    from app.tasks.attempt import Attempt

Params = TypeVar("Params")

RATINGS, MODEL, OUTSIDE = "ratings", "model", "outside"
LANES = (RATINGS, MODEL, OUTSIDE)
"""One task at a time in each: imports and undos, strictly in order; rebuilds; what calls other services, and
dumps, which hold neither up."""


class Shown(NamedTuple):
    """What the API shows of a task: rows written so far, what a cancelled one has left.

    `params`: what stands in place of parameters as they are kept, by the names that the API has for them.
    """

    written: int | None = None
    left_behind: str | None = None
    params: Mapping[str, Any] = {}


class ResultFile(NamedTuple):
    """The key of the file that a task has made, the name to save it under, and its media type."""

    key: str
    name: str
    media_type: str


def _nothing(*_: Any) -> None:
    """Where a kind has nothing to say or to do."""


@dataclass(frozen=True)
class Kind(Generic[Params]):
    """A kind of task. `params`: a dataclass of its parameters; `run` does the work and completes the task.

    `longest_silence`: seconds that one of its steps may take without a heartbeat. `pauses`: seconds before
    the first and the last retry of a transient failure, doubled in between.
    """

    name: str
    params: type[Params]
    run: "Callable[[Attempt], object]"
    lane: str
    longest_silence: float = 10.0
    pauses: tuple[float, float] = (1.0, 60.0)
    aliases: Mapping[str, str | None] = field(default_factory=dict)
    """What the API calls a parameter that it calls otherwise; None: what it does not show, such as a path."""

    join: Callable[[Connection, Params], Task | None] = _nothing
    """(connection, params): the task that does the same already, decided in the transaction that would queue
    another one. May raise what the caller gets."""
    check: Callable[[Connection, Task], object] = _nothing
    """(connection, task): raises `Conflict` with the reason if a task that ended cannot go on."""
    missing: Callable[[Settings, Task], str | None] = _nothing
    """(settings, task): what it lacks on disk to go on, and what to do."""

    has_begun: Callable[[Task], bool] = lambda _task: False
    """Whether it has changed anything: one that has goes on from its checkpoint, else it starts over."""
    shown: Callable[[Task], Shown] = lambda _task: Shown()
    file: Callable[[Settings, Task], ResultFile | None] | None = None
    """(settings, task): the file of a task that is complete, if it is there; None: the kind makes none."""
    figures: tuple[str, ...] = ()
    """Of the results: rows by what became of them, which are counted over all tasks of the kind."""
    lost: str = ""
    """Why the file of a complete task may be gone, and what to do."""

    tidy: Callable[[Database], object] = _nothing
    """Done when a worker starts and while it has nothing else to do."""
    due: Callable[[Database, Settings, float], Params | None] = _nothing
    """(database, settings, now): the params of a task that is due by schedule, if one is."""
    needed: Callable[[Connection], set[str]] = lambda _connection: set()
    """The ids of ended tasks that are needed by some that have not ended."""
    release: Callable[[Database, float, Callable[[], bool]], bool] = lambda *_: True
    """(database, before, is_late): delete what is large of the oldest tasks that ended before that time, in
    short transactions, once `is_late` no further; returns whether that was all."""
    clean: Callable[[Database, Settings, float], object] = _nothing
    """(database, settings, now): delete what is no longer needed, once old tasks are deleted."""

    def params_of(self, task: Task) -> Params:
        """A row of an older release may lack some and have others."""
        known = {field.name for field in fields(self.params)}  # type: ignore[arg-type]
        return self.params(**{name: value for name, value in task.params.items() if name in known})

    def shown_params(self, task: Task) -> dict[str, Any]:
        """The parameters of a task as the API shows them; none of a kind that is not registered."""
        if not is_dataclass(self.params):
            return {}
        given = asdict(self.params_of(task))  # type: ignore[call-overload]
        named = {self.aliases.get(name, name): value for name, value in given.items()}
        return {name: value for name, value in named.items() if name is not None} | dict(
            self.shown(task).params
        )

    def shown_types(self) -> dict[str, Any]:
        """The type of each parameter that the API shows."""
        hints = get_type_hints(self.params)
        named = {self.aliases.get(one.name, one.name): hints[one.name] for one in fields(self.params)}  # type: ignore[arg-type]
        return {name: hint for name, hint in named.items() if name is not None}


def later(module: str, name: str) -> Callable[..., Any]:
    """A function of a module that is imported at the first call."""

    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(importlib.import_module(module), name)(*arguments, **options)

    return call


_KINDS: dict[str, Kind[Any]] = {}


def register(kind: Kind[Any]) -> None:
    """Make a kind known. Raises `ValueError` if another one has its name, or if there is no such lane."""
    if kind.lane not in LANES or _KINDS.setdefault(kind.name, kind) is not kind:
        raise ValueError(f"kind {kind.name!r} is there already, or has no lane")


def unregister(name: str) -> None:
    del _KINDS[name]


def kind_of(name: str) -> Kind[Any]:
    """The kind of that name; for one that is not registered here, which no worker runs, an empty one."""
    return _KINDS.get(name) or Kind(name, object, _nothing, "")


def kinds() -> tuple[Kind[Any], ...]:
    """Every kind by name, whichever module was imported first."""
    return tuple(_KINDS[name] for name in sorted(_KINDS))


def names(lane: str | None = None) -> tuple[str, ...]:
    """The names of the kinds, of one lane or of all."""
    return tuple(kind.name for kind in kinds() if lane in (None, kind.lane))
