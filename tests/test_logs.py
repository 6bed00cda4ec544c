"""Logs: what a line holds, that nobody can forge one, and that nobody waits for who reads them."""

import json
import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app import logs
from app.config import Settings
from app.logs import target
from app.logs.formats import Json, Text
from app.logs.target import Target
from app.repository import leases, tasks
from app.storage import Database
from app.task import QUEUED
from app.tasks.attempt import Attempt, Stopped
from app.tasks.execution import execute
from app.tasks.lanes import claim
from app.tasks.start import start
from app.user import Role
from tests.house import House
from tests.server import poll

FORGED = "a\n2026-01-01 INFO matinee.tasks: forged\r\x1b[31m\u2028\x85 \x00"


def record(text: str, *arguments: Any) -> logging.LogRecord:
    return logging.LogRecord("matinee.test", logging.INFO, "", 0, text, arguments, None)


class Pipe:
    """A target that writes into a pipe, and the other end of that."""

    def __init__(self, most: int) -> None:
        self.reader, self.writer = os.pipe()
        self.target = Target(self.writer, most)
        self.target.setFormatter(Json())

    def read(self) -> bytes:
        return os.read(self.reader, 1_000_000)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe(most=2_000)
    yield pipe
    os.close(pipe.reader)
    pipe.target.flush()
    os.close(pipe.writer)


def test_a_line_of_json_holds_what_the_record_belongs_to(pipe: Pipe) -> None:
    with logs.belonging(request_id="r1", task_id=None), logs.belonging(attempt=2):
        pipe.target.handle(record("%s rows", 3))
    line = json.loads(pipe.read())
    assert (line["message"], line["level"], line["logger"]) == ("3 rows", "INFO", "matinee.test")
    assert (line["request_id"], line["attempt"], line["process"]) == ("r1", 2, os.getpid())
    assert "task_id" not in line
    assert line["time"].endswith("Z")


def test_what_is_said_of_a_request_is_the_line_of_a_record_without_one(pipe: Pipe) -> None:
    log, made = logging.Logger("apart", logging.INFO), list[str]()
    log.addHandler(pipe.target)
    text, given = "%s in %.1f ms", ("GET", 1.54)
    said = {"route": "/movies/{movie_id}", "status": None, "ms": 1.54, "client": 'a "b"\n'}
    factory = logging.getLogRecordFactory()

    def noted(*arguments: Any, **named: Any) -> logging.LogRecord:
        made.append(arguments[0])
        return factory(*arguments, **named)

    logging.setLogRecordFactory(noted)
    try:
        with logs.belonging(request_id="r1"):
            logs.say(log, logging.DEBUG, text, *given, fields=said)
            logs.say(log, logging.INFO, text, *given, fields=said)
            assert made == []
            log.log(logging.INFO, text, *given, extra={"fields": said})
            log.addHandler(logging.NullHandler())  # it gets a record
            logs.say(log, logging.INFO, text, *given, fields=said)
    finally:
        logging.setLogRecordFactory(factory)
    assert made == ["apart", "apart"]
    pipe.target.flush()
    lines = [list(json.loads(line).items()) for line in pipe.read().splitlines()]
    assert [name for name, _ in lines[0]][:4] == ["time", "level", "logger", "process"]
    assert len(lines) == 3
    assert lines[0][1:] == lines[1][1:] == lines[2][1:]


def test_no_text_of_a_caller_begins_a_line() -> None:
    lines = Text().format(record("%s", FORGED)).split("\n")
    assert len(lines) == 2
    assert lines[1] == "    2026-01-01 INFO matinee.tasks: forged\\x0d\\x1b[31m\\u2028\\x85 \\x00"
    written = Json().format(record("%s", FORGED))
    assert "\n" not in written
    assert json.loads(written)["message"] == FORGED


def test_a_record_that_cannot_be_formatted_is_shown_as_it_stands(pipe: Pipe) -> None:
    pipe.target.handle(record("%d rows", "no number"))
    assert b"'%d rows' ('no number',)" in pipe.read()


def test_a_reader_that_blocks_holds_nobody_up_and_the_loss_is_counted(pipe: Pipe) -> None:
    def say() -> None:
        for number in range(5_000):
            pipe.target.handle(record(f"{number} {'x' * 100}"))

    saying = threading.Thread(target=say)
    saying.start()
    saying.join(20)
    assert not saying.is_alive()  # nobody has read anything
    dropped = pipe.target.dropped
    assert 2_000 < dropped < 5_000
    lines: list[str] = []
    seen, told = b"", 0
    while told < dropped:  # the writer may tell of some of them before the others are dropped
        *whole, seen = (seen + pipe.read()).split(b"\n")
        for line in map(json.loads, whole):
            lines.append(line["message"])
            told += int(line["message"].split()[0]) if "were dropped" in line["message"] else 0
    assert told == dropped
    numbers = [int(line.split()[0]) for line in lines if line.endswith("x")]
    assert numbers == sorted(numbers)
    assert len(numbers) <= 5_000 - dropped


