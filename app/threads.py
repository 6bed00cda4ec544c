"""Work that goes on beside the caller."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from queue import SimpleQueue
from threading import Event
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items, each made in a thread while the one before it is used."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def at_once(first: Iterator[Item], second: Generator[Item]) -> Generator[Item]:
    """The items of `first`, then those of `second`, which a thread makes meanwhile and keeps until then."""
    made, ended = SimpleQueue[Item | None](), Event()

    def make() -> None:
        try:
            with closing(second):
                for item in second:
                    made.put(item)
                    if ended.is_set():
                        return
        finally:
            made.put(None)

    with ThreadPoolExecutor(1) as thread:
        making = thread.submit(make)
        try:
            yield from first
            while (item := made.get()) is not None:
                yield item
        finally:
            ended.set()
    making.result()
