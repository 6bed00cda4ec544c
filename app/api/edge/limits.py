"""How often a caller may write and import, with the door open: a person, a key, or else an address."""

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.edge.manners import Manner
from app.people.backoff import network
from app.service import Service
from app.user import Caller

LIMITED = {Manner.WRITES: "writes", Manner.LOGS_IN: "writes", Manner.UPLOADS: "imports"}


class Limits:
    """Raises `TooManyRequests`; a response says what the caller has left."""

    def __init__(self, app: ASGIApp, *, service: Service) -> None:
        self.app = app
        self._quotas = service.quotas

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = LIMITED.get(scope["manner"])
        if name is not None and scope["rule"].role is None:
            name = "writes"  # what comes without logging in is no import
        if name is None or not scope["door_is_open"]:
            await self.app(scope, receive, send)
            return
        who = caller_of(scope)
        hit = self._quotas.hit
        quota = await run_in_threadpool(hit, name, who) if self._quotas.blocks else hit(name, who)
        quota.require()
        fields = [(key.lower().encode(), value.encode()) for key, value in quota.headers.items()]

        async def send_with_quota(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *fields]
            await send(message)

        await self.app(scope, receive, send_with_quota)


def caller_of(scope: Scope) -> str:
    """What the requests of one caller have in common."""
    caller: Caller | None = scope["caller"]
    if caller is not None and caller.key is not None:
        return f"key {caller.key}"
    if caller is not None and caller.user_id is not None:
        return f"user {caller.user_id}"
    client = scope.get("client")
    return f"address {network(client[0]) if client else ''}"