def test_a_line_that_cannot_be_made_ends_nothing(pipe: Pipe) -> None:
    pipe.target.put(lambda: str(1 / 0))
    pipe.target.put("the next one")
    pipe.target.flush()
    assert pipe.read().splitlines()[1:] == [b"the next one"]


def test_the_end_of_a_process_does_not_wait_until_lines_are_gathered(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "GATHER", 3600)
    os.set_blocking(pipe.reader, False)
    pipe.target.put("the last one")
    pipe.target.flush(10)
    assert pipe.read() == b"the last one\n"


def test_a_reader_that_has_gone_ends_nothing() -> None:
    pipe = Pipe(most=10)
    os.close(pipe.reader)
    pipe.target.handle(record("nobody reads this"))
    pipe.target.flush()
    pipe.target.handle(record("nor this"))
    poll(lambda: not pipe.target._lines)
    os.close(pipe.writer)


def of(caplog: pytest.LogCaptureFixture, name: str) -> list[Any]:
    return [one for one in caplog.records if one.name == f"matinee.{name}"]


def test_a_request_is_one_line_without_its_address(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "matinee")
    client.get("/movies/1", headers={"X-Request-ID": "mine"})
    client.head("/recommendations/5")
    client.get("/nowhere/the-secret%0A")
    client.put("/movies/1/similar")
    client.get("/health")  # a probe
    lines = of(caplog, "requests")
    said = [tuple(one.fields[name] for name in ("method", "route", "status")) for one in lines]
    assert said == [
        ("GET", "/movies/{movie_id}", 200),
        ("HEAD", "/recommendations/{user_id}", 200),
        ("GET", "none", 404),
        ("PUT", "/movies/{movie_id}/similar", 405),
    ]
    assert lines[0].fields["bytes"] > 50
    assert "secret" not in "".join(one.getMessage() for one in lines)
    caplog.set_level(logging.DEBUG, "matinee")
    client.get("/health")
    assert of(caplog, "requests")[-1].fields["route"] == "/health"


class Noted(Target):
    """Keeps what the records belong to."""

    def __init__(self) -> None:
        super().__init__(2)
        self.seen: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.fields)  # type: ignore[attr-defined]


def test_the_line_of_a_request_has_the_id_of_the_person_and_no_name(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "matinee")
    house, noted = House(settings), Noted()
    ann = house.person("Ann", Role.VIEWER)
    logging.getLogger("matinee").addHandler(noted)
    try:
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        house.client().get("/movies/1", headers=house.token(ann, "a") | {"traceparent": parent})
    finally:
        logging.getLogger("matinee").removeHandler(noted)
        house.service.close()
    assert noted.seen[-1]["user_id"] == ann
    assert noted.seen[-1]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert "Ann" not in caplog.text
    assert logs.current() == {}


def test_the_lines_of_a_task_tell_where_it_stopped_and_who_went_on(
    database: Database, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    caplog.set_level(logging.INFO, "matinee")

    def attempt(worker: str) -> Attempt:
        with database.write() as connection:
            task = claim(connection, now=10.0, worker=worker)
        assert task is not None
        return Attempt(task, database, settings, clock=lambda: 20.0)

    def stop(one: Attempt) -> None:
        with one.transaction(phase="merge", unit="rows", done=1_262_237, checkpoint={"after": 7}):
            pass
        raise Stopped

    def complete(one: Attempt) -> None:
        with one.transaction(result={}):
            pass

    with logs.belonging(request_id="r1"):
        task = start(database, "rebuild_model")
    execute(attempt("h:1"), stop)
    attempt("h:812")
    with database.write() as connection:
        leases.take_up(connection, None, crashes=5, now=15.0, by="h:815")
    execute(attempt("h:815"), complete)
    lines = of(caplog, "tasks")
    told = [one.getMessage().removeprefix(f"task {task.id} (rebuild_model) ") for one in lines]
    assert told == [
        "is queued",
        "begins on worker h:1",
        "stopped at a safe point at row 1,262,237; the next worker goes on there",
        "begins on worker h:812 with attempt 2; it goes on at row 1,262,237",
        "was left when worker h:812 was killed at row 1,262,237; worker h:815 goes on there",
        "begins on worker h:815 with attempt 3; it goes on at row 1,262,237",
        "is complete, 10.0 s after it began, in 3 attempts",
    ]
    assert {one.fields["request_id"] for one in lines} == {"r1"}
    assert {one.fields["task_id"] for one in lines} == {task.id}
    assert [one.levelname for one in lines].count("WARNING") == 1
    with database.read() as connection:
        row = tasks.get(connection, task.id)
    assert row is not None
    assert row.request_id == "r1"


def test_what_is_rolled_back_is_not_told(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "matinee")
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        assert tasks.create(connection, "rebuild_model", {}, now=1.0).status == QUEUED
        raise ZeroDivisionError
    with database.write():
        pass
    assert of(caplog, "tasks") == []
