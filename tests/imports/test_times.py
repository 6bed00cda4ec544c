"""Times as files write them."""

from datetime import UTC, datetime

import pytest

from app.imports.readers.fields import BadField
from app.imports.readers.times import DAY_FIRST, MONTH_FIRST, epoch, order_of

START = 1_700_000_000  # 14 November 2023, 22:13:20


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("964982703", 964982703),
        ("964982703.0", 964982703),
        ("964982703123", 964982703),
        ("2020", 2020),
        ("2020-01-05T10:00:00.250Z", at(2020, 1, 5, 10)),
        ("2020-01-05T10:00:00+02:00", at(2020, 1, 5, 8)),
        ("2020-01-05 10:00:00 UTC", at(2020, 1, 5, 10)),
        ("Sun, 05 Jan 2020 10:00:00 +0200", at(2020, 1, 5, 8)),
        ("Sun Jan  5 10:00:00 2020", at(2020, 1, 5, 10)),
        ("2020-01-05", at(2020, 1, 5, 12)),
        ("20200105", at(2020, 1, 5, 12)),
        ("2020/1/5", at(2020, 1, 5, 12)),
        ("05.01.2020", at(2020, 1, 5, 12)),
        ("5 Jan 2020", at(2020, 1, 5, 12)),
        ("January 5, 2020", at(2020, 1, 5, 12)),
        ("31/12/2019", at(2019, 12, 31, 12)),
        ("12/31/19", at(2019, 12, 31, 12)),
        ("12/31/2019 1:05 pm", at(2019, 12, 31, 13, 5)),
        ("2023-11-15", START),  # has begun east of Greenwich
        ("", None),
    ],
)
def test_a_time_is_read(text: str, seconds: int | None) -> None:
    assert epoch("at", text, START) == seconds


@pytest.mark.parametrize(
    "text",
    ["2023-11-16", "1700000301", "1700000301000", "20191332T", "1/2/2020", "31/31/2020", "2020-02-30",
     "20200230",      "soon", "nan", "-1", "1/2/3/4", "9" * 70, "1969-12-31", "\x00", "Jan 1", "0001-01-01"],
)  # fmt: skip
def test_what_is_no_time_or_lies_ahead_is_refused(text: str) -> None:
    with pytest.raises(BadField):
        epoch("at", text, START)


def test_only_the_file_decides_what_comes_first() -> None:
    assert order_of("13/2/2020") == (DAY_FIRST, False)
    assert order_of("2/13/20") == (MONTH_FIRST, False)
    assert order_of("2/3/2020") == (None, True)
    assert order_of("3/3/2020") == order_of("02.03.2020") == order_of("2020-02-03") == (None, False)
    assert epoch("at", "2/3/2020", START, DAY_FIRST) == at(2020, 3, 2, 12)
    assert epoch("at", "2/3/2020", START, MONTH_FIRST) == at(2020, 2, 3, 12)
