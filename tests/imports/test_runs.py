"""Lines in blocks, and ratings in sorted runs, against plain references."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.imports.readers import lines
from app.imports.runs import FileRun, RunWriter, merge
from app.imports.sizes import Sizes
from app.rating import RatingColumns, matches

ids = st.integers(0, 5) | st.integers(2**62, 2**62 + 2)
ratings = st.lists(st.tuples(ids, ids, st.integers(0, 3), st.integers(1, 10)), max_size=40)


@given(data=st.binary(max_size=300).map(lambda b: b.replace(b"\x00", b"\n")), size=st.integers(1, 40))
@example(data=b"0123456789\r1", size=1)
@example(data=b"\n" + b"1" * 13 + b"2\n", size=7)
@settings(deadline=None)
def test_blocks_hold_every_line_whole(data: bytes, size: int) -> None:
    longest, lines.LONGEST_LINE = lines.LONGEST_LINE, 10
    try:
        blocks = lines.blocks(io.BytesIO(data), Sizes(block=size))
        found = [line for block in blocks for line in lines.split(block)]
    finally:
        lines.LONGEST_LINE = longest
    expected = lines.split(data.removeprefix(b"\xef\xbb\xbf") if size >= 3 else data)
    assert len(found) == len(expected)
    for line, whole in zip(found, expected, strict=True):
        assert line == whole or (len(line) > 10 and whole.startswith(line))


@given(
    rows=ratings,
    run_rows=st.integers(1, 15),
    window=st.integers(2, 9),
    parts=st.integers(1, 7),
    in_memory=st.integers(0, 40),
    untimed=st.sampled_from([1, 2, 11]),
    data=st.data(),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_merge_is_sorted_and_keeps_the_newest_of_each_pair(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, int, int, int]],
    run_rows: int,
    window: int,
    parts: int,
    in_memory: int,
    untimed: int,
    data: st.DataObject,
) -> None:
    newest: dict[tuple[int, int], tuple[int, int]] = {}
    for user, movie, at, score in rows:
        if (user, movie) not in newest or at >= newest[user, movie][0]:
            newest[user, movie] = (at, score)
    expected = [(*key, *newest[key]) for key in sorted(newest)]
    after = data.draw(st.sampled_from([(-1, -1), *((row[0], row[1]) for row in expected)]))
    directory: Path = tmp_path_factory.mktemp("runs")
    with RunWriter(directory, in_memory, Sizes(run_rows=run_rows)) as writer:
        for start in range(0, len(rows), parts):
            table = np.array(rows[start : start + parts], np.int64)
            steps = table[:, 3].astype(np.uint8)
            writer.add(RatingColumns(table[:, 0], table[:, 1], steps, table[:, 2], timed=steps % untimed > 0))
    in_files = sum(isinstance(run, FileRun) for run in writer.runs)
    assert in_files == (len(writer.runs) if writer.rows > in_memory else 0)
    found, others = [], 0
    for columns, more in merge(writer.runs, after, window):
        timed = columns.half_steps % untimed > 0
        assert np.broadcast_to(columns.timed, len(columns)).tolist() == timed.tolist()
        found += list(
            zip(
                columns.user_id.tolist(),
                columns.movie_id.tolist(),
                columns.rated_at.tolist(),
                columns.half_steps.tolist(),
                strict=True,
            )
        )
        others += int(more.sum())
    assert found == [row for row in expected if row[:2] > after]
    if after == (-1, -1):
        assert len(found) + others + writer.duplicates == len(rows)


@given(a=st.lists(st.tuples(ids, ids), unique=True), b=st.lists(st.tuples(ids, ids), unique=True))
def test_matches_are_the_pairs_that_both_have(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    def columns(rows: list[tuple[int, int]]) -> RatingColumns:
        table = np.array(rows, np.int64).reshape(-1, 2)
        return RatingColumns(table[:, 0], table[:, 1], np.zeros(len(rows), np.uint8), table[:, 0])

    in_a, in_b = matches(columns(a), columns(b))
    assert [a[place] for place in in_a.tolist()] == [b[place] for place in in_b.tolist()]
    assert [a[place] for place in in_a.tolist()] == sorted(set(a) & set(b))
