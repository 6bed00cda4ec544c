"""What is tried again comes to exact figures and can be undone, or is refused with the reason."""

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.repository import tasks
from app.service import Service
from app.storage.schema import tasks as table
from app.tasks import retention
from app.tasks.attempt import Attempt
from app.tasks.execution import execute
from app.tasks.lanes import claim
from app.tasks.schedule import Schedule
from app.tasks.worker import run_next

HEADER = "user_id,movie_id,score,rated_at\n"
TEN = HEADER + "".join(f"{user},1,4,1000\n" for user in range(1, 11)) + "x\n"
OTHERS = HEADER + "".join(f"{user},1,2,2000\n" for user in range(1, 21))


class Here:
    """The application without a worker, and its tasks run on the spot."""

    def __init__(self, settings: Settings) -> None:
        self.app = create_app(settings)
        self.client = TestClient(self.app, raise_server_exceptions=False)
        self.service: Service = self.app.state.service

    def send(self, content: str = TEN) -> str:
        headers = {"Content-Type": "text/csv"}
        return str(self.client.post("/imports", content=content, headers=headers).json()["task_id"])

    def run(self) -> None:
        while run_next(self.service.database, self.service.settings):
            pass

    def run_with(self, stopping: Callable[[], bool]) -> None:
        """Run the next task, and stop it where that is true."""
        with self.service.database.write() as connection:
            task = claim(connection, now=2e9)
        assert task is not None
        execute(Attempt(task, self.service.database, self.service.settings, stopping=stopping))

    def run_half(self, task_id: str, rows: int = 6) -> None:
        """Run the next task, and cancel it after some rows."""

        def cancel() -> bool:
            current = self.task(task_id)["progress"]
            if current["phase"] in ("merge", "undo") and current["done"] >= rows:
                self.client.post(f"/tasks/{task_id}/cancel")
            return False

        self.run_with(cancel)
        assert self.task(task_id)["status"] == "cancelled"
        assert 0 < self.rows() < 20

    def task(self, task_id: str) -> dict[str, Any]:
        return dict(self.client.get(f"/tasks/{task_id}").json())

    def rows(self) -> int:
        with self.service.database.read() as connection:
            return int(connection.execute(sa.text("SELECT count(*) FROM ratings")).scalar_one())

    def half(self) -> str:
        task_id = self.send()
        self.run_half(task_id)
        return task_id

    def undo(self, task_id: str) -> str:
        started = self.client.post(f"/imports/{task_id}/undo")
        assert started.status_code == 202, started.json()
        return str(started.json()["task_id"])

    def retry(self, task_id: str) -> dict[str, Any]:
        """Try again, and run it: the ended task, or the refusal."""
        answer = self.client.post(f"/tasks/{task_id}/retry")
        if answer.status_code != 202:
            assert answer.status_code == 409, answer.json()
            return dict(answer.json())
        self.run()
        return self.task(task_id)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    here = Here(Settings(tmp_path / "data", embedded_worker=False, import_chunk=1))
    yield here
    here.service.close()


def figures(task: dict[str, Any]) -> dict[str, int]:
    return {name: n for name, n in task["result"].items() if type(n) is int and n}


def test_a_cancelled_import_goes_on_and_its_undo_takes_all_of_it_back(here: Here) -> None:
    task_id = here.half()
    assert figures(here.retry(task_id)) == {"read": 11, "new": 10, "rejected": 1}
    assert here.rows() == 10
    here.undo(task_id)
    here.run()
    assert here.rows() == 0


def test_an_import_that_was_undone_is_not_tried_again(here: Here) -> None:
    task_id = here.half()
    undo = here.undo(task_id)
    assert here.undo(task_id) == undo  # asked for twice: the same
    assert f"Undo {undo} is queued" in here.retry(task_id)["detail"]
    here.run()
    assert "was undone. Send the file again." in here.retry(task_id)["detail"]
    assert here.rows() == 0


def test_an_import_that_is_undone_in_part_is_not_tried_again(here: Here) -> None:
    task_id = here.half()
    written = here.rows()
    undo = here.undo(task_id)
    here.run_half(undo, 2)
    assert "undone in part" in here.retry(task_id)["detail"]
    done = here.retry(undo)
    assert (done["result"]["deleted"], here.rows()) == (written, 0)


