"""One id leads from an answer to its line in the log, its span, its row and its count, across processes."""

import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from os import environ
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.processes.spans import Receiver, attributes
from tests.server import Server, poll

COUNT = "http_server_request_duration_seconds_count"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def server(tmp_path: Path, receiver: Receiver) -> Iterator[Server]:
    """Without a worker, and with room for one task."""
    settings = {"MATINEE_EMBEDDED_WORKER": "off", "MATINEE_MAX_QUEUE": "1", "MATINEE_LOG_FORMAT": "json"}
    server = Server(tmp_path / "data", **settings, **receiver.environment).start().ready()
    yield server
    server.close()


class Trail:
    """What is to be found under the id of a request."""

    def __init__(self, server: Server, receiver: Receiver) -> None:
        self.server, self.receiver = server, receiver

    def lines(self, **fields: Any) -> list[dict[str, Any]]:
        """The lines of the log, of every process, with these fields."""
        found = []
        for text in self.server.data_dir.with_suffix(".log").read_text().splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(text))
        return [line for line in found if fields.items() <= line.items()]

    def follow(self, name: str, answer: httpx.Response, route: str) -> dict[str, Any]:
        """From an answer to its line, its span and its count; returns its line."""
        assert answer.headers["x-request-id"] == name
        if answer.status_code >= 400:
            assert answer.json()["request_id"] == name
        (line,) = poll(lambda: self.lines(request_id=name, logger="matinee.requests"))
        assert (line["route"], line["status"]) == (route, answer.status_code)
        (span,) = poll(lambda: self.receiver.of("matinee.request_id", name)[:1])
        assert span.trace_id.hex() == line["trace_id"]
        assert answer.headers["traceparent"].split("-")[1:3] == [span.trace_id.hex(), span.span_id.hex()]
        assert attributes(span)["http.response.status_code"] == answer.status_code
        assert poll(lambda: self.counted(route, answer.status_code)) == 1
        return line

    def counted(self, route: str, status: int) -> float:
        text = self.server.client.get("/metrics").raise_for_status().text
        wanted = {"http_route": route, "http_response_status_code": str(status)}
        samples = (one for family in text_string_to_metric_families(text) for one in family.samples)
        return sum(one.value for one in samples if one.name == COUNT and wanted.items() <= one.labels.items())


def test_an_id_leads_from_the_answer_to_everything_that_happened(server: Server, receiver: Receiver) -> None:
    trail, client = Trail(server, receiver), server.client

    def named(name: str, **more: str) -> dict[str, str]:
        return {"X-Request-ID": name, **more}

    done = client.get("/recommendations/1", headers=named("done"))
    trail.follow("done", done, "/recommendations/{user_id}")

    started = client.post("/imports", headers=named("starts"))
    trail.follow("starts", started, "/imports")
    task_id = started.json()["task_id"]
    with closing(sqlite3.connect(server.data_dir / "matinee.db")) as connection:
        row = connection.execute(
            "SELECT request_id, traceparent FROM tasks WHERE id = ?", (task_id,)
        ).fetchone()
        connection.execute("DROP TABLE hooks")
    assert row[0] == "starts"
    assert row[1].split("-")[1] == started.headers["traceparent"].split("-")[1]

    slow = client.get(f"/tasks/{task_id}", headers=named("slow", Prefer="wait=1"))
    assert trail.follow("slow", slow, "/tasks/{task_id}")["ms"] >= 1000

    shed = client.post("/recommender/rebuild", headers=named("shed"))
    assert shed.status_code == 503
    trail.follow("shed", shed, "/recommender/rebuild")

    refused = client.get("/movies", headers=named("refused", **{"X-Forwarded-For": "192.0.2.7"}))
    assert refused.status_code == 403
    trail.follow("refused", refused, "/movies")

    failed = client.get("/hooks", headers=named("failed"))
    assert failed.status_code == 500
    trail.follow("failed", failed, "/hooks")
    (fault,) = trail.lines(request_id="failed", level="ERROR")
    assert "no such table" in fault["message"]

    _run_a_worker(server, receiver, task_id)
    story = [line["status"] for line in trail.lines(task_id=task_id, logger="matinee.tasks")]
    assert story == ["queued", "running", "complete"]
    assert {line["request_id"] for line in trail.lines(task_id=task_id)} == {"starts"}
    assert len({line["process"] for line in trail.lines(task_id=task_id)}) == 2
    _follow_the_spans(receiver, row[1], task_id)


def _run_a_worker(server: Server, receiver: Receiver, task_id: str) -> None:
    with server.data_dir.with_suffix(".log").open("ab") as log:
        settings = {"MATINEE_DATA_DIR": str(server.data_dir), "MATINEE_LOG_FORMAT": "json"}
        settings |= {"MATINEE_WORKER_NICE": "0"}  # the test waits for it
        worker = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "worker"],
            env=environ | settings | receiver.environment,
            stderr=log,
        )
    try:
        assert server.wait(task_id, within=180)["status"] == "complete"
        poll(lambda: receiver.of("matinee.task_id", task_id)[1:])
    finally:
        worker.terminate()
        worker.wait(30)


def _follow_the_spans(receiver: Receiver, traceparent: str, task_id: str) -> None:
    """request -> queued -> attempt (linked) -> phases -> database"""
    spans = {one.name: one for one in receiver.of("matinee.task_id", task_id)}
    queued, attempt = spans["import_ratings queued"], spans["import_ratings"]
    assert attributes(attempt)["matinee.request_id"] == "starts"
    assert traceparent.split("-")[1:3] == [queued.trace_id.hex(), queued.parent_span_id.hex()]
    assert [link.span_id for link in attempt.links] == [queued.parent_span_id, queued.span_id]
    assert attempt.trace_id != queued.trace_id
    inside = [one for one in receiver.spans if one.trace_id == attempt.trace_id]
    phases = {one.span_id: one.name for one in inside if one.parent_span_id == attempt.span_id}
    assert {"parse", "merge"} <= set(phases.values())
    assert any(one.name == "database.write" and phases.get(one.parent_span_id) == "merge" for one in inside)


def test_no_span_shows_a_secret_address(server: Server, receiver: Receiver) -> None:
    server.client.get("/list/the-secret/rss.xml")
    server.client.get("/movies/1", headers={"X-Request-ID": "after"})
    poll(lambda: receiver.of("matinee.request_id", "after"))
    assert "the-secret" not in str(receiver.spans)
    assert "the-secret" not in server.data_dir.with_suffix(".log").read_text()
