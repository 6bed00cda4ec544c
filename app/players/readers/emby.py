"""Emby: its webhooks, as JSON, or as a form with the field `data` by older servers.

https://emby.media/support/articles/Webhooks.html
"""

from typing import Any

from app.players.event import Event, Ignored, What
from app.players.readers import fields


def read(message: dict[str, Any], now: int) -> list[Event]:
    """Stops, movies that are marked as played, ratings and favourites; raises `Ignored`."""
    kind, movie = fields.text(message.get("Event")), fields.part(message, "Item")
    if kind not in ("playback.stop", "playback.scrobble", "item.markplayed", "item.rate"):
        raise Ignored(f"Events of the type {kind!r} are not needed.")
    fields.require_movie(movie.get("Type"), movie.get("Name"), movie.get("SeriesName"))
    playback = fields.part(message, "PlaybackInfo")
    found = _rated(movie) if kind == "item.rate" else [_watched(kind, movie, playback)]
    ids = {str(name).lower(): value for name, value in fields.part(movie, "ProviderIds").items()}
    titles = [movie.get("Name"), movie.get("OriginalTitle")]
    work = fields.work(titles, movie.get("ProductionYear"), ids.get("imdb"), ids.get("tmdb"))
    name = fields.text(fields.part(message, "User").get("Name"))
    at = fields.moment(message.get("Date"), now)
    session = fields.text(playback.get("PlaySessionId"))
    return [Event(what, work, at, name, session, score) for what, score in found]


def _watched(kind: str, movie: dict[str, Any], playback: dict[str, Any]) -> tuple[What, float | None]:
    played = fields.share(playback.get("PositionTicks"), movie.get("RunTimeTicks"))
    is_whole = played >= fields.PLAYED or fields.is_true(playback.get("PlayedToCompletion"))
    if kind == "playback.stop" and not is_whole:
        raise Ignored("It was not played to its end.")
    return What.WATCHED, None


def _rated(movie: dict[str, Any]) -> list[tuple[What, float | None]]:
    data = fields.part(movie, "UserData")
    found: list[tuple[What, float | None]] = []
    if (score := fields.stars(data.get("Rating"))) is not None:
        found.append((What.RATED, score))
    if data.get("IsFavorite") is not None:
        found.append((What.LIKED if fields.is_true(data.get("IsFavorite")) else What.UNLIKED, None))
    if not found:
        raise Ignored("It has neither a rating nor a favourite.")
    return found
