"""A user's ratings as columns are those that are stored."""

from app.rating import MAX_ID, Profile, Rating, columns_of
from app.repository import ratings
from app.storage import Database

RATED = [(260, 0.5, 0), (1, 5.0, 1_700_000_000), (50, 3.5, 2**40)]


def test_a_profile_has_every_rating_of_its_user_by_movie(database: Database) -> None:
    with database.write() as connection:
        for user in (MAX_ID, 7):
            for movie, score, at in RATED:
                ratings.put(connection, Rating(user, movie, score, at))
    with database.read() as connection:
        profile, stored = ratings.ask_profile(connection, MAX_ID)(), ratings.of_user(connection, MAX_ID)
        empty = ratings.ask_profile(connection, 8)()
    assert list(profile) == stored == [profile[place] for place in range(3)]
    assert (len(empty), list(empty)) == (0, [])
    again = Profile(MAX_ID, *columns_of(stored))
    assert again.digest == profile.digest != empty.digest
