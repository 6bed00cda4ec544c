"""Both lanes against a plain reference on the csv module: the same rows kept, the same lines rejected."""

import csv
import os
import re
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.imports.readers import recognise as reader_of
from app.imports.readers.lines import Lane, LineReader
from app.imports.readers.ratings import fast_lane, strict_lane

EXAMPLES = 500 if os.environ.get("CI") else 300
START = 1_700_000_000
TODAY = datetime.fromtimestamp(START, UTC).date()
COMPACT = re.compile(r"(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])")
"""Eight digits that read as a date are one."""
KNOWN = {1, 2, 3, 4_194_303, 4_194_304, 5_000_000_000}
HEADERS = [
    "user_id,movie_id,score,rated_at",
    "user_id,movie_id,score",
    "userId,movieId,rating,timestamp",
    "rated_at,score,movie_id,user_id",
]

ids = st.one_of(
    st.sampled_from(sorted(KNOWN)).map(str),
    st.sampled_from(
        ["0", "007", "99", "", "-1", "+1", "1.0", "1_0", "1.0E+0", " 2 ", '"3"', "1e3", "٣", "x"]
    ),
    st.integers(2**62, 2**64).map(str),
    st.integers(10**18 - 2, 10**18 + 1).map(str),
)
scores = st.one_of(
    st.sampled_from(["0.5", "1", "1.0", "1.5", "2.5", "3", "4.50", "5", "5.0", "5.000000000"]),
    st.sampled_from(
        ["0", "5.5", "4.25", ".5", "5.", "4,5", "10", "04", "nan", "1e0", "4.0000000000", "4.05", "-1", "x"]
    ),
    st.sampled_from([" 4", '"4.5"', ""]),
)
times = st.one_of(
    st.integers(0, START).map(str),
    st.integers(START + 299, START + 302).map(str),
    st.sampled_from(
        ["", "-1", "2020-01-01", "2020-01-01T10:00:00+02:00", "1969-12-31T23:59:59", "soon", "9" * 25, '"1"']
    ),
    st.sampled_from(["0" * 12, "99999999999", "2020-01-01T00:00:00Z", " 5", "20200101", "7.0", "20200101.5"]),
    st.sampled_from(["20231114", "20231115", "20231116", "20230230", "20991201", "19691231", "2023-11-15"]),
)
clean = st.tuples(st.sampled_from("123"), st.sampled_from("123"), st.sampled_from(["4", "4.5"]), times)
lines = st.one_of(
    st.tuples(ids, ids, scores, times).map(lambda row: ",".join(row).encode()),
    clean.map(lambda row: ",".join(row).encode()),
    st.tuples(ids, ids, scores).map(lambda row: ",".join(row).encode()),
    st.binary(max_size=20).map(lambda data: data.replace(b"\n", b"")),
    st.sampled_from(
        [
            b"",
            b" ",
            b'1,"2,3,4',
            b'"1","2","3","4"',
            b'"1,2",3,4',
            b"1,2,3,4,5",
            b"1,1,5,",
            b"1,1,5,5,",
            b"1,1,5,\xff",
            b"1,1,4,1\r",
        ]
    ),
)
files = st.lists(st.tuples(lines, st.sampled_from([b"\n", b"\r\n"])), max_size=12)


