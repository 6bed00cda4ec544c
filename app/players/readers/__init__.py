"""The messages of media players, one reader each: a message becomes the events that it tells of."""

from collections.abc import Callable
from typing import Any

from app.errors import Invalid
from app.players.event import Event
from app.players.player import Player
from app.players.readers import emby, jellyfin, kodi, plex, tautulli

Reader = Callable[[dict[str, Any], int], list[Event]]


_READERS: dict[Player, Reader] = {
    Player.JELLYFIN: jellyfin.read,
    Player.PLEX: plex.read,
    Player.EMBY: emby.read,
    Player.TAUTULLI: tautulli.read,
    Player.KODI: kodi.read,
}


def read(player: Player, message: Any, now: int) -> list[Event]:
    """The events of a message; `now` is when it came, in epoch seconds.

    Raises `Ignored` for one that tells of no movie, `Invalid` for what is none of that player's.
    """
    if not isinstance(message, dict):
        raise Invalid(f"The message is no JSON object, as {player.title()} sends it.")
    return _READERS[player](message, now)
