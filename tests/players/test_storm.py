"""A storm of events counts each watch once: in any order, from several threads, on every engine."""

from concurrent.futures import ThreadPoolExecutor

from app.people import tokens
from app.players import counting
from app.players.player import Player
from app.players.readers import read
from app.repository import hooks, marks, plays
from app.repository.hooks import Hook
from app.repository.plays import SAME_SESSION, Play
from app.storage import Database
from tests.players.messages import NOON
from tests.players.storm import DAY, NOW, PEOPLE, Message, kept, storm, watches


def made(database: Database) -> dict[Player, Hook]:
    found = {}
    with database.write() as connection:
        for player in (Player.KODI, Player.JELLYFIN):
            digest = tokens.digest(tokens.new_secret())
            found[player] = hooks.add(connection, player, None, digest, now=0.0)
            hooks.put_names(connection, found[player].number, dict(PEOPLE))
    return found


def tell(database: Database, known: dict[Player, Hook], message: Message) -> None:
    player, content = message
    with database.write() as connection:
        counting.take(connection, known[player], read(player, content, NOW), {}, now=0.0)


def test_hundreds_of_events_of_two_players_count_each_watch_once(database: Database) -> None:
    told, expected = storm(400, 5)
    known = made(database)
    with database.write() as connection:
        for player, content in told:
            counting.take(connection, known[player], read(player, content, NOW), {}, now=0.0)
    assert watches(kept(database)) == sorted(expected)
    last = max(watch.day for watch in expected if watch[:2] == (7, 1))
    with database.read() as connection:
        (state,) = marks.of_movie(connection, 7, 1).values()
    assert round((state.at - NOON) / DAY) == last


def test_threads_that_tell_at_once_count_each_watch_once(database: Database) -> None:
    told, expected = storm(150, 6)
    known = made(database)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda message: tell(database, known, message), told))
    assert watches(kept(database)) == sorted(expected)


def test_a_session_goes_on_overnight_and_its_name_comes_back_later(database: Database) -> None:
    def told(at: int, session: str = "") -> bool:
        sessions = frozenset((session,)) if session else frozenset[str]()
        with database.write() as connection:
            return plays.count(connection, Play(7, "watched", "w", None, at, at, sessions))

    assert told(0, "a")
    assert not told(12 * 3600, "a")
    assert told(20 * 3600)
    assert told(12 * 3600 + SAME_SESSION + 1, "a")
    assert told(12 * 3600, "a") is False
