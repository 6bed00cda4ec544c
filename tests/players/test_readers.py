"""What the messages of players tell of, and that none of them is more than refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.players.event import Event, Ignored, What
from app.players.player import Player
from app.players.readers import read
from tests.players import messages
from tests.players.messages import NOON

ANSWERS: dict[Player, Any] = {
    Player.JELLYFIN: messages.jellyfin,
    Player.EMBY: messages.emby,
    Player.TAUTULLI: messages.tautulli,
    Player.KODI: messages.kodi,
}
NOW = NOON + 60


@pytest.mark.parametrize("player", Player)
def test_every_player_tells_of_a_movie_that_was_played_to_its_end(player: Player) -> None:
    message = messages.plex() if player is Player.PLEX else ANSWERS[player]()
    (event,) = read(player, message, NOW)
    assert event.what is What.WATCHED
    assert event.work.titles[0] == "Toy Story"
    assert (event.work.year, event.work.imdb_id, event.work.tmdb_id) == (1995, 114709, 862)
    assert event.name == "anna"
    assert event.at == (NOW if player is Player.PLEX else NOON)
    assert Event.from_json(event.to_json()) == event


def said(player: Player, message: dict[str, Any]) -> list[tuple[What, float | None]]:
    return [(event.what, event.score) for event in read(player, message, NOW)]


def test_ratings_and_favourites() -> None:
    saved = {"NotificationType": "UserDataSaved", "SaveReason": "UpdateUserRating", "Favorite": True}
    assert said(Player.JELLYFIN, messages.jellyfin(**saved)) == [(What.LIKED, None)]
    both = saved | {"Favorite": False, "Rating": 7}
    assert said(Player.JELLYFIN, messages.jellyfin(**both)) == [(What.RATED, 3.5), (What.UNLIKED, None)]
    toggled = {"NotificationType": "UserDataSaved", "SaveReason": "TogglePlayed", "Played": "True"}
    assert said(Player.JELLYFIN, messages.jellyfin(**toggled)) == [(What.WATCHED, None)]
    assert said(Player.PLEX, messages.plex(event="media.rate") | {"rating": 9.0}) == [(What.RATED, 4.5)]
    liked = messages.emby(event="item.rate", UserData={"IsFavorite": True, "Rating": 10})
    assert said(Player.EMBY, liked) == [(What.RATED, 5.0), (What.LIKED, None)]
    assert said(Player.TAUTULLI, messages.tautulli(event="rated", rating="6.5")) == [(What.RATED, 3.5)]
    assert said(Player.KODI, messages.kodi(event="unfavourite")) == [(What.UNLIKED, None)]
    assert said(Player.KODI, messages.kodi(event="rated", rating=0.2)) == [(What.RATED, 0.5)]


def test_a_notification_of_kodi_is_read_as_it_is() -> None:
    item = {"type": "movie", "title": "Toy Story", "year": 1995}
    message = {"method": "Player.OnStop", "params": {"data": {"end": True, "item": item}}, "user": "anna"}
    (event,) = read(Player.KODI, message, NOW)
    assert (event.work.titles, event.name) == (("Toy Story",), "anna")
    message["params"] = {"data": {"end": False, "item": item}}
    with pytest.raises(Ignored, match="end"):
        read(Player.KODI, message, NOW)


@pytest.mark.parametrize(
    ("player", "message", "reason"),
    [
        (Player.JELLYFIN, messages.jellyfin(PlayedToCompletion=False, PlaybackPositionTicks=10), "its end"),
        (Player.JELLYFIN, messages.jellyfin(ItemType="Episode", SeriesName="Show"), "'Toy Story' of 'Show'"),
        (Player.JELLYFIN, messages.jellyfin(NotificationType="ItemAdded"), "'ItemAdded'"),
        (Player.PLEX, messages.plex(type="episode", grandparentTitle="Show"), "'episode', not a movie"),
        (Player.PLEX, messages.plex(event="media.stop", viewOffset=10, duration=100), "its end"),
        (Player.PLEX, messages.plex(event="media.pause"), "'media.pause'"),
        (Player.PLEX, messages.plex(event="media.rate") | {"rating": -1}, "taken away"),
        (Player.EMBY, messages.emby(Type="Series"), "'Series'"),
        (Player.TAUTULLI, messages.tautulli(event="stop", progress_percent="40"), "its end"),
        (Player.KODI, messages.kodi(title="", uniqueid={}), "names no movie"),
    ],
)
def test_what_is_no_movie_or_was_not_seen_is_ignored_by_name(
    player: Player, message: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Ignored) as ignored:
        read(player, message, NOW)
    assert reason in str(ignored.value)


def test_a_time_that_lies_ahead_or_is_that_of_an_earlier_view_is_not_taken() -> None:
    def at(player: Player, message: dict[str, Any]) -> int:
        return read(player, message, NOW)[0].at

    assert at(Player.TAUTULLI, messages.tautulli(NOW + 100_000)) == NOW
    assert at(Player.TAUTULLI, messages.tautulli(at="{unixtime}")) == NOW
    assert at(Player.KODI, messages.kodi(NOON * 1000)) == NOON
    assert at(Player.KODI, messages.kodi(at="2025-10-09T10:53:20+02:00")) == NOON
    assert at(Player.PLEX, messages.plex(lastViewedAt=NOON)) == NOON
    assert at(Player.PLEX, messages.plex(lastViewedAt=NOON - 9_000_000)) == NOW


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=8), some, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(list(Player)), st.data())
def test_no_message_does_harm(player: Player, data: st.DataObject) -> None:
    """Any value in the place of any field gives events, or a refusal in words."""
    message = messages.plex() if player is Player.PLEX else ANSWERS[player]()
    parts = [message, *(one for one in message.values() if isinstance(one, dict))]
    for _ in range(data.draw(st.integers(1, 4))):
        part = data.draw(st.sampled_from(parts))
        part[data.draw(st.sampled_from(list(part)))] = data.draw(values)
    try:
        events = read(player, message, NOW)
    except (Ignored, Invalid) as refusal:
        assert str(refusal)
    else:
        assert all(0 < event.at <= NOW + 300 and event.title.strip() for event in events)
        assert all(event.score is None or event.score in [n / 2 for n in range(1, 11)] for event in events)
