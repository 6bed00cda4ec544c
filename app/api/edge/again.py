"""A request whose caller's rights have changed in another process is run from its start, by the new ones."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.edge.manners import Manner


class Again:
    """Runs a request a second time if its first transaction found that rights have changed.

    Nothing was read or written until then. An upload is refused instead: its body is not kept.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        judge = scope.get("judge")
        if judge is None or scope["manner"] is Manner.UPLOADS:
            await self.app(scope, receive, send)
            return
        kept: list[Message] = []

        async def receive_and_keep() -> Message:
            message = await receive()
            if not kept:  # the whole body (`bodies`)
                kept.append(message)
            return message

        async def send_unless_moved(message: Message) -> None:
            if not judge.has_moved:
                judge.has_begun = True
                await send(message)

        async def replay() -> Message:
            return kept.pop() if kept else await receive()

        judge.may_move = True
        await self.app(scope, receive_and_keep, send_unless_moved)
        if judge.has_moved:
            scope["caller"], scope["door_is_open"] = judge.found.caller, judge.found.is_open
            await self.app(scope, replay, send)
