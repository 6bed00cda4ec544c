"""People on every engine: a name is given once, and paging meets each id once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.errors import Conflict
from app.rating import Rating
from app.repository import ratings, users
from app.storage import Database


def test_of_two_who_take_a_name_at_once_one_gets_it(database: Database) -> None:
    outcomes: list[str] = []

    def take(name: str) -> None:
        try:
            with database.write() as connection:
                users.create(connection, name, now=1.0)
            outcomes.append("made")
        except Conflict:
            outcomes.append("refused")

    threads = [threading.Thread(target=take, args=(name,)) for name in ("Ada", "ADA", "ada", "Ａda")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "refused", "refused", "refused"]


def test_of_two_who_name_an_id_at_once_the_later_name_stays(database: Database) -> None:
    with database.write() as connection:
        ratings.put(connection, Rating(7, 1, 4.0, 1))

    def name(text: str) -> None:
        with database.write() as connection:
            users.rename(connection, 7, text, now=1.0)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(name, [f"Name {number}" for number in range(12)]))
    with database.read() as connection:
        assert [user.id for user in users.listing(connection, limit=10)] == [7]


def test_a_conflict_leaves_the_transaction_usable(database: Database) -> None:
    with database.write() as connection:
        users.create(connection, "Ada", now=1.0)
        with pytest.raises(Conflict):
            users.create(connection, "ada", now=1.0)
        users.create(connection, "Bob", now=1.0)
    with database.read() as connection:
        assert [user.name for user in users.listing(connection, limit=10)] == ["Ada", "Bob"]


def test_paging_through_all_meets_each_id_once(database: Database) -> None:
    ids = [0, 1, 5, 6, 2**40]
    with database.write() as connection:
        for user_id in ids:
            for movie_id in (1, 2):
                ratings.put(connection, Rating(user_id, movie_id, 4.0, 1))
        person = users.create(connection, "Ada", now=1.0)
        users.rename(connection, 5, "Bob", now=2.0)
    for limit in (1, 2, 3, 50):
        found, after = [], -1
        with database.read() as connection:
            while some := users.listing_of_all(connection, limit=limit, after=after):
                found += some
                after = some[-1].id
        assert [user.id for user in found] == sorted([*ids, person.id])
        assert {user.id: user.rating_count for user in found} == dict.fromkeys(ids, 2) | {person.id: 0}
