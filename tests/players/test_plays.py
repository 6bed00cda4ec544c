"""Events that are one play, in whatever order they come."""

import random

from hypothesis import given
from hypothesis import strategies as st

from app.repository.plays import NEAR, Play

events = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["", "a", "b"])), min_size=1, max_size=14)


@given(events, st.randoms(use_true_random=False))
def test_the_order_of_events_makes_no_difference(some: list[tuple[int, str]], chance: random.Random) -> None:
    """Without a database: as `plays.count` joins them, in two orders."""

    def joined() -> list[tuple[int, int, frozenset[str]]]:
        found = list[Play]()
        for hours, session in some:
            sessions = frozenset((session,)) if session else frozenset[str]()
            at = hours * NEAR * 2 // 3
            play = Play(7, "watched", "w", 1, at, at, sessions)
            while near := [one for one in found if play.touches(one)]:
                found = [one for one in found if one not in near]
                play = play.with_others(near)
            found.append(play)
        return sorted((one.first_at, one.last_at, one.sessions) for one in found)

    first = joined()
    chance.shuffle(some)
    assert joined() == first
