"""Streams of task events: one look serves all of them, and nothing is lost on the way."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from app.api.feed import Feed, Subscription, _Look
from app.repository import task_events, tasks
from app.serving.kinds import REBUILD_MODEL
from app.storage import Database, task_tables
from tests.api.test_tasks import read_events
from tests.server import poll

SUBSCRIPTIONS = 500


def feed_of(database: Database) -> Feed:
    return Feed(SimpleNamespace(database=database), threading.Event())  # type: ignore[arg-type]


def tell(database: Database, task: Any, number: int) -> None:
    with database.write() as connection:
        task_events.tell(connection, task, "progress", {"n": number}, now=time.time())


def make_task(database: Database) -> Any:
    with database.write() as connection:
        return tasks.create(connection, REBUILD_MODEL, {}, now=time.time())


async def news_of(subscription: Subscription, count: int) -> list[int]:
    """The numbers of the new events, without those that existed before."""
    found: list[int] = []
    while len(found) < count:
        found += [event.data["n"] for event in await subscription.wait(10) if event.type == "progress"]
    return found


def test_one_look_serves_all_streams(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    task, other = make_task(database), make_task(database)
    looks: list[int] = []
    last_event = task_events.last_event

    def counted(connection: Any) -> int:
        looks.append(1)
        return last_event(connection)

    monkeypatch.setattr(task_events, "last_event", counted)
    feed = feed_of(database)

    def write() -> None:
        for number in range(3):
            tell(database, task, number)

    async def story() -> list[list[int]]:
        with ExitStack() as stack:
            mine = [stack.enter_context(feed.subscribe(task.seq)) for _ in range(SUBSCRIPTIONS)]
            theirs = stack.enter_context(feed.subscribe(other.seq))
            await asyncio.to_thread(write)
            found = list(await asyncio.gather(*(news_of(one, 3) for one in mine)))
            assert [event.type for event in await theirs.wait(0.3)] in ([], ["status"])
            return found

    started = time.monotonic()
    assert asyncio.run(story()) == [[0, 1, 2]] * SUBSCRIPTIONS
    assert len(looks) <= (time.monotonic() - started) / 0.1 + 2
    poll(lambda: not any(thread.name == "matinee-feed" for thread in threading.enumerate()))


def test_an_event_that_becomes_visible_late_is_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.api.feed.LOOK_BACK", 0.0)
    task = make_task(database)
    look = _Look(SimpleNamespace(database=database))  # type: ignore[arg-type]

    def insert(number: int) -> list[int]:
        values = {
            "number": number,
            "task_seq": task.seq,
            "at": 1.0,
            "type": "progress",
            "data": {"n": number},
        }
        with database.write() as connection:
            connection.execute(sa.insert(task_tables.task_events).values(**values))
        return [event.number for events in look.news().values() for event in events if event.number > 100]

    look.news()
    assert insert(1_000) == [1_000]
    assert insert(999) == [999]
    assert insert(1_001) == [1_001]


def test_a_stream_that_is_read_slowly_misses_nothing() -> None:
    async def story() -> None:
        subscription = Subscription()
        events = [task_events.Event(n, 0.0, "log", {}) for n in range(5_000)]
        for event in events:
            subscription.tell([event])
        await asyncio.sleep(0)
        await subscription.wait(0)
        assert subscription.missed  # so the stream reads on from the database

    asyncio.run(story())


@pytest.mark.parametrize("kept", [1, 1_000])
def test_a_stream_that_is_open_sees_what_a_later_one_sees(
    client: TestClient, run_tasks: Callable[[], None], monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr("app.api.feed.MOST_KEPT", kept)
    task_id = client.post("/imports").json()["task_id"]
    with ThreadPoolExecutor(5) as pool:
        live = [pool.submit(read_events, client, task_id) for _ in range(4)]
        waited = pool.submit(client.get, f"/tasks/{task_id}", headers={"Prefer": "wait=60"})
        feed = client.app.state.feed  # type: ignore[attr-defined]
        poll(lambda: sum(map(len, list(feed._subscriptions.values()))) == 5)
        run_tasks()
        logs = [one.result(timeout=30) for one in live]
        assert waited.result(timeout=30).json()["status"] == "complete"
    assert logs == [read_events(client, task_id)] * 4


@pytest.mark.parametrize("number", ["9223372036854775808", "9" * 400, "-1", "1e3", "٣"])
def test_a_last_event_id_that_is_none_of_ours_is_ignored(
    client: TestClient, run_tasks: Callable[[], None], number: str
) -> None:
    task_id = client.post("/imports").json()["task_id"]
    run_tasks()
    headers = [(b"Last-Event-ID", number.encode())]
    answer = client.get(f"/tasks/{task_id}/events", headers=headers)
    assert answer.status_code == 200
    assert "event: end" in answer.text
    assert answer.text.count("event: status") == 3
