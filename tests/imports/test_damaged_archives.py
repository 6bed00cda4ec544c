"""Damaged archives are the caller's mistake: refused at once, or the import fails with what to do.

They are never a crash, and never taken as if they were whole. `MATINEE_TEST_DAMAGES` is how many random
changes are tried of each kind.
"""

import gzip
import io
import operator
import os
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.errors import AppError
from app.imports.files import contents
from app.main import create_app
from app.tasks.worker import run_next

DAMAGES = int(os.environ.get("MATINEE_TEST_DAMAGES", "100"))

TEXT = "user_id,movie_id,score,rated_at\n" + "".join(f"{i},{i % 50 + 1},4,{i * 77}\n" for i in range(9_000))
METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflated": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}
LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"


def packed(method: int = zipfile.ZIP_DEFLATED, **entries: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, text in (entries or {"ratings": TEXT}).items():
            archive.writestr(zipfile.ZipInfo(f"{name}.csv"), text, method)
    return buffer.getvalue()


def changed(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def flipped(data: bytes, at: int) -> bytes:
    return changed(data, at, bytes([data[at] ^ 0x55]))


def field(data: bytes, where: bytes, offset: int, form: str, change: Callable[[int], int]) -> bytes:
    """With one field of the last header of that kind changed."""
    at = data.rindex(where) + offset
    (value,) = struct.unpack_from(form, data, at)
    return changed(data, at, struct.pack(form, change(value) % (1 << 8 * struct.calcsize(form))))


def zips() -> Iterator[tuple[str, bytes]]:
    for name, method in METHODS.items():
        whole = packed(method)
        middle = whole.index(CENTRAL) // 2
        for cut in (1, 20, 80, len(whole) // 2, len(whole) - 30):
            yield f"{name} cut by {cut}", whole[:-cut]
        for at in (60, middle, 2 * middle - 40):
            yield f"{name} with byte {at} changed", flipped(whole, at)
        yield f"{name} with another checksum", field(whole, CENTRAL, 16, "<L", lambda crc: crc + 1)
        for offset, size in ((24, "unpacked size"), (20, "packed size")):
            for by in (-1000, 1000):
                lie = field(whole, CENTRAL, offset, "<L", partial(operator.add, by))
                yield f"{name} with {by:+} of {size}", lie
    whole = packed()
    for by in (-5, 5, 1 << 30):
        more = partial(operator.add, by)
        yield f"an entry elsewhere by {by}", field(whole, CENTRAL, 42, "<L", more)
        yield f"a directory elsewhere by {by}", field(whole, END, 16, "<L", more)
        yield f"a directory longer by {by}", field(whole, END, 12, "<L", more)
    yield "unknown method", field(whole, CENTRAL, 10, "<H", lambda _: 99)
    yield "another method", field(whole, CENTRAL, 10, "<H", lambda _: zipfile.ZIP_LZMA)
    yield "deflated as stored", field(whole, CENTRAL, 10, "<H", lambda _: zipfile.ZIP_STORED)
    yield "encrypted", field(whole, CENTRAL, 8, "<H", lambda flags: flags | 1)
    yield "encrypted in its own header", field(whole, LOCAL, 6, "<H", lambda flags: flags | 1)
    yield "strongly encrypted", field(whole, CENTRAL, 8, "<H", lambda flags: flags | 0x40)
    yield "patched data", field(whole, CENTRAL, 8, "<H", lambda flags: flags | 0x20)
    yield "needs a later version", field(whole, CENTRAL, 6, "<H", lambda _: 255)
    named = field(whole, CENTRAL, 8, "<H", lambda flags: flags | 0x800)
    yield "a name that is not UTF-8", changed(named, named.rindex(CENTRAL) + 46, b"\xff\xfe")
    yield "another name in its own header", changed(whole, 30, b"movies_")
    two = packed(zipfile.ZIP_BZIP2, movies="id,title,year,genre\n1,A,,\n", ratings=TEXT)
    yield "only the second file", flipped(two, two.rindex(LOCAL) + 60)
    yield "entries that overlap", field(two, CENTRAL, 42, "<L", lambda _: 20)
    prefix = TEXT[: TEXT.index("\n", 5000) + 1].encode()
    lie = field(whole, CENTRAL, 24, "<L", lambda _: len(prefix))
    yield "a part for the whole", field(lie, CENTRAL, 16, "<L", lambda _: zlib.crc32(prefix))


def gzips() -> Iterator[tuple[str, bytes]]:
    whole = gzip.compress(TEXT.encode(), mtime=0)
    for size in (2, 3, 4, 9, 10, 12, 17):
        yield f"gzip of {size} bytes", whole[:size]
    for cut in (1, 4, 8, 9, len(whole) // 2):
        yield f"gzip cut by {cut}", whole[:-cut]
    for at in (2, 3, 11, 200, len(whole) // 2):
        yield f"gzip with byte {at} changed", flipped(whole, at)
    yield "gzip with another checksum", flipped(whole, len(whole) - 8)
    yield "gzip with another size", flipped(whole, len(whole) - 3)
    yield "gzip with more after it", whole + b"more"
    yield "gzip with half another after it", whole + whole[:500]


DAMAGED = [*zips(), *gzips()]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One for all of the archives: none of them leaves anything."""
    app = create_app(Settings(data_dir=tmp_path_factory.mktemp("data"), embedded_worker=False))
    yield TestClient(app, raise_server_exceptions=False)
    app.state.service.close()


def run_tasks(api: TestClient) -> None:
    service = api.app.state.service  # type: ignore[attr-defined]
    while run_next(service.database, service.settings):
        pass


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in DAMAGED])
def test_a_damaged_archive_is_refused_with_what_to_do(
    api: TestClient, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    answer = api.post("/imports", content=data, headers={"X-Filename": "upload"})
    problem = answer.json()
    if answer.status_code == 202:
        run_tasks(api)
        task = api.get(f"/tasks/{problem['task_id']}").json()
        assert task["status"] == "failed", task
        problem = task["error"]
    assert problem["status"] in (413, 422), problem
    assert any(word in problem["detail"] for word in ("Pack ", "Send ", "Expected ")), problem
    assert api.get("/status").json()["ratings"] == 0
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("kind", [*METHODS, "gzip"])
def test_whatever_is_changed_of_an_archive_it_is_refused_or_comes_out_as_it_was(
    tmp_path: Path, kind: str
) -> None:
    choose = random.Random(kind)
    whole = gzip.compress(TEXT.encode(), mtime=0) if kind == "gzip" else packed(METHODS[kind])
    path = tmp_path / "upload"
    refused = 0
    for _ in range(DAMAGES):
        data = bytearray(whole[: choose.choice((len(whole), choose.randrange(4, len(whole))))])
        heads = choose.choice((range(len(data)), range(max(0, len(data) - 120), len(data))))
        for at in choose.sample(heads, choose.randint(1, 3)):
            data[at] = choose.randrange(256)
        path.write_bytes(data)
        try:
            for member in contents(path, "upload").members:
                with member.open() as source:
                    content = source.stream.read()
                assert content in (TEXT.encode(), bytes(data)), "neither what was packed nor a plain file"
        except AppError as error:
            assert error.status in (413, 422)
            refused += 1
    assert refused > DAMAGES // 2


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_whole_one_is_taken(api: TestClient, method: int) -> None:
    started = api.post("/imports", content=packed(method), headers={"X-Filename": "upload.zip"})
    run_tasks(api)
    result = api.get(started.headers["location"]).json()["result"]
    assert (result["read"], result["rejected"] < 9_000) == (9_000, True)


def test_there_are_enough_of_them() -> None:
    assert len(DAMAGED) >= 60
