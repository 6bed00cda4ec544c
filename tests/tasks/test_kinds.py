"""Kinds of tasks: one that is registered from outside is run, listed and kept like the others."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from fastapi.testclient import TestClient

from app.errors import Conflict, Unavailable
from app.repository import tasks
from app.service import Service
from app.serving.kinds import RebuildParams
from app.tasks.attempt import Attempt
from app.tasks.kinds import OUTSIDE, Kind, Shown, kind_of, names, register, unregister
from app.tasks.start import start
from app.tasks.worker import run_next


@dataclass(frozen=True)
class Greeting:
    whom: str = "everyone"
    voice: str = "low"


def greet(attempt: Attempt) -> None:
    greeting: Greeting = attempt.kind.params_of(attempt.task)
    if greeting.whom == "the absent":
        raise Unavailable("They are away.")
    with attempt.transaction(result={"said": f"Hello, {greeting.whom}"}):
        pass


@pytest.fixture
def kind() -> Iterator[Kind[Greeting]]:
    def refuse(_connection: object, _task: object) -> None:
        raise Conflict("They have left.")

    kind = Kind(
        "greet", Greeting, greet, OUTSIDE, check=refuse, shown=lambda _: Shown(7), aliases={"voice": None}
    )
    register(kind)
    yield kind
    unregister(kind.name)


def service_of(client: TestClient) -> Service:
    return client.app.state.service  # type: ignore[attr-defined, no-any-return]


def test_a_kind_from_outside_is_run_and_listed(client: TestClient, kind: Kind[Greeting]) -> None:
    service = service_of(client)
    task = start(service.database, kind.name, Greeting("you"))
    assert [found["task_id"] for found in client.get("/tasks?kind=greet").json()] == [task.id]
    assert run_next(service.database, service.settings)
    [found] = client.get("/tasks?kind=greet").json()
    assert (found["kind"], found["status"], found["written"]) == ("greet", "complete", 7)
    assert (found["params"], found["started_by"]) == ({"whom": "you"}, None)
    assert found["result"] == {"said": "Hello, you"}
    assert client.get("/tasks?kind=rebuild_model").json() == []
    assert "greet" in client.get("/activity").text


def test_its_pauses_and_what_it_checks_hold(client: TestClient, kind: Kind[Greeting]) -> None:
    service = service_of(client)
    task = start(service.database, kind.name, Greeting("the absent"))
    for _ in range(service.settings.task_attempts):
        with service.database.write() as connection:
            connection.exec_driver_sql("UPDATE tasks SET not_before = 0")
        assert run_next(service.database, service.settings)
    assert client.get(f"/tasks/{task.id}").json()["status"] == "failed"
    refused = client.post(f"/tasks/{task.id}/retry")
    assert (refused.status_code, refused.json()["detail"]) == (409, "They have left.")


def test_an_unknown_kind_is_refused_with_those_there_are(client: TestClient) -> None:
    refused = client.get("/tasks?kind=greet")
    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    kinds = [name for name in names() if name != "greet"]
    expected = f"{', '.join(map(repr, kinds[:-1]))} or {kinds[-1]!r}"
    assert error["detail"] == f"Input should be {expected}"
    parameters = client.get("/openapi.json").json()["paths"]["/tasks"]["get"]["parameters"]
    schema = next(one["schema"] for one in parameters if one["name"] == "kind")
    assert schema["enum"] == kinds


def test_a_task_of_a_kind_that_is_no_longer_there_is_shown(
    client: TestClient, run_tasks: Callable[[], None]
) -> None:
    with service_of(client).database.write() as connection:
        task = tasks.create(connection, "greet", {"whom": "you"}, now=1.0)
    run_tasks()
    shown = client.get(f"/tasks/{task.id}").json()
    assert (shown["kind"], shown["status"], shown["params"]) == ("greet", "queued", {})


def test_a_name_is_given_once_and_a_lane_has_to_be_there(kind: Kind[Greeting]) -> None:
    for other in (Kind("greet", Greeting, greet, OUTSIDE), Kind("wave", Greeting, greet, "nowhere")):
        with pytest.raises(ValueError, match="has no lane"):
            register(other)
    register(kind)
    assert "greet" in names(OUTSIDE)


def test_params_of_an_older_row_are_understood(client: TestClient) -> None:
    with service_of(client).database.write() as connection:
        task = tasks.create(connection, "rebuild_model", {"colour": "green"}, now=1.0)
    assert kind_of("rebuild_model").params_of(task) == RebuildParams(scheduled=False)


def test_registering_imports_none_of_the_work() -> None:
    heavy = ("numba", "pyarrow", "app.recommender", "app.imports.import_ratings", "app.imports.undo")
    code = f"import sys, app.kinds; sys.exit([name for name in {heavy} if name in sys.modules] or None)"
    subprocess.run([sys.executable, "-c", code], check=True)
