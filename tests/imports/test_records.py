"""A quoted line break is one record; an open quote spoils its own line and no more."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from app.imports.readers.lines import blocks
from app.imports.readers.records import MOST_LINES, Record, Shape, records
from app.imports.sizes import Sizes

texts = st.text(
    st.sampled_from('ab ",;\n\u00e9') | st.characters(exclude_categories=["Cs", "Cc"]), max_size=6
)
lines = st.lists(st.text(st.sampled_from('ab,"\n'), max_size=8), max_size=30)

SHAPE = Shape(",", 3, 3)


def read(content: str | bytes, shape: Shape = SHAPE, block: int = 1 << 20) -> list[Record]:
    data = content.encode() if isinstance(content, str) else content
    return list(records(blocks(io.BytesIO(data), Sizes(block=block)), shape, 2))


def plain(found: list[Record]) -> list[object]:
    return [(line, fields, bad and bad.args) for line, fields, bad in found]


@given(
    rows=st.lists(st.lists(texts.map(str.strip), min_size=3, max_size=3), max_size=8),
    block=st.integers(1, 40),
)
def test_what_the_csv_module_writes_is_read_in_blocks_of_any_size(rows: list[list[str]], block: int) -> None:
    rows = [row for row in rows if any(row) and not any("\r" in text for text in row)]
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n", quoting=csv.QUOTE_ALL).writerows(rows)
    found = read(written.getvalue(), block=block)
    assert [[text.replace("\r\n", "\n") for text in one.fields] for one in found] == rows
    assert not any(one.bad for one in found)


@given(rows=lines, block=st.integers(1, 40))
def test_blocks_of_any_size_give_the_same_records(rows: list[str], block: int) -> None:
    assert plain(read("\n".join(rows), block=block)) == plain(read("\n".join(rows)))


@given(before=st.integers(0, 5), after=st.integers(0, 250), at=st.integers(0, 2))
def test_an_open_quote_spoils_its_own_line_alone(before: int, after: int, at: int) -> None:
    bad = ["a", "b", "c"]
    bad[at] = '"' + bad[at]
    content = "1,2,3\n" * before + ",".join(bad) + "\n" + "4,5,6\n" * after
    found = read(content)
    assert [one.line for one in found if one.bad] == [2 + before]
    assert len(found) == before + 1 + after


@given(rows=lines)
def test_every_line_is_in_one_record_and_no_record_is_longer_than_the_limit(rows: list[str]) -> None:
    content = "\n".join(rows).encode()
    total = len(content.split(b"\n")) - (content.endswith(b"\n") or not content)
    starts = [one.line for one in read(content)]
    assert starts == sorted(set(starts))
    ends = [*starts[1:], 2 + total] if starts else []
    assert starts[:1] == [2][:total]
    assert all(0 < end - start <= MOST_LINES for start, end in zip(starts, ends, strict=True))


def test_quotes_that_close_too_late_do_not_close() -> None:
    inside = "x\n" * (MOST_LINES - 1)
    assert [one.bad for one in read(f'1,2,"{inside}"\n4,5,6\n')] == [None, None]
    late = read(f'1,2,"{inside}\n"\n4,5,6\n')
    assert late[0].bad is not None
    assert late[-1].fields == ["4", "5", "6"]
    assert late[-1].line == 2 + MOST_LINES + 1


def test_a_quote_within_a_field_is_part_of_it() -> None:
    assert read('1,The "Odd" One,3\n2,"The ""Proper"" One",3\n') == [
        Record(2, ["1", 'The "Odd" One', "3"]),
        Record(3, ["2", 'The "Proper" One', "3"]),
    ]
