"""The media players whose messages are understood."""

from enum import StrEnum


class Player(StrEnum):
    JELLYFIN = "jellyfin"
    PLEX = "plex"
    EMBY = "emby"
    TAUTULLI = "tautulli"
    KODI = "kodi"
