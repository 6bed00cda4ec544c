"""A source that Matinee does not know: its reader is one object in the list of readers."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.imports.files import Source
from app.imports.readers import READERS, reader
from app.imports.rejects import Reject
from app.main import create_app
from app.rating import RatingColumns
from app.tasks.worker import run_next

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
    assert {row["movie_id"]: row["score"] for row in rated} == {1: 4.0, 2: 5.0}
