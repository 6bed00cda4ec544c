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
from app.imports.rejects import Reject, RejectFile, rejects_path
from app.imports.sizes import DEFAULT, Sizes
from app.imports.spreadsheets import escape, unescape
from tests.imports.conftest import Import
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
    with rejects_path(engine_settings.data_dir, task.id).open(newline="") as file:
        assert [row["value"] for row in csv.DictReader(file)] == ["'=1+1"]


def test_a_small_file_does_not_come_to_a_large_one(
    run_import: Import, engine_settings: Settings, catalogue: list[int]
) -> None:
    packed = gzip.compress((HEADER + "1,1,4\n" + "\n" * 120_000).encode())
    assert len(packed) < 1000
    task = run_import(packed, "ratings.csv.gz")
    assert task.result is not None
    assert (task.result["read"], task.result["rejected"]) == (120_001, 120_000)
    path = rejects_path(engine_settings.data_dir, task.id)
    lines = path.read_text().splitlines()
    assert (len(lines), lines[-1]) == (100_002, ',,,"and 20,000 more, which are not listed"')
    assert path.stat().st_size < 4_000_000


@pytest.mark.parametrize("room", [Sizes(rejects=3), Sizes(rejects_bytes=60)], ids=["rows", "bytes"])
def test_what_is_left_out_is_counted_across_attempts(tmp_path: Path, room: Sizes) -> None:
    published = tmp_path / "published"
    rejects = [Reject(line, "score", "9", "bad") for line in range(2, 10)]
    first = RejectFile(tmp_path, 1, published, None, room)
    assert first.add(rejects[:5]) == 5
    checkpoint = first.checkpoint
    first.add(rejects[5:])  # lost: the attempt is killed before its transaction
    second = RejectFile(tmp_path, 2, published, checkpoint, room)
    assert second.add(rejects[5:]) == 3
    second.publish(20)
    third = RejectFile(
        tmp_path, 3, published, second.checkpoint, room
    )  # killed again, after it was published
    (tmp_path / "rejects-2.csv").unlink(missing_ok=True)
    third.publish(20)
    lines = published.read_text().splitlines()
    assert lines[0] == "line,column,value,reason"
    assert lines[1:-1] == [f"{line},score,9,bad" for line in range(2, 2 + len(lines) - 2)]
    assert lines[-1] == f',,,"and {8 - (len(lines) - 2)} more, which are not listed"'


def test_a_checkpoint_of_an_earlier_release_is_understood(tmp_path: Path) -> None:
    file = RejectFile(tmp_path, 1, tmp_path / "published", None, DEFAULT)
    file.add([Reject(2, "score", "9", "bad")])
    again = RejectFile(tmp_path, 2, tmp_path / "published", file.checkpoint[:2], DEFAULT)
    assert len(again.publish(5)) == 1


def test_short_lines_come_in_small_blocks() -> None:
    text = b"a,b\n" + b"\n" * 23 + b"1,2,3,4,5,6\n\n\nend"
    found = list(blocks(io.BytesIO(text), Sizes(block_lines=5)))
    assert b"".join(found) == text
    assert max(block.count(b"\n") for block in found) <= 5
    assert all(block.endswith(b"\n") for block in found[:-1])
