"""One contract for stores: a folder, and a bucket of a real S3 server."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.checks.finding import FAULT
from app.cli.commands import main
from app.cli.doctor import examine
from app.config import Settings
from app.errors import ConfigurationError, Unavailable
from app.storage import open_database
from app.storage.folder_store import FolderStore
from app.storage.segments import Segments
from app.storage.store import PART, Store, store_of
from tests.s3 import BUCKET, KEYS, S3Server

SOON = timedelta(seconds=0.2)
STEPS = ("go on", "save", "kill", "lose")
LARGE = os.urandom(1 << 20) * (2 * PART // (1 << 20)) + b"the end"


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind in turn."""
    if request.param == "folder":
        yield store_of(Settings(data_dir=tmp_path / "data", store=str(tmp_path / "store")))
        return
    address = request.getfixturevalue("s3_address")
    yield store_of(Settings(data_dir=tmp_path / "data", store=address))


def keys(store: Store, folder: str) -> list[str]:
    return [entry.key for entry in store.entries(folder)]


def test_what_was_put_is_read_and_deleted(store: Store) -> None:
    store.put("work/one/a.json", b"first")
    store.put("work/one/a.json", b"second, longer")
    store.put("work/two/b.json", b"")
    assert store.read("work/one/a.json") == b"second, longer"
    assert store.read("work/two/b.json") == b""
    assert (store.size("work/one/a.json"), store.size("work/three")) == (14, None)
    assert keys(store, "work/") == ["work/one/a.json", "work/two/b.json"]
    assert keys(store, "work/one/") == ["work/one/a.json"]
    assert abs(next(store.entries("work/")).modified - time.time()) < 60
    store.delete(["work/one/a.json", "work/none"])
    assert keys(store, "work/") == ["work/two/b.json"]
    store.delete_all("work/two/")
    assert keys(store, "work/") == []


def test_what_is_not_there_is_a_missing_file(store: Store, tmp_path: Path) -> None:
    for call in (store.read, store.open, lambda key: list(store.pieces(key))):
        with pytest.raises(FileNotFoundError):
            call("uploads/none")
    assert store.size("uploads/none") is None
    store.check()


