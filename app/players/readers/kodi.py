"""Kodi: has no webhooks of its own. What an add-on sends is read in two forms: as Kodi's notification
`Player.OnStop`, or as a flat object, as docs/players.md has it.

https://kodi.wiki/view/JSON-RPC_API/v13#Notifications_2
"""

from typing import Any

from app.players.event import Event, Ignored, What
from app.players.readers import fields

_KINDS = {"watched": What.WATCHED, "rated": What.RATED, "favourite": What.LIKED, "unfavourite": What.UNLIKED}


def read(message: dict[str, Any], now: int) -> list[Event]:
    """Raises `Ignored`."""
    if "method" in message:
        message = _flat(message)
    kind = fields.text(message.get("event")).lower()
    if kind not in _KINDS:
        raise Ignored(f"Events of the type {kind!r} are not needed.")
    fields.require_movie(message.get("type"), message.get("title"), message.get("showtitle"))
    score = fields.stars(message.get("rating")) if kind == "rated" else None
    if kind == "rated" and score is None:
        raise Ignored("Its rating is none of ten.")
    ids = fields.part(message, "uniqueid")
    titles = [message.get("title"), message.get("originaltitle")]
    work = fields.work(titles, message.get("year"), ids.get("imdb"), ids.get("tmdb"))
    at = fields.moment(message.get("at"), now)
    name, session = fields.text(message.get("user")), fields.text(message.get("session"))
    return [Event(_KINDS[kind], work, at, name, session, score)]


def _flat(message: dict[str, Any]) -> dict[str, Any]:
    """A notification in the flat form. What an add-on adds beside `method` stays."""
    data = fields.part(fields.part(message, "params"), "data")
    if message.get("method") != "Player.OnStop":
        raise Ignored(f"Notifications of the type {fields.text(message.get('method'))!r} are not needed.")
    if data.get("end") is not True:
        raise Ignored("It was not played to its end.")
    return message | fields.part(data, "item") | {"event": "watched"}
