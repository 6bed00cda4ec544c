"""Plex: the webhooks of an account with a Plex Pass, a form with the field `payload` and a picture.

https://support.plex.tv/articles/115002267687-webhooks/
"""

import re
from typing import Any

from app.players.event import Event, Ignored, What
from app.players.readers import fields

DAY = 86_400
_GUID = re.compile(r"(?:com\.plexapp\.agents\.)?(imdb|tmdb|themoviedb)://(?:tt)?(\d+)", re.ASCII)


def read(message: dict[str, Any], now: int) -> list[Event]:
    """Scrobbles, stops near the end, and ratings; raises `Ignored`."""
    kind, movie = fields.text(message.get("event")), fields.part(message, "Metadata")
    if kind not in ("media.scrobble", "media.stop", "media.rate"):
        raise Ignored(f"Events of the type {kind!r} are not needed.")
    fields.require_movie(movie.get("type"), movie.get("title"), movie.get("grandparentTitle"))
    score, what, seen_at = None, What.WATCHED, movie.get("lastViewedAt")
    if kind == "media.rate":
        what, seen_at = What.RATED, movie.get("lastRatedAt")
        score = fields.stars(message.get("rating", movie.get("userRating")))
        if score is None:
            raise Ignored("Its rating was taken away; here it stays.")
    elif kind == "media.stop" and not _is_whole(movie):
        raise Ignored("It was not played to its end.")
    imdb, tmdb = _ids(movie)
    titles = [movie.get("title"), movie.get("originalTitle")]
    work = fields.work(titles, movie.get("year"), imdb, tmdb)
    name = fields.text(fields.part(message, "Account").get("title"))
    session = fields.text(movie.get("sessionKey"))
    return [Event(what, work, _moment(seen_at, now), name, session, score)]


def _is_whole(movie: dict[str, Any]) -> bool:
    return fields.share(movie.get("viewOffset"), movie.get("duration")) >= fields.PLAYED


def _moment(seen_at: Any, now: int) -> int:
    """When it was. A message may carry the time of the last view but this one."""
    at = fields.moment(seen_at, now)
    return at if at > now - DAY else now


def _ids(movie: dict[str, Any]) -> tuple[str, str]:
    """(IMDb, TMDB): of the list of ids that the newer agents give, or of the address of the old ones."""
    listed = movie.get("Guid")
    texts = (
        [one.get("id") for one in listed[:20] if isinstance(one, dict)] if isinstance(listed, list) else []
    )
    found: dict[str, str] = {}
    for one in (*texts, movie.get("guid")):
        if match := _GUID.match(fields.text(one)):
            found.setdefault(match[1].replace("themoviedb", "tmdb"), match[2])
    return found.get("imdb", ""), found.get("tmdb", "")