def test_an_import_that_is_about_to_be_tried_again_is_not_undone(here: Here) -> None:
    task_id = here.half()
    here.client.post(f"/tasks/{task_id}/retry")
    assert here.client.post(f"/imports/{task_id}/undo").status_code == 409


def test_what_a_file_rejected_is_told_after_the_catalogue_has_changed(here: Here) -> None:
    unknown = HEADER + "".join(f"{user},{10**9 + user % 2},4,1000\n" for user in range(1, 11))
    assert here.client.post("/movies", json={"title": "A"}).json()["id"] == 10**9
    task_id = here.send(unknown)

    def cancel() -> bool:
        if here.rows() == 2:
            here.client.post(f"/tasks/{task_id}/cancel")
        return False

    here.run_with(cancel)
    assert here.client.post("/movies", json={"title": "B"}).json()["id"] == 10**9 + 1
    assert figures(here.retry(task_id)) == {"read": 10, "new": 5, "rejected": 5}
    assert len(here.client.get(f"/imports/{task_id}/rejects").text.splitlines()) == 6


@pytest.mark.parametrize("gone", ["work", "uploads"])
def test_an_import_that_has_lost_a_file_is_refused_in_a_sentence(here: Here, gone: str) -> None:
    task_id = here.half()
    for path in (here.service.settings.data_dir / gone).iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    detail = here.retry(task_id)["detail"]
    assert detail.endswith("Send the file again.")
    assert "data directory" in detail
    again = here.send()  # which is what to do
    here.run()
    assert here.task(again)["result"]["unchanged"] > 0
    for each in (again, task_id):
        here.undo(each)
        here.run()
    assert here.rows() == 0


def test_an_import_goes_on_only_with_the_very_files_that_it_had(here: Here) -> None:
    task_id = here.half()
    upload = here.service.settings.uploads_dir / task_id
    upload.write_text(TEN.replace("1,1,4,1000", "1,x,4,1000"))
    failed = here.retry(task_id)
    assert failed["error"]["detail"] == "The upload does not read as it did before. Send the file again."
    (catalogue,) = (here.service.settings.data_dir / "work" / task_id).glob("catalogue-*.json")
    catalogue.write_bytes(catalogue.read_bytes().replace(b"1", b"2"))
    assert "or damaged. Send the file again." in here.retry(task_id)["detail"]


def test_what_is_needed_to_go_on_is_kept_for_a_day(here: Here) -> None:
    task_id = here.half()
    database, settings = here.service.database, here.service.settings
    retention.clean(database, settings, now=time.time())
    assert figures(here.retry(task_id)) == {"read": 11, "new": 10, "rejected": 1}
    second = here.send(OTHERS)
    here.run_half(second, rows=11)
    retention.clean(database, settings, now=time.time() + 2 * retention.DAY)
    assert not any((settings.data_dir / "work").iterdir())
    assert here.retry(second)["detail"].endswith("Send the file again.")


def test_movie_counts_are_made_right_after_a_cancel_in_the_queue(here: Here) -> None:
    task_id = here.send()
    database, settings = here.service.database, here.service.settings
    here.run_with(lambda: here.rows() == 4)
    assert here.client.post(f"/tasks/{task_id}/cancel").json()["status"] == "cancelled"
    Schedule(database, settings).look()
    assert here.client.get("/movies/1").json()["rating_count"] == here.rows() == 4


def test_an_undo_that_has_lost_its_files_is_refused_and_can_be_asked_for_again(here: Here) -> None:
    task_id = here.half()
    here.retry(task_id)
    undo = here.undo(task_id)
    here.run_half(undo)
    shutil.rmtree(here.service.settings.data_dir / "work")
    assert f"Undo import {task_id} again." in here.retry(undo)["detail"]
    again = here.undo(task_id)
    assert again != undo
    here.run()
    assert here.rows() == 0
    assert here.task(again)["status"] == "complete"