def reference(line: bytes, header: list[str]) -> tuple[int, int, float, int] | None:
    """What a line says by the documented rules, read with the csv module; None for a bad one."""
    try:
        rows = list(csv.reader([line.decode().replace("\r", "\0")], strict=True, skipinitialspace=True))
        named = dict(zip(header, (field.strip(" \t") for field in rows[0]), strict=True))
    except (ValueError, IndexError, csv.Error):
        return None
    user, movie, score, at = (
        named.get(a, named.get(b))
        for a, b in (
            ("user_id", "userId"),
            ("movie_id", "movieId"),
            ("score", "rating"),
            ("rated_at", "timestamp"),
        )
    )
    assert user is not None
    assert movie is not None
    assert score is not None
    user, movie = (re.sub(r"\.0+$", "", text) for text in (user, movie))
    user, movie = ("1" if text in {"1.0E+0", "1e0"} else text for text in (user, movie))
    ids_are_good = all(re.fullmatch("[0-9]{1,19}", text) and int(text) < 2**63 for text in (user, movie))
    if not ids_are_good or int(movie) not in KNOWN:
        return None
    value = float(score.replace(",", ".")) if re.fullmatch(r"[0-9]{1,9}([.,][0-9]{1,9})?", score) else 0
    if value * 2 not in range(1, 11):
        return None
    if not at:
        return int(user), int(movie), value, START
    is_date = re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", at) or COMPACT.fullmatch(at)
    at = re.sub(r"^([0-9]{1,19})\.[0-9]{1,9}$", r"\1", at)  # parts of a second
    try:
        moment = datetime.fromisoformat(at) if is_date or not re.fullmatch("[0-9]{1,19}", at) else None
        moment = moment.replace(tzinfo=moment.tzinfo or UTC) if moment else None
        moment = moment.replace(hour=12) if moment and is_date else moment
        seconds = int(moment.timestamp() // 1) if moment else int(at)
        if moment and is_date and 0 <= (moment.date() - TODAY).days <= 1:
            seconds = min(seconds, START)
    except (ValueError, OverflowError):
        return None
    seconds = seconds if seconds < 10**11 else seconds // 1000
    return (int(user), int(movie), value, seconds) if 0 <= seconds <= START + 300 else None


def recognise(header: bytes, name: str) -> tuple[dict[str, str], list[str]]:
    """The columns of the reader, and the names in the header."""
    reader = reader_of(header, name)
    assert isinstance(reader, LineReader)
    return reader.columns, reader.header(header)


@pytest.fixture(params=[strict_lane, fast_lane], ids=["strict", "fast"], scope="module")
def lane_of(request: pytest.FixtureRequest) -> object:
    return request.param


@given(file=files, header=st.sampled_from(HEADERS), ended=st.booleans())
@settings(deadline=None, max_examples=EXAMPLES)
def test_a_lane_takes_what_the_reference_takes(
    lane_of: object, file: list[tuple[bytes, bytes]], header: str, ended: bool
) -> None:
    known, names = recognise(header.encode(), "x")
    lane: Lane = lane_of(known, names, KNOWN, START)  # type: ignore[operator]
    block = b"".join(line + end for line, end in file)
    if not ended:
        block = block.removesuffix(b"\n")
    good, bad, count, *_ = lane(block, 2)
    physical = block.split(b"\n")
    if not physical[-1]:
        physical.pop()
    physical = [line.removesuffix(b"\r") for line in physical]
    expected = [reference(line, names) for line in physical]
    found = list(
        zip(
            good.user_id.tolist(),
            good.movie_id.tolist(),
            (good.half_steps / 2).tolist(),
            good.rated_at.tolist(),
            strict=True,
        )
    )
    assert count == len(physical)
    assert found == [row for row in expected if row]
    assert [reject.line for reject in bad] == [n for n, row in enumerate(expected, 2) if row is None]


@given(file=files, header=st.sampled_from(HEADERS))
@settings(deadline=None, max_examples=EXAMPLES)
def test_the_lanes_agree_in_every_byte(file: list[tuple[bytes, bytes]], header: str) -> None:
    known, names = recognise(header.encode(), "x")
    block = b"".join(line + end for line, end in file)
    good, bad, count, *_ = strict_lane(known, names, KNOWN, START)(block, 2)
    fast_good, fast_bad, fast_count, *_ = fast_lane(known, names, KNOWN, START)(block, 2)
    assert (bad, count) == (fast_bad, fast_count)
    assert good.half_steps.tolist() == fast_good.half_steps.tolist()
    timed, fast_timed = (np.broadcast_to(one.timed, len(one)).tolist() for one in (good, fast_good))
    assert timed == fast_timed
