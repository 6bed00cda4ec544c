"""Items that a thread makes beside the caller."""

import threading
from collections.abc import Generator

import pytest

from app.threads import at_once


def numbers(*given: int) -> Generator[int]:
    yield from given


def test_the_items_of_both_come_in_order() -> None:
    assert list(at_once(numbers(1, 2), numbers(3, 4))) == [1, 2, 3, 4]
    assert list(at_once(numbers(), numbers())) == []


def test_the_second_are_made_while_the_first_are_used() -> None:
    is_made = threading.Event()

    def second() -> Generator[int]:
        yield 2
        is_made.set()

    found = at_once(numbers(1), second())
    assert next(found) == 1
    assert is_made.wait(20)
    assert list(found) == [2]


def test_what_goes_wrong_in_the_thread_is_raised_at_the_end() -> None:
    def second() -> Generator[int]:
        yield 2
        raise ValueError("no more")

    found = at_once(numbers(1), second())
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(ValueError, match="no more"):
        next(found)


def test_who_stops_early_stops_the_thread_too() -> None:
    closed: list[bool] = []

    def endless() -> Generator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.append(True)

    found = at_once(numbers(1, 2), endless())
    assert next(found) == 1
    found.close()
    assert closed == [True]
