"""Jellyfin: its Webhook plugin, a generic destination that sends all properties.

https://github.com/jellyfin/jellyfin-plugin-webhook
"""

from typing import Any

from app.players.event import Event, Ignored, What
from app.players.readers import fields


def read(message: dict[str, Any], now: int) -> list[Event]:
    """Playback stops and saved user data; raises `Ignored`."""
    kind = fields.text(message.get("NotificationType"))
    if kind not in ("PlaybackStop", "UserDataSaved"):
        raise Ignored(f"Messages of the type {kind!r} are not needed.")
    fields.require_movie(message.get("ItemType"), message.get("Name"), message.get("SeriesName"))
    found = _stopped(message) if kind == "PlaybackStop" else _saved(message)
    work = fields.work(
        [message.get("Name"), message.get("OriginalTitle")],
        message.get("Year"),
        message.get("Provider_imdb"),
        message.get("Provider_tmdb"),
    )
    at = fields.moment(message.get("UtcTimestamp") or message.get("Timestamp"), now)
    name = fields.text(message.get("NotificationUsername") or message.get("Username"))
    session = fields.text(message.get("PlaySessionId"))
    return [Event(what, work, at, name, session, score) for what, score in found]


def _stopped(message: dict[str, Any]) -> list[tuple[What, float | None]]:
    played = fields.share(message.get("PlaybackPositionTicks"), message.get("RunTimeTicks"))
    if fields.is_true(message.get("PlayedToCompletion")) or played >= fields.PLAYED:
        return [(What.WATCHED, None)]
    raise Ignored("It was not played to its end.")


def _saved(message: dict[str, Any]) -> list[tuple[What, float | None]]:
    """The reason says what was changed; the fields say all that is so."""
    reason = fields.text(message.get("SaveReason"))
    if reason in ("TogglePlayed", "PlaybackFinished"):
        if fields.is_true(message.get("Played")):
            return [(What.WATCHED, None)]
        raise Ignored("It is no longer marked as played; here it stays watched.")
    if reason not in ("UpdateUserRating", "UpdateUserData"):
        raise Ignored(f"Data that are saved for the reason {reason!r} are not needed.")
    found: list[tuple[What, float | None]] = []
    if (score := fields.stars(message.get("Rating"))) is not None:
        found.append((What.RATED, score))
    if message.get("Favorite") is not None:
        is_favourite = fields.is_true(message.get("Favorite"))
        found.append((What.LIKED if is_favourite else What.UNLIKED, None))
    if not found:
        raise Ignored("It has neither a rating nor a favourite.")
    return found
