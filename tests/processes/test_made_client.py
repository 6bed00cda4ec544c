"""A client made from the description parses what the service sends, refusals too, into typed objects."""

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.user import Role
from tests.house import House

contract = pytest.importorskip("benchmarks.contract", reason="uv sync --group contract", exc_type=ImportError)
RATINGS = b"user_id,movie_id,score\n7,1,5\n7,2,0.5\n7,6,4\n"


@pytest.fixture
def made(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Made"]:
    limited = replace(settings, limit_imports="3/minute")
    house = House(limited)
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(house.app.openapi()), encoding="utf-8")
    maker = Path(sys.executable).with_name("openapi-python-client")
    command = [
        str(maker),
        "generate",
        "--path",
        str(document),
        "--output-path",
        str(tmp_path / "made_client"),
    ]
    subprocess.run([*command, "--meta", "none"], check=True, capture_output=True, cwd=tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with contract.tasks_run(house.service):
        yield Made(house)
    house.service.close()
    for name in [name for name in sys.modules if name.startswith("made_client")]:
        del sys.modules[name]
    shutil.rmtree(tmp_path / "made_client")


class Made:
    """The made client, as an admin."""

    def __init__(self, house: House) -> None:
        client = house.client()
        client.headers.update(house.token(house.person("Ada", Role.ADMIN), "session"))
        self._client = importlib.import_module("made_client").Client(base_url="http://192.0.2.1")
        self._client.set_httpx_client(client)

    def model(self, name: str) -> Any:
        return getattr(importlib.import_module("made_client.models"), name)

    def call(self, operation: str, *arguments: Any, **given: Any) -> Any:
        """The detailed response of an operation, such as `movies.create_movie`."""
        module = importlib.import_module(f"made_client.api.{operation}")
        return module.sync_detailed(*arguments, client=self._client, **given)

    def imported(self) -> Any:
        file = importlib.import_module("made_client.types").File(BytesIO(RATINGS), "ratings.csv", "text/csv")
        return self.call("tasks.start_import", body=self.model("StartImportFilesBody")(file=file))


def test_every_answer_is_a_typed_object(made: Made) -> None:
    problem, task = made.model("Problem"), made.model("TaskAnswer")
    body = made.model("NewMovie")(title="Persona", year=1966)
    created = made.call("movies.create_movie", body=body)
    assert (created.status_code, created.parsed.title) == (201, "Persona")
    missing = made.call("movies.get_movie", 424242)
    assert isinstance(missing.parsed, problem) and missing.parsed.status == 404
    wrong = made.call("movies.create_movie", body=made.model("NewMovie")(title=""))
    assert isinstance(wrong.parsed, problem) and wrong.parsed.errors[0].pointer == "#/title"

    started = made.imported()
    assert started.status_code == 202, started.content
    ended = made.call("tasks.get_task", started.parsed.task_id, prefer="wait=30")
    assert isinstance(ended.parsed, task) and ended.parsed.status == "complete"
    assert isinstance(ended.parsed.result, made.model("ImportReport")) and ended.parsed.result.new == 3
    status = made.call("tasks.import_status", started.parsed.task_id)
    assert isinstance(status.parsed, task)
    unknown = made.call("tasks.import_status", "none")
    assert isinstance(unknown.parsed, made.model("UnknownTask"))

    kept = made.call("movies.delete_movie", 1)
    assert isinstance(kept.parsed, problem) and kept.parsed.status == 409
    answers = [made.imported() for _ in range(3)]
    assert isinstance(answers[-1].parsed, problem) and answers[-1].parsed.status == 429
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_pages_follow_each_other(made: Made) -> None:
    seen: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = made.call("movies.list_movies", limit=25, **cursor)
        seen += [movie.id for movie in page.parsed]
        if "Link" not in page.headers:
            break
        cursor = {"cursor": page.headers["Link"].partition("cursor=")[2].partition(">")[0].partition("&")[0]}
    assert len(seen) == len(set(seen)) == 60
