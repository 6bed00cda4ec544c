"""How a process is tuned."""

import asyncio
import ctypes
import socket
import subprocess
import sys

import pytest

from app.config import Settings
from app.main import create_app

BORN = """
import gc
from app import process

process.serve_without_pauses()
before = gc.get_stats()[2]["collections"]
kept = [[] for _ in range(1_000_000)]
print(gc.get_stats()[2]["collections"] - before, gc.get_freeze_count() > 0)
"""
FREED = """
import psutil
from app.process import return_memory

process = psutil.Process()
return_memory()
before = process.memory_info().rss
blocks = [b"x" * 64_000 for _ in range(1_600)]
held = process.memory_info().rss - before
last = blocks[-1]
del blocks
return_memory()
print(held, process.memory_info().rss - before, len(last))
"""
"""100 MB of blocks that no C library takes from the system one by one, the last of them in use: what lies
below it is not returned by itself. In a process of its own, whose heap has no room from before."""


def said_by(script: str) -> list[str]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="another C library than glibc")
def test_what_is_freed_goes_back_to_the_system() -> None:
    held, left, _ = map(int, said_by(FREED))
    assert held > 90_000_000
    assert left < 0.2 * held


def test_a_million_new_objects_cause_no_full_collection() -> None:
    assert said_by(BORN) == ["0", "True"]


def test_a_connection_to_a_socket_that_uvicorn_has_bound_sends_without_delay(settings: Settings) -> None:
    app, made = create_app(settings), list[asyncio.BaseTransport]()
    bound = socket.socket()  # as uvicorn makes it for several processes: not by the name of its protocol
    bound.bind(("127.0.0.1", 0))

    class Accepted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append(transport)
            transport.write(b"!")  # type: ignore[attr-defined]

    async def story() -> int:
        loop = asyncio.get_running_loop()
        async with app.router.lifespan_context(app), await loop.create_server(Accepted, sock=bound):
            reader, writer = await asyncio.open_connection(*bound.getsockname())
            await reader.readexactly(1)
            writer.close()
            accepted: socket.socket = made[0].get_extra_info("socket")
            return accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    assert asyncio.run(story())
