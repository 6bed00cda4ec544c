"""Debian's Prometheus scrapes a server and can evaluate each expression of the dashboard and of the rules."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server import Server, free_port, poll
from tests.test_deploy import DEPLOY, expressions

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")

EMPTY = ("matinee_model_ndcg", " > ", " < ", " == ")
"""What has no value while nothing is wrong: alerts, and a figure that the sample is too small for."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", MATINEE_WORKER_NICE="0").start().ready()
    yield server
    server.close()


@pytest.fixture
def prometheus(server: Server, tmp_path: Path) -> Iterator[httpx.Client]:
    """One that scrapes the server every second, with our rules."""
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}").replace("15s", "1s")
    (tmp_path / "prometheus.yml").write_text(text, encoding="utf-8")
    shutil.copy(DEPLOY / "prometheus" / "rules.yml", tmp_path)
    address = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb"]
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", *options, f"--web.listen-address={address}"], stdout=log, stderr=log
        )
    with httpx.Client(base_url=f"http://{address}/api/v1", timeout=30) as client:
        yield client
    process.terminate()
    process.wait(30)


def answered(prometheus: httpx.Client, expression: str) -> bool:
    """Whether it can be evaluated, to a value unless it has none while all is well."""
    try:
        answer = prometheus.get("/query", params={"query": expression}).json()
    except (httpx.TransportError, ValueError):  # it is starting
        return False
    assert answer["status"] == "success", (expression, answer)
    return bool(answer["data"]["result"]) or any(word in expression for word in EMPTY)


def test_every_expression_is_answered_with_data(server: Server, prometheus: httpx.Client) -> None:
    server.wait(server.client.post("/imports").json()["task_id"], within=120)
    server.wait(server.client.post("/recommender/rebuild").json()["task_id"], within=120)

    def use() -> bool:
        server.client.get("/recommendations/1001")
        server.client.get("/movies/999999")
        return all(answered(prometheus, expression) for expression in expressions())

    poll(use, within=120, every=0.5)
    rules = prometheus.get("/rules").json()["data"]["groups"][0]["rules"]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    assert len(rules) > 10