def test_an_import_does_not_go_on_after_a_newer_one_has_written(here: Here) -> None:
    first = here.half()
    second = here.send(OTHERS)
    here.run()
    refusal = here.retry(first)["detail"]
    assert f"Import {second} has written since. Send the file again" in refusal
    for each in (second, first):
        here.undo(each)
        here.run()
    assert here.rows() == 0


def test_an_import_that_wrote_nothing_at_first_is_undone_in_the_order_of_writing(here: Here) -> None:
    first = here.send(HEADER + f"1,{10**9},4,3000\n")
    here.run()
    assert here.task(first)["status"] == "failed"
    here.client.post("/movies", json={"title": "A"})
    second = here.send(HEADER + f"1,{10**9},2,2000\n")
    here.run()
    assert figures(here.retry(first)) == {"read": 1, "replaced": 1}
    refused = here.client.post(f"/imports/{second}/undo")
    assert refused.status_code == 409
    assert f"Import {first} is newer" in refused.json()["detail"]
    here.undo(first)
    here.run()
    assert here.client.get("/users/1/ratings").json()[0]["score"] == 2
    here.undo(second)
    here.run()
    assert here.rows() == 0


def test_an_import_that_was_stopped_before_it_wrote_is_newer_than_what_wrote_meanwhile(here: Here) -> None:
    first = here.send(HEADER + f"1,{10**9},4,1000\n")
    here.run()
    here.client.post("/movies", json={"title": "A"})
    second = here.send(HEADER + f"1,{10**9},2,2000\n")
    here.run_with(lambda: here.task(second)["progress"]["phase"] == "merge")
    assert (here.task(second)["status"], here.rows()) == ("queued", 0)
    here.retry(first)
    assert f"Import {second} is newer" in here.client.post(f"/imports/{first}/undo").json()["detail"]
    for each in (second, first):
        here.undo(each)
        here.run()
    assert here.rows() == 0


def test_a_dry_run_starts_over_and_is_not_undone(here: Here) -> None:
    answer = here.client.post("/imports?dry_run=true", content=TEN, headers={"Content-Type": "text/csv"})
    task_id = answer.json()["task_id"]
    here.client.post(f"/tasks/{task_id}/cancel")
    assert figures(here.retry(task_id)) == {"read": 11, "new": 10, "rejected": 1}
    assert here.client.post(f"/imports/{task_id}/undo").status_code == 409


def test_a_rebuild_is_not_tried_again_while_another_waits(here: Here) -> None:
    first = here.client.post("/recommender/rebuild").json()["task_id"]
    here.client.post(f"/tasks/{first}/cancel")
    second = here.client.post("/recommender/rebuild").json()["task_id"]
    assert f"Rebuild {second} is queued already" in here.retry(first)["detail"]


def test_undos_at_once_are_one(here: Here) -> None:
    task_id = here.send()
    here.run()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: here.client.post(f"/imports/{task_id}/undo"), range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["task_id"] for answer in answers}) == 1
    here.run()
    assert [task["status"] for task in here.client.get("/tasks?kind=undo_import").json()] == ["complete"]


def test_an_undo_is_not_stopped_by_an_import_that_comes_after_it(here: Here) -> None:
    undo = here.undo(here.half())
    here.send(OTHERS)
    here.run()
    assert here.task(undo)["status"] == "complete"
    assert here.rows() == 20


def test_a_data_directory_that_was_moved_keeps_its_queue(here: Here, tmp_path: Path) -> None:
    relative, absolute = here.send(TEN), here.send(OTHERS)
    with here.service.database.write() as connection:  # as older releases wrote it
        task = tasks.get(connection, absolute)
        assert task is not None
        old = task.params | {"file": str(tmp_path / "data" / "uploads" / absolute)}
        connection.execute(table.update().where(table.c.id == absolute).values(params=old))
        assert str(tmp_path) not in str(tasks.get(connection, relative))
    here.service.close()
    (tmp_path / "data").rename(tmp_path / "moved")
    moved = Here(Settings(tmp_path / "moved", embedded_worker=False))
    moved.run()
    assert [moved.task(each)["status"] for each in (relative, absolute)] == ["complete"] * 2
    moved.service.close()
