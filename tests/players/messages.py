"""Messages of players, invented: what each sends when a movie was played to its end, rated or liked."""

import json
from datetime import UTC, datetime
from typing import Any

NOON = 1_760_000_000
IDS = {"imdb": "tt0114709", "tmdb": "862"}


def iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.1234567Z")


def jellyfin(at: Any = NOON, name: Any = "anna", **changes: Any) -> dict[str, Any]:
    return {
        "NotificationType": "PlaybackStop",
        "ServerName": "cellar",
        "UtcTimestamp": iso(at),
        "NotificationUsername": name,
        "ItemType": "Movie",
        "Name": "Toy Story",
        "Year": 1995,
        "RunTimeTicks": 1000,
        "PlaybackPositionTicks": 990,
        "PlayedToCompletion": True,
        "Provider_imdb": IDS["imdb"],
        "Provider_tmdb": IDS["tmdb"],
    } | changes


def plex(name: Any = "anna", event: Any = "media.scrobble", **movie: Any) -> dict[str, Any]:
    return {
        "event": event,
        "user": True,
        "owner": True,
        "Account": {"id": 1, "title": name},
        "Metadata": {
            "type": "movie",
            "title": "Toy Story",
            "year": 1995,
            "Guid": [{"id": "imdb://tt0114709"}, {"id": "tmdb://862"}, {"id": "tvdb://9"}],
        }
        | movie,
    }


def form(message: Any, picture: bytes = b"\xff\xd8picture") -> tuple[bytes, dict[str, str]]:
    """A form as Plex sends it: body and headers."""
    parts = (
        (b'name="payload"\r\nContent-Type: application/json', json.dumps(message).encode()),
        (b'name="thumb"; filename="thumb.jpg"\r\nContent-Type: image/jpeg', picture),
    )
    body = b"".join(
        b"--mark\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + data + b"\r\n"
        for head, data in parts
    )
    return body + b"--mark--\r\n", {"Content-Type": "multipart/form-data; boundary=mark"}


def emby(at: Any = NOON, name: Any = "anna", event: Any = "playback.stop", **item: Any) -> dict[str, Any]:
    return {
        "Title": "anna has finished",
        "Event": event,
        "Date": iso(at),
        "User": {"Name": name, "Id": "5"},
        "Item": {
            "Type": "Movie",
            "Name": "Toy Story",
            "ProductionYear": 1995,
            "RunTimeTicks": 100,
            "ProviderIds": {"Imdb": IDS["imdb"], "Tmdb": IDS["tmdb"]},
        }
        | item,
        "PlaybackInfo": {"PlayedToCompletion": True, "PositionTicks": 100},
    }


def tautulli(at: Any = NOON, name: Any = "anna", **changes: Any) -> dict[str, Any]:
    return {
        "event": "watched",
        "user": name,
        "media_type": "movie",
        "title": "Toy Story",
        "year": "1995",
        "imdb_id": IDS["imdb"],
        "tmdb_id": IDS["tmdb"],
        "progress_percent": "96",
        "session": "11",
        "at": str(at),
    } | changes


def kodi(at: Any = NOON, name: Any = "anna", **changes: Any) -> dict[str, Any]:
    return {
        "event": "watched",
        "user": name,
        "type": "movie",
        "title": "Toy Story",
        "year": 1995,
        "uniqueid": dict(IDS),
        "at": at,
    } | changes
