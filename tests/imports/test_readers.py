"""A source that Matinee does not know is one object in the list of readers; sizes change no outcome."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.imports.files import Source
from app.imports.readers import READERS, reader
from app.imports.rejects import Reject
from app.imports.sizes import DEFAULT, Sizes
from app.main import create_app
from app.rating import RatingColumns
from app.storage import Database
from app.tasks.worker import run_next
from tests.imports.conftest import Import, Undo, ratings

HEADER = b"who\twhat\tstars\n"


class Tabs:
    """Reads `who<TAB>what<TAB>stars` from the stream itself, without the base of the CSV readers."""

    name, rows, personal = "tabs", reader.RATINGS, False

    def recognises(self, head: bytes) -> bool:
        return head.startswith(HEADER)

    def read(self, source: Source, context: reader.Context) -> Iterator[reader.Batch]:
        source.stream.readline()
        for number, line in enumerate(source.stream, 2):
            who, what, stars = map(int, line.split())
            ids = np.array([[who], [what], [context.start]])
            good = RatingColumns(ids[0], ids[1], np.full(1, 2 * stars, np.uint8), ids[2], timed=False)
            if what in context.known_movies:
                yield reader.Batch(good, [], 1)
            else:
                unknown = Reject(number, "what", str(what), "unknown movie")
                yield reader.Batch(good.take(slice(0)), [unknown], 1)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[TestClient]:
    app = create_app(Settings(data_dir=tmp_path, embedded_worker=False))
    yield TestClient(app)
    app.state.service.close()


def test_a_reader_from_outside_is_asked_and_its_file_imported(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = HEADER + b"7\t1\t4\n7\t2\t5\n7\t999999\t5\n"
    assert api.post("/imports", content=content).status_code == 422
    monkeypatch.setattr("app.imports.readers.READERS", [*READERS, Tabs()])
    started = api.post("/imports", content=content)
    assert started.status_code == 202, started.json()
    service = api.app.state.service  # type: ignore[attr-defined]
    assert run_next(service.database, service.settings)
    result = api.get(started.headers["location"]).json()["result"]
    assert (result["format"], result["read"], result["new"], result["rejected"]) == ("tabs", 3, 2, 1)
    rejected = [(row["line"], row["column"], row["value"]) for row in result["rejects"]]
    assert rejected == [(4, "what", "999999")]
    rated = api.get("/users/7/ratings").json()
    assert {row["movie"]["id"]: row["score"] for row in rated} == {1: 4.0, 2: 5.0}


@pytest.mark.parametrize("header", ["user_id,movie_id,score", "user_id,movie_id,score,rated_at"])
def test_sizes_change_nothing_of_what_an_import_comes_to(
    run_import: Import, run_undo: Undo, database: Database, catalogue: list[int], header: str
) -> None:
    """Compiled or not, in memory or in files, in one block or many: with and without times."""
    time = ",{}" if "rated_at" in header else ""
    times = ("", "5", "2023-01-05", "9")
    lines = [f"{i % 4},{i % 9},{i % 5 + 1}{time.format(times[i % 4])}\n" for i in range(60)]
    found = []
    for sizes in (DEFAULT, Sizes(compiled_from=0, block=64, run_rows=5), Sizes(rows_in_memory=0, run_rows=7)):
        task = run_import(header + "\n" + "".join(lines), sizes=sizes)
        assert task.result is not None
        shown = {name: task.result[name] for name in ("read", "new", "duplicate", "rejected", "rejects")}
        found.append((ratings(database), shown))
        run_undo(task)
    assert found[0] == found[1] == found[2]
    assert ratings(database) == {}
    assert found[0][1]["rejected"] == 7
