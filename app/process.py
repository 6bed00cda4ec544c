"""How a process of ours is tuned, each with its reason; figures in docs/decisions/0013 and 0017."""

import asyncio
import ctypes
import functools
import gc
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

FULL_COLLECTION = 1_000
"""Collections of the middle generation before a full one (Python's default: 10): 7 million objects that stay.
2,000 event streams have 400,000, and a full collection of those takes 250 ms."""


def limit_blas_threads() -> None:
    """One thread for each product, unless the environment says otherwise. To call before NumPy is imported.

    BLAS would start a thread a core for every product that a request needs, and spin; two requests at once
    then wait for each other. The training kernel has threads of its own.
    """
    for library in ("OPENBLAS", "MKL", "OMP"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")


@functools.cache
def serve_without_pauses() -> None:
    """Freeze what is loaded and collect rarely: a full collection holds requests up for 50 ms or more."""
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, FULL_COLLECTION)
    gc.freeze()


def collect_now() -> None:
    """Full collection and freeze: in the middle of a transaction it would cost those who wait 50 ms."""
    gc.collect()
    gc.freeze()


def return_memory() -> None:
    """Return to the system what was freed: glibc keeps blocks of up to 32 MB, in all hundreds of MB.

    https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def without_collections() -> Iterator[None]:
    """While many objects are made that stay: each full collection in between would look at all of them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def send_without_delay(loop: asyncio.AbstractEventLoop) -> None:
    """Set TCP_NODELAY on sockets that the loop is given to listen on; those that it accepts inherit it.

    asyncio sets it if it has bound the socket itself. With `--workers` or `--reload` uvicorn binds it: there
    the body of a response waited for the acknowledgement of its head, 40 ms (RFC 896, RFC 1122 section
    4.2.3.2).
    """
    create = loop.create_server

    async def create_server(*given: Any, sock: socket.socket | None = None, **named: Any) -> asyncio.Server:
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return await create(*given, sock=sock, **named)

    with suppress(AttributeError):  # uvloop's is read-only, and sets it itself
        loop.create_server = create_server  # type: ignore[method-assign]


def worker_name(pid: int | None = None) -> str:
    """What a process of this machine, by default this one, is called as a worker."""
    return f"{socket.gethostname()}:{pid or os.getpid()}"


def be_nice(priority: int) -> None:
    """Let the API go first. Calling it again, after a re-exec, changes nothing."""
    os.nice(max(0, priority - os.nice(0)))


def _usable() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


_ALL = _usable()


_THREADS = "/proc/self/task"
CAN_LEAVE = hasattr(os, "sched_setaffinity") and os.path.isdir(_THREADS)
"""Whether the system binds threads to processors."""


def processors_besides_the_api() -> int:
    """How many are left when the API has one, at least one."""
    return max(1, len(_ALL) - 1)


def leave_one_processor(leave: bool) -> None:
    """Keep every thread of this process off one of several processors, or no longer.

    A low priority alone is not enough: a thread that is woken where the worker runs waits for a moment,
    several times a request, and finds the caches full of something else.
    """
    if CAN_LEAVE and len(_ALL) > 1:
        for thread in os.listdir(_THREADS):
            with suppress(OSError):  # it has just ended, or may use other processors by now
                os.sched_setaffinity(int(thread), _ALL - {min(_ALL)} if leave else _ALL)
