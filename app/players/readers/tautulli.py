"""Tautulli: a webhook agent whose JSON the person types in, as docs/players.md has it.

https://github.com/Tautulli/Tautulli/wiki/Notification-Agents-Guide
"""

from typing import Any

from app.players.event import Event, Ignored, What
from app.players.readers import fields

_WATCHED = ("watched", "scrobble")
_ENDED = ("stop", "stopped")


def read(message: dict[str, Any], now: int) -> list[Event]:
    """A flat object of texts; raises `Ignored`."""
    kind = fields.text(message.get("event") or message.get("action")).lower()
    if kind not in (*_WATCHED, *_ENDED, "rated"):
        raise Ignored(f"Events of the type {kind!r} are not needed.")
    fields.require_movie(message.get("media_type"), message.get("title"), message.get("show_name"))
    what, score = What.WATCHED, None
    if kind == "rated":
        what, score = What.RATED, fields.stars(message.get("rating"))
        if score is None:
            raise Ignored("Its rating is none of ten.")
    elif kind in _ENDED and (fields.number(message.get("progress_percent")) or 0) < 100 * fields.PLAYED:
        raise Ignored("It was not played to its end.")
    work = fields.work(
        [message.get("title")], message.get("year"), message.get("imdb_id"), message.get("tmdb_id")
    )
    at = fields.moment(message.get("at"), now)
    name, session = fields.text(message.get("user")), fields.text(message.get("session"))
    return [Event(what, work, at, name, session, score)]
