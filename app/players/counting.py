"""What an event of a player changes: a mark or a rating of its movie, or a row that waits for that."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from app.errors import NotFound
from app.imports.finding import find
from app.imports.names import search_keys
from app.imports.works import Match, Work
from app.mark import Mark, Marked
from app.players.event import Event, What
from app.rating import Rating
from app.repository import (
    aliases,
    hooks,
    marks,
    merged_movies,
    movies,
    plays,
    ratings,
    waiting,
)
from app.repository.hooks import Hook
from app.repository.plays import Play
from app.repository.waiting import Waiting
from app.storage import database_of

_MARKS = {
    What.WATCHED: (Mark.WATCHED, True),
    What.LIKED: (Mark.LIKE, True),
    What.UNLIKED: (Mark.LIKE, False),
}
Matches = dict[str, Match]
"""By the key of a work."""


@dataclass
class Tally:
    """What became of events. `waiting`: of unknown names; `without_movie`: of those that counted."""

    matches: Matches = field(default_factory=dict, repr=False)
    counted: int = 0
    repeated: int = 0
    waiting: int = 0
    ignored: int = 0
    dropped: int = 0
    without_movie: int = 0
    reason: str = ""

    @property
    def figures(self) -> dict[str, int]:
        """As the hook counts them."""
        return {name: getattr(self, name) for name in ("counted", "repeated", "ignored", "dropped")}


def take(
    connection: Connection, hook: Hook, events: Iterable[Event], matches: Matches, *, now: float
) -> Tally:
    """Count the events of a message, each for the person whose it is; those of unknown names wait.

    `matches`: of `find`, so that the search is no part of this transaction.
    """
    plays.lock(connection)
    known, tally = hooks.names(connection, [hook.number])[hook.number], Tally(matches)
    for event in events:
        if event.name in known:
            _take_known(connection, known[event.name], event, tally, now)
        elif not event.name and hook.user_id is not None:
            _take_known(connection, hook.user_id, event, tally, now)
        elif not event.name:
            tally.ignored += 1
            tally.reason = "The message names no user, and the hook is of no one person."
        else:
            _let_wait(connection, hook, event, tally, now)
    return tally


def _let_wait(connection: Connection, hook: Hook, event: Event, tally: Tally, now: float) -> None:
    if hooks.keep(connection, hook.number, event.name, event.digest, event.to_json(), now=now):
        tally.waiting += 1
        tally.reason = f"It waits until it is said who {event.name!r} is."
    else:
        tally.dropped += 1
        tally.reason = f"Too many events wait: say who the users of hook {hook.number} are."


def name_users(connection: Connection, hook: Hook, given: dict[str, int | None], *, now: float) -> Tally:
    """Say who the users of a player are, and count what waited for that. Raises `Conflict`."""
    plays.lock(connection)
    hooks.put_names(connection, hook.number, given)
    tally = Tally()
    for name, user_id in given.items():
        for data in hooks.take(connection, hook.number, name):
            _take_known(connection, user_id, Event.from_json(data), tally, now)
    hooks.note(connection, hook.number, tally.figures, now=now)
    return tally


def _take_known(connection: Connection, user_id: int | None, event: Event, tally: Tally, now: float) -> None:
    if user_id is None:
        tally.ignored += 1
        tally.reason = f"Events of {event.name!r} are ignored."
    else:
        _count(connection, user_id, event, tally, now)


def _count(connection: Connection, user_id: int, event: Event, tally: Tally, now: float) -> None:
    """Write what the event says, unless something newer is there."""
    match = _match(connection, user_id, event.work, tally.matches)
    if match.movie_id is None:
        if waiting.put(connection, user_id, [_row(user_id, event, match, now)]):
            tally.dropped += 1
            tally.reason = f"User {user_id} has no room for further rows that wait for their movie."
            return
    elif event.score is None:
        mark, is_set = _MARKS[event.what]
        marks.add(connection, user_id, match.movie_id, {mark: Marked(is_set, event.at)})
    else:
        _rate(connection, Rating(user_id, match.movie_id, event.score, event.at))
    sessions = frozenset((event.session,)) if event.session else frozenset[str]()
    play = Play(user_id, event.what, event.work.key, match.movie_id, event.at, event.at, sessions)
    if plays.count(connection, play):
        tally.counted += 1
        tally.without_movie += match.movie_id is None
    else:
        tally.repeated += 1


def _rate(connection: Connection, rating: Rating) -> None:
    """The newer rating stays, and of two of one second the higher one: so their order makes no difference."""
    database_of(connection).join_ratings(connection, rating.user_id)
    try:
        there = ratings.get(connection, rating.user_id, rating.movie_id)
    except NotFound:
        there = None
    new = (rating.rated_at, rating.score)
    if there is None or new > (there.rated_at, there.score):
        ratings.put(connection, rating)


def _row(user_id: int, event: Event, match: Match, now: float) -> Waiting:
    work, given = event.work, {}
    if event.score is None:
        mark, is_set = _MARKS[event.what]
        given[mark] = Marked(is_set, event.at)
    return Waiting(
        user_id,
        work.key,
        event.title,
        work.year,
        work.imdb_id,
        work.tmdb_id,
        score=event.score,
        rated_at=None if event.score is None else event.at,
        marks=given,
        reason=match.why,
        candidates=tuple((one.movie_id, one.why) for one in match.candidates),
        created_at=now,
        search_keys=search_keys(event.title),
    )


def _match(connection: Connection, user_id: int, work: Work, known: Matches) -> Match:
    """The movie of a work: what the person chose for it, else what was found; locked, if there is one."""
    chosen = aliases.find(connection, user_id, work.key)
    match = Match(chosen, "chosen") if chosen is not None else known.get(work.key) or find(connection, work)
    if match.movie_id is None:
        return match
    movie_id = merged_movies.now(connection, match.movie_id, lock=True)
    if not movies.by_ids(connection, [movie_id]):
        return Match(None, "Its movie was deleted just now.")
    return Match(movie_id, match.why)
