"""Calls on hooks, to which media players send events, and on lists for other programs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.client_calls.answers import Heard, Hook, ListOfPerson, NewHook, NewList, WantedMovie
from app.client_calls.calls import given, segment
from app.client_calls.streams import StreamCalls


class PlayerCalls(StreamCalls):
    def add_hook(
        self,
        player: str,
        user_id: int | None = None,
        names: Mapping[str, int | None] | None = None,
        idempotency_key: str | None = None,
    ) -> NewHook:
        """Make an `address` for a player (jellyfin, plex, emby, tautulli, kodi), shown this once.

        Without `user_id` it is a household's. `names`: whose the events of each user of the player are.
        """
        body = given({"player": player, "user_id": user_id, "names": names})
        return self._changed(NewHook, "POST", "/hooks", idempotency_key, json=body)

    def list_hooks(
        self, user_id: int | None = None, limit: int = 50, cursor: str | None = None
    ) -> list[Hook]:
        return self._listed(Hook, "/hooks", user_id=user_id, limit=limit, cursor=cursor)

    def name_users(self, number: int, names: Mapping[str, int | None], user_id: int | None = None) -> Heard:
        """Say who users of the player are; None: their events are ignored. What waited is counted now."""
        params = given({"user_id": user_id})
        return self._changed(Heard, "PUT", f"/hooks/{number}/names", json=dict(names), params=params)

    def delete_hook(self, number: int, user_id: int | None = None) -> None:
        """Delete a hook with what waits for names; what has counted stays."""
        self._change("DELETE", f"/hooks/{number}", params=given({"user_id": user_id}))

    def send_message(self, secret: str, message: Mapping[str, Any]) -> Heard:
        """Send what a player would send. `secret`: the last part of the address of the hook."""
        return self._changed(Heard, "POST", f"/hook/{segment(secret)}", json=dict(message))

    def add_list(self, user_id: int, idempotency_key: str | None = None) -> NewList:
        """Make `addresses` where a person's recommendations can be read by programs; shown this once."""
        return self._changed(NewList, "POST", "/lists", idempotency_key, json={"user_id": user_id})

    def list_lists(
        self, user_id: int | None = None, limit: int = 50, cursor: str | None = None
    ) -> list[ListOfPerson]:
        """Which lists have addresses; without those."""
        return self._listed(ListOfPerson, "/lists", user_id=user_id, limit=limit, cursor=cursor)

    def delete_list(self, number: int, user_id: int | None = None) -> None:
        """Delete the addresses of a list."""
        self._change("DELETE", f"/lists/{number}", params=given({"user_id": user_id}))

    def radarr_list(self, secret: str, limit: int = 50) -> list[WantedMovie]:
        """A person's recommendations that have an IMDb or TMDB id, as Radarr reads them."""
        return self._listed(WantedMovie, f"/list/{segment(secret)}/radarr.json", limit=limit)

    def save_feed(self, secret: str, path: Path | str, limit: int = 50) -> None:
        """Save a person's recommendations as a feed (RSS). Raises `OSError`."""
        self._save(f"/list/{segment(secret)}/rss.xml", path, limit=limit)

    def save_list(self, secret: str, path: Path | str, limit: int = 50) -> None:
        """Save a person's recommendations as a CSV that Letterboxd imports. Raises `OSError`."""
        self._save(f"/list/{segment(secret)}/recommendations.csv", path, limit=limit)
