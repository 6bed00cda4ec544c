"""A scarce place is never held while waiting for a client: the layers of the edge by themselves, in small."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from app import deadline
from app.api.edge.bodies import Bodies, Pace
from app.api.edge.manners import Manner
from app.api.edge.places import PARTS, Places, place
from app.api.edge.responses import Responses
from app.api.edge.shares import Shares
from app.errors import RequestTimeout, TooLarge, TooManyRequests, Unavailable

Message = dict[str, Any]
SMALL_PACE = Pace(grace=0.2, rate=1000, longest=1.0, window=0.2, upload_rate=1000)


def scope(manner: Manner = Manner.READS, client: str = "127.0.0.1", **fields: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET" if manner is Manner.READS else "POST",
        "manner": manner,
        "client": (client, 1),
        "fields": {name.replace("_", "-").encode(): value.encode() for name, value in fields.items()},
        "headers": [],
    }


def parts(*bodies: bytes, then: float = 60.0, between: float = 0.0) -> Callable[[], Awaitable[Message]]:
    """A body that comes in parts and is never complete: after them nothing comes for `then` seconds."""
    left = list(bodies)

    async def receive() -> Message:
        await asyncio.sleep(between if left else then)
        return {"type": "http.request", "body": left.pop(0), "more_body": True} if left else {"type": "x"}

    return receive


async def whole() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def nothing(message: Any) -> None:
    pass


async def answer(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x"})


async def read_all(_scope: Any, receive: Any, _send: Any) -> None:
    while (await receive()).get("more_body"):
        pass


def run(application: Any, *calls: tuple[dict[str, Any], Any]) -> list[Any]:
    """What each of some simultaneous requests raised, or None."""

    async def all_of_them() -> list[Any]:
        pending = [application(scope_, receive, nothing) for scope_, receive in calls]
        return await asyncio.gather(*pending, return_exceptions=True)

    return asyncio.run(all_of_them())


class TestBodies:
    def layer(self, application: Any = answer, **options: Any) -> Bodies:
        return Bodies(application, limit=5_000, pace=SMALL_PACE, **options)

    @pytest.mark.parametrize("received", [(), (b"{",), (b"x",) * 30])
    def test_one_that_stops_is_given_up(self, received: tuple[bytes, ...]) -> None:
        (error,) = run(self.layer(), (scope(Manner.WRITES), parts(*received)))
        assert isinstance(error, RequestTimeout)
        assert error.headers == {"Connection": "close"}

    def test_one_that_drips_has_a_longest_time(self) -> None:
        started = time.monotonic()
        (error,) = run(self.layer(), (scope(Manner.WRITES), parts(*[b"x" * 30] * 150, between=0.02)))
        assert isinstance(error, RequestTimeout)
        assert time.monotonic() - started < 10

    def test_its_size_is_counted_as_it_comes(self) -> None:
        (error,) = run(self.layer(), (scope(Manner.WRITES), parts(*[b"x" * 1000] * 6)))
        assert isinstance(error, TooLarge)

    def test_all_of_them_together_have_a_bound(self) -> None:
        layer = Bodies(answer, limit=1 << 20, pace=SMALL_PACE, most_held=100_000)
        errors = run(layer, *[(scope(Manner.WRITES), parts(b"x" * 60_000)) for _ in range(4)])
        assert [type(error) for error in errors].count(Unavailable) == 2
        assert layer._held == 0

    def test_an_upload_may_take_long_but_not_stand_still(self) -> None:
        upload = scope(Manner.UPLOADS)
        (error,) = run(self.layer(read_all), (upload, parts(b"x" * 100, b"x" * 100)))
        assert isinstance(error, RequestTimeout)
        steady = parts(*[b"x" * 200] * 20, between=0.05, then=0)  # 4 kB/s for five windows
        assert run(self.layer(read_all), (upload, steady)) == [None]

    def test_what_the_endpoint_takes_its_time_for_does_not_count(self) -> None:
        async def slow(_scope: Any, receive: Any, _send: Any) -> None:
            while (await receive()).get("more_body"):
                await asyncio.sleep(0.15)

        assert run(self.layer(slow), (scope(Manner.UPLOADS), parts(*[b"x"] * 3, then=0))) == [None]


class TestPlaces:
    def test_a_slow_sender_has_none(self) -> None:
        layer = Bodies(Places(answer, writers=1), limit=5_000, pace=Pace(grace=0.5))
        slow = [(scope(Manner.WRITES), parts(b"{")) for _ in range(20)]
        sent, *others = run(layer, (scope(Manner.WRITES), whole), *slow)
        assert sent is None
        assert all(isinstance(error, RequestTimeout) for error in others)

    def test_a_slow_reader_has_none(self) -> None:
        layer = Responses(Places(answer, readers=1), standstill=0.3)

        async def both() -> list[Any]:
            async def blocked(message: Any) -> None:
                await asyncio.sleep(60)

            slow = [asyncio.create_task(layer(scope(), whole, blocked)) for _ in range(5)]
            await asyncio.sleep(0)
            await layer(scope(), whole, nothing)
            assert not any(task.done() for task in slow)
            return await asyncio.gather(*slow, return_exceptions=True)

        assert {type(error) for error in asyncio.run(both())} == {ClientDisconnect}

    def test_writers_that_stand_still_hold_no_reader_up(self) -> None:
        release = asyncio.Event()

        async def stuck(scope_: Any, _receive: Any, _send: Any) -> None:
            if scope_["manner"] is Manner.WRITES:
                await release.wait()

        async def story() -> None:
            layer = Places(stuck, readers=1, writers=2)
            writers = [asyncio.create_task(layer(scope(Manner.WRITES), whole, nothing)) for _ in range(2)]
            await asyncio.sleep(0)
            for _ in range(5):
                await layer(scope(), whole, nothing)
            with pytest.raises(Unavailable) as refused:
                await layer(scope(Manner.WRITES, x_request_timeout="0.05"), whole, nothing)
            assert refused.value.headers["Retry-After"]
            release.set()
            await asyncio.gather(*writers)
            await layer(scope(Manner.WRITES), whole, nothing)

        asyncio.run(story())

    def test_the_wait_in_the_queue_and_the_work_share_one_deadline(self) -> None:
        left: list[float] = []

        async def look(scope_: Any, _receive: Any, _send: Any) -> None:
            left.append(deadline.left(60))
            await asyncio.sleep(0.3)

        run(Places(look, writers=1), (scope(Manner.WRITES), whole), (scope(Manner.WRITES), whole))
        assert 5 < left[0] <= 5.5
        assert left[1] < left[0] - 0.25

        async def none() -> None:
            assert deadline.left(7.0) == 7.0

        asyncio.run(none())

    @pytest.mark.parametrize("manner", [Manner.UPLOADS, Manner.STREAMS, Manner.WAITS, Manner.FOLLOWS])
    def test_long_ones_have_a_bound_and_a_place_for_a_part(self, manner: Manner) -> None:
        async def endpoint(scope_: Any, _receive: Any, _send: Any) -> None:
            async with place(Request(scope_)):
                await asyncio.sleep(0)

        assert run(Places(endpoint, readers=1), *[(scope(manner), whole)] * 5) == [None] * 5

    def test_streams_that_open_at_once_do_not_crowd_readers_out(self) -> None:
        async def endpoint(scope_: Any, _receive: Any, _send: Any) -> None:
            if scope_["manner"] is Manner.FOLLOWS:
                async with place(Request(scope_)):
                    await asyncio.sleep(60)

        async def story() -> None:
            layer = Places(endpoint, readers=1)
            streams = [asyncio.create_task(layer(scope(Manner.FOLLOWS), whole, nothing)) for _ in range(400)]
            await asyncio.sleep(0)
            await layer(scope(), whole, nothing)
            for stream in streams:
                stream.cancel()
            await asyncio.gather(*streams, return_exceptions=True)

        asyncio.run(story())

    def test_of_streams_of_events_that_come_at_once_few_are_begun(self) -> None:
        at_work: list[int] = []
        begun = 0

        async def wait(scope_: Any, receive: Any, send: Any) -> None:
            nonlocal begun
            begun += 1
            at_work.append(begun)
            for _ in range(3):
                await asyncio.sleep(0)
            if len(at_work) % 2:  # others are refused before they look, and give the place back
                async with place(Request(scope_)):
                    begun -= 1
            else:
                begun -= 1

        assert run(Places(wait), *[(scope(Manner.FOLLOWS), whole) for _ in range(100)]) == [None] * 100
        assert len(at_work) == 100
        assert max(at_work) <= PARTS

    def test_those_that_wait_are_refused_beyond_their_bound(self) -> None:
        async def idle(scope_: Any, _receive: Any, _send: Any) -> None:
            await asyncio.sleep(0.1)

        errors = run(Places(idle, waits=3), *[(scope(Manner.WAITS), whole)] * 5)
        refused = [error for error in errors if error is not None]
        assert len(refused) == 2
        assert all(isinstance(e, Unavailable) and e.headers["Retry-After"] for e in refused)


def test_one_caller_leaves_something_to_others() -> None:
    async def idle(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.sleep(0.05)

    layer = Shares(idle, most=2)
    mine = [(scope(), whole)] * 3
    errors = run(layer, *mine, (scope(client="::1"), whole), (scope(Manner.WAITS), whole))
    assert [type(error) for error in errors] == [type(None)] * 2 + [TooManyRequests] + [type(None)] * 2
    assert layer._under_way == {}


def test_a_stream_whose_reader_takes_nothing_is_given_up() -> None:
    closed: list[str] = []

    class Transport:
        def abort(self) -> None:
            closed.append("aborted")

    class Cycle:
        transport = Transport()

        async def receive(self) -> Message:
            return await whole()

    async def endless(_scope: Any, _receive: Any, send: Any) -> None:
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

    async def story() -> None:
        taken = 0

        async def take_some(message: Any) -> None:
            nonlocal taken
            taken += 1
            await asyncio.sleep(0.01 if taken < 10 else 60)

        await Responses(endless, standstill=0.2)(scope(Manner.STREAMS), Cycle().receive, take_some)

    with pytest.raises(ClientDisconnect):
        asyncio.run(story())
    assert len(closed) == 1


@pytest.mark.parametrize(("is_full", "timers"), [(False, 0), (True, 2)])
def test_a_timer_is_set_for_a_reader_that_the_server_waits_for(
    monkeypatch: pytest.MonkeyPatch, is_full: bool, timers: int
) -> None:
    class Flow:
        write_paused = is_full

    class Cycle:
        flow = Flow()

        async def receive(self) -> Message:
            return await whole()

    async def answer(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x"})

    async def take(message: Any) -> None:
        taken.append(message["type"])

    def timer(seconds: float) -> Any:
        made.append(seconds)
        return timeout(seconds)

    taken, made, timeout = list[str](), list[float](), asyncio.timeout
    monkeypatch.setattr(asyncio, "timeout", timer)
    asyncio.run(Responses(answer, standstill=5.0)(scope(Manner.READS), Cycle().receive, take))
    assert taken == ["http.response.start", "http.response.body"]
    assert made == [5.0] * timers