def test_a_large_file_goes_in_and_out_in_parts(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(LARGE)
    store.put_file("uploads/large", path)
    assert not path.exists()
    assert store.size("uploads/large") == len(LARGE)
    pieces = list(store.pieces("uploads/large"))
    assert b"".join(pieces) == LARGE
    assert max(map(len, pieces)) <= PART
    with store.open("uploads/large") as file:
        assert file.seek(-7, os.SEEK_END) == len(LARGE) - 7
        assert file.read() == b"the end"
        file.seek(PART - 3)
        assert file.read(6) == LARGE[PART - 3 : PART + 3]
    told: list[int] = []
    copy = store.local("uploads/large", tmp_path / "scratch", lambda: told.append(1))
    assert copy.read_bytes() == LARGE
    assert store.local("uploads/large", tmp_path / "scratch") == copy


def test_the_beginning_of_a_file_is_exact_or_an_error(store: Store) -> None:
    store.put("dumps/a", b"0123456789")
    assert b"".join(store.pieces("dumps/a", 4)) == b"0123"
    with pytest.raises(EOFError):
        list(store.pieces("dumps/a", 11))


def test_what_nothing_names_is_swept_by_age(store: Store) -> None:
    for key in ("work/kept/a", "work/gone/a", "work/gone/b/c"):
        store.put(key, b"x")
    store.sweep("work/", {"kept"}, time.time() - 3600)
    assert len(keys(store, "work/")) == 3
    store.sweep("work/", {"kept"}, time.time() + 3600)
    assert keys(store, "work/") == ["work/kept/a"]


def test_what_comes_while_a_folder_is_swept_stays(store: Store) -> None:
    store.put("imports/old/rejects-1.csv", b"x")

    def kept() -> set[str]:  # a task that is not known here is made meanwhile
        store.put("imports/new/rejects-1.csv", b"x")
        return set()

    store.sweep("imports/", kept)
    assert keys(store, "imports/") == ["imports/new/rejects-1.csv"]


@given(st.lists(st.tuples(st.binary(max_size=9), st.sampled_from(STEPS)), max_size=12))
@settings(max_examples=40)
def test_segments_hold_what_was_saved_and_nothing_else(steps: list[tuple[bytes, str]]) -> None:
    """`kill`: the next attempt goes on with what was saved; `lose`: also after a save that was lost."""
    with tempfile.TemporaryDirectory() as folder:
        store, kept, saved, whole, attempt = FolderStore(Path(folder)), list[list[object]](), b"", b"", 1
        segments = Segments(store, "work/t/", "a-1", least=5)
        for data, then in steps:
            segments.append(data)
            whole += data
            if then == "save":
                kept, saved = segments.save(), whole
            if then in ("kill", "lose"):
                if then == "lose":
                    segments.save()
                attempt, whole = attempt + 1, saved
                segments = Segments(store, "work/t/", f"a-{attempt}", kept, least=5)
                assert segments.are_there()
            assert b"".join(segments.pieces()) == whole
            assert segments.size == len(whole)


def test_a_put_that_is_killed_is_not_there(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(LARGE * 2)
    process = subprocess.Popen(
        [sys.executable, "-c", PUT, str(path), store.where], stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"1\n"  # the first part is read, and perhaps sent
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert store.size("uploads/killed") is None
    assert keys(store, "uploads/") == []
    store.put_file("uploads/killed", path)
    assert store.size("uploads/killed") == 2 * len(LARGE)


PUT = """
import sys
from pathlib import Path
from app.checks.finding import FAULT
from app.cli.commands import main
from app.cli.doctor import examine
from app.config import Settings
from app.storage.store import store_of
from app.storage.files import write_pieces
store, path = store_of(Settings(store=sys.argv[2])), Path(sys.argv[1])
def pieces():
    with path.open("rb") as file:
        while some := file.read(1 << 20):
            print(1, flush=True)
            yield some
if store.path("a"):
    write_pieces(store.path("uploads/killed"), pieces())
else:
    told = lambda: print(1, flush=True)
    store.put_file("uploads/killed", path, told)
"""


class TestOfS3:
    """What a folder has not."""

    def test_a_server_that_is_killed_and_comes_back_loses_nothing(
        self, s3_server: S3Server, s3_address: str, tmp_path: Path
    ) -> None:
        store, path = store_of(Settings(store=s3_address)), tmp_path / "upload"
        path.write_bytes(LARGE)
        store.put_file("uploads/large", path)
        pieces = store.pieces("uploads/large")
        read = [next(pieces)]
        s3_server.kill()
        back = threading.Timer(0.3, s3_server.start)
        back.start()
        read += pieces
        back.join()
        assert b"".join(read) == LARGE

    def test_a_server_that_is_away_is_said_with_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("app.storage.s3_store.RETRIES", SOON)
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        with pytest.raises(Unavailable, match="AWS_ENDPOINT_URL"):
            store_of(Settings(store="s3://away")).size("a")

    def test_wrong_keys_and_a_missing_bucket_are_faults_of_the_settings(
        self, s3_server: S3Server, s3_address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(ConfigurationError, match="no bucket 'none'"):
            store_of(Settings(store="s3://none/films")).check()
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        store = store_of(Settings(store=f"s3://{BUCKET}"))
        with pytest.raises(ConfigurationError, match="AWS_SECRET_ACCESS_KEY"):
            store.check()
        with pytest.raises(Unavailable, match="refuses these credentials"):  # may be mended while it runs
            store.put("a", b"")

    def test_the_doctor_and_a_start_say_what_is_wrong(
        self, s3_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ours = Settings(data_dir=tmp_path / "data", store=s3_address)
        open_database(ours).close()
        assert [one.text for one in examine(ours) if one.check == "store"] == [
            f"The store {s3_address} answers."
        ]
        other = replace(ours, store=f"{s3_address}/other")
        found = [one for one in examine(other) if one.check == "store"]
        assert ["not in s3:" in one.text for one in found] == [True, False]
        for name in ("MATINEE_STORE", "MATINEE_DATA_DIR"):
            monkeypatch.setenv(name, other.to_environment()[name])
        assert main(["worker"]) == 1
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        (fault,) = [one for one in examine(replace(ours, data_dir=tmp_path / "new")) if one.state == FAULT]
        assert "AWS_SECRET_ACCESS_KEY" in fault.text
