"""The file of rejects: bounded, safe in a spreadsheet, and exact whatever is killed."""

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config import Settings
from app.imports.readers.lines import blocks
from app.imports.rejects import Reject, RejectFile, published
from app.imports.sizes import DEFAULT, Sizes
from app.imports.spreadsheets import escape, unescape
from app.storage.folder_store import FolderStore
from tests.imports.conftest import Import
from tests.imports.rejected import rejects_of
from tests.imports.test_export import is_formula

HEADER = "user_id,movie_id,score\n"
texts = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("'=+-@;\t\r\n ＝＠\ufeff"), max_size=12
)


@given(text=texts)
def test_a_text_is_no_formula_and_comes_back_as_it_was(text: str) -> None:
    assert not is_formula(escape(text))
    assert unescape(escape(text)) == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("=1+1", "'=1+1"),
        (";=1+1", ";'=1+1"),
        ("＝1", "'＝1"),
        (" =1", " '=1"),
        ("\t=1", "\t'=1"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("a; -1", "a; '-1"),
        ("'=1", "''=1"),
        ("\x00@1", "\x00'@1"),
        ("\ufeff=1", "\ufeff'=1"),
        ("Spider-Man: No Way = Home", "Spider-Man: No Way = Home"),
    ],
)
def test_an_apostrophe_stands_before_what_could_be_a_formula(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_the_report_has_the_value_of_the_file_and_the_csv_a_safe_one(
    run_import: Import, engine_settings: Settings, catalogue: list[int]
) -> None:
    task = run_import(HEADER + "1,1,=1+1\n1,1,4\n")
    assert task.result is not None
    assert [row["value"] for row in task.result["rejects"]] == ["=1+1"]
    file = io.StringIO(rejects_of(engine_settings, task.id) or "", newline="")
    assert [row["value"] for row in csv.DictReader(file)] == ["'=1+1"]


def test_a_small_file_does_not_come_to_a_large_one(
    run_import: Import, engine_settings: Settings, catalogue: list[int]
) -> None:
    packed = gzip.compress((HEADER + "1,1,4\n" + "\n" * 120_000).encode())
    assert len(packed) < 1000
    task = run_import(packed, "ratings.csv.gz")
    assert task.result is not None
    assert (task.result["read"], task.result["rejected"]) == (120_001, 120_000)
    text = rejects_of(engine_settings, task.id) or ""
    lines = text.splitlines()
    assert (len(lines), lines[-1]) == (100_002, ',,,"and 20,000 more, which are not listed"')
    assert len(text) < 4_000_000


@pytest.mark.parametrize("room", [Sizes(rejects=3), Sizes(rejects_bytes=60)], ids=["rows", "bytes"])
def test_what_is_left_out_is_counted_across_attempts(tmp_path: Path, room: Sizes) -> None:
    store, scratch = FolderStore(tmp_path), tmp_path / "scratch"
    rejects = [Reject(line, "score", "9", "bad") for line in range(2, 10)]
    first = RejectFile(store, "one", 1, scratch, None, room)
    assert first.add(rejects[:5]) == 5
    checkpoint = first.save()
    first.add(rejects[5:])
    first.save()  # lost: the attempt is killed before its transaction
    second = RejectFile(store, "one", 2, scratch, checkpoint, room)
    assert second.add(rejects[5:]) == 3
    checkpoint = second.save()
    second.publish(20)
    store.delete_all("work/one/")  # killed again, after it was published
    third = RejectFile(store, "one", 3, scratch, checkpoint, room)
    third.publish(20)
    key = published(store, "one")
    assert key == "imports/one/rejects-3.csv"
    lines = store.read(key).decode().splitlines()
    assert lines[0] == "line,column,value,reason"
    assert lines[1:-1] == [f"{line},score,9,bad" for line in range(2, 2 + len(lines) - 2)]
    assert lines[-1] == f',,,"and {8 - (len(lines) - 2)} more, which are not listed"'


def test_a_checkpoint_of_an_earlier_release_is_understood(tmp_path: Path) -> None:
    """It names a file of the attempt, of which more may have been written."""
    store, text = FolderStore(tmp_path), b"line,column,value,reason\n2,score,9,bad\n"
    store.put("work/one/rejects-1.csv", text + b"3,score,9,lost\n")
    for checkpoint in (["rejects-1.csv", len(text)], ["rejects-1.csv", len(text), 1, 0]):
        again = RejectFile(store, "one", 2, tmp_path / "scratch", checkpoint, DEFAULT)
        again.add([Reject(4, "score", "9", "bad")])
        assert [row["line"] for row in again.publish(5)] == [2, 4]


def test_short_lines_come_in_small_blocks() -> None:
    text = b"a,b\n" + b"\n" * 23 + b"1,2,3,4,5,6\n\n\nend"
    found = list(blocks(io.BytesIO(text), Sizes(block_lines=5)))
    assert b"".join(found) == text
    assert max(block.count(b"\n") for block in found) <= 5
    assert all(block.endswith(b"\n") for block in found[:-1])
