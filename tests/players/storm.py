"""A storm of events: of two players and two people, each watch reported several times, out of order."""

import random
from typing import Any, NamedTuple

from app.players.player import Player
from app.players.readers import read
from app.repository import plays
from app.repository.plays import Play
from app.storage import Database
from tests.players import messages
from tests.players.messages import NOON

HOUR, DAY = 3600, 86_400
NOW = NOON + 100 * DAY
PEOPLE = {"anna": 7, "ben": 8}
MOVIES = {"Toy Story": (1, "tt0114709"), "Jumanji": (2, "tt0113497"), "Heat": (6, "tt0113277")}
Message = tuple[Player, dict[str, Any]]


class Watch(NamedTuple):
    user_id: int
    movie_id: int
    day: int


def storm(count: int, seed: int) -> tuple[list[Message], set[Watch]]:
    """`count` messages, and the watches that they report: one a person, movie and day at most."""
    chance, told = random.Random(seed), list[Message]()
    while len(told) < count:
        at = NOON + chance.randrange(40) * DAY
        name, title = chance.choice(list(PEOPLE)), chance.choice(list(MOVIES))
        for _ in range(chance.choice((1, 1, 2, 5))):
            told.append(_message(chance, at + chance.randrange(-3 * HOUR, 3 * HOUR), name, title))
    del told[count:]
    chance.shuffle(told)
    return told, {_watch(*message) for message in told}


def _message(chance: random.Random, at: int, name: str, title: str) -> Message:
    imdb = MOVIES[title][1]
    if chance.random() < 0.5:
        known = {"imdb": imdb} if chance.random() < 0.5 else {}
        return Player.KODI, messages.kodi(at, name, title=title, year=None, uniqueid=known)
    ids: dict[str, Any] = {"Provider_imdb": imdb, "Provider_tmdb": None}
    return Player.JELLYFIN, messages.jellyfin(at, name, Name=title, Year=None, **ids)


def _watch(player: Player, message: dict[str, Any]) -> Watch:
    (event,) = read(player, message, NOW)
    return Watch(PEOPLE[event.name], MOVIES[event.title][0], round((event.at - NOON) / DAY))


def kept(database: Database) -> list[Play]:
    with database.read() as connection:
        return [play for user_id in PEOPLE.values() for play in plays.of_user(connection, user_id)]


def watches(found: list[Play]) -> list[Watch]:
    return sorted(
        Watch(play.user_id, play.movie_id or 0, round((play.first_at - NOON) / DAY)) for play in found
    )
