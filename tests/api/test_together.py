"""One list for several people: who gets what out of it, who may ask, what is in no list."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api.together import TogetherAnswer
from app.config import Settings
from app.main import create_app
from app.sample import FIRST_USER
from app.tasks.worker import run_next
from app.user import Role
from benchmarks.sample import TASTES
from tests.house import House

PATH = "/recommendations/together"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The application with the sample imported and a model built. Each test has users of its own."""
    app = create_app(Settings(data_dir=tmp_path_factory.mktemp("built"), embedded_worker=False))
    client = TestClient(app, raise_server_exceptions=False)
    client.post("/imports")
    client.post("/recommender/rebuild")
    while run_next(app.state.service.database, app.state.service.settings):
        pass
    yield client
    app.state.service.close()


def fans(client: TestClient, first: int, *tastes: str, films: int = 4) -> list[int]:
    """A user of each taste, from the id `first` on."""
    for user, taste in enumerate(tastes, first):
        rate(client, user, dict.fromkeys(TASTES[taste][:films], 4.5))
    return list(range(first, first + len(tastes)))


def rate(client: TestClient, user: int, scores: dict[int, float]) -> None:
    rows = [{"user_id": user, "movie_id": movie, "score": score} for movie, score in scores.items()]
    assert client.post("/ratings/batch", json={"ratings": rows}).status_code == 200


def ask(client: TestClient, users: list[int], **wish: Any) -> dict[str, Any]:
    answer = client.post(PATH, json={"users": users} | wish)
    assert answer.status_code == 200, answer.text
    TogetherAnswer.model_validate_json(answer.content, extra="forbid")
    found: dict[str, Any] = answer.json()
    return found


def ids(found: dict[str, Any]) -> list[int]:
    return [row["movie"]["id"] for row in found["recommendations"]]


def preferences(client: TestClient, user: int) -> dict[int, float]:
    rows = client.get(f"/users/{user}/recommendations?limit=1000").json()["recommendations"]
    return {row["movie"]["id"]: row["preference"] for row in rows}


@pytest.mark.parametrize("rule", ["least", "mean"])
def test_each_gets_their_own_preference_and_a_comparable_share(built: TestClient, rule: str) -> None:
    pair = fans(built, 100, "science fiction", "family")
    found = ask(built, pair, limit=60, rule=rule)
    assert (found["source"], found["rule"], found["known"]) == ("personal", rule, pair)
    alone = [preferences(built, user) for user in pair]
    listed = found["recommendations"]
    shared = set(alone[0]) & set(alone[1])
    assert set(ids(found)) == shared
    for row in listed:
        assert [part["user_id"] for part in row["parts"]] == pair
        shares = [part["share"] for part in row["parts"]]
        for part, told in zip(row["parts"], alone, strict=True):
            assert part["preference"] == pytest.approx(told[row["movie"]["id"]], abs=1e-6)
            best = max(told[movie] for movie in shared)
            assert part["share"] == pytest.approx(min(1, max(0, part["preference"] / best)), abs=1e-5)
        assert row["least"] == pytest.approx(min(shares), abs=1e-6)
        assert row["mean"] == pytest.approx(sum(shares) / 2, abs=1e-6)
    by_rule = [row[rule] for row in listed]
    assert all(later <= earlier + 0.12 for earlier, later in pairwise(by_rule))
    other = ask(built, pair, limit=60, rule="mean" if rule == "least" else "least")
    assert sum(by_rule[:10]) > sum(row[rule] for row in other["recommendations"][:10])


def test_much_rated_tastes_do_not_outvote_little_rated_ones(built: TestClient) -> None:
    (much,) = fans(built, 110, "science fiction", films=11)
    (little,) = fans(built, 111, "family", films=1)
    first = ask(built, [much, little], limit=6, rule="mean")["recommendations"]
    best = [max(part["share"] for part in row["parts"] if part["user_id"] == user) for user in (much, little)
            for row in first]  # fmt: skip
    assert max(best[:6]) > 0.8
    assert max(best[6:]) > 0.8


def test_the_reason_of_each_is_a_film_that_they_liked(built: TestClient) -> None:
    pair = fans(built, 120, "science fiction", "family")
    rate(built, pair[0], {TASTES["family"][5]: 0.5})
    liked = [set(TASTES["science fiction"][:4]), set(TASTES["family"][:4])]
    told = 0
    for row in ask(built, pair)["recommendations"]:
        for part, films in zip(row["parts"], liked, strict=True):
            if part["because"]:
                assert part["because"]["movie"]["id"] in films
                assert part["because"]["contribution"] > 0
                told += 1
    assert told > 10


def test_what_one_of_them_rated_or_hides_is_in_no_list(built: TestClient) -> None:
    pair = fans(built, 130, "science fiction", "family")
    first = ids(ask(built, pair, limit=4))
    assert not set(first) & {*TASTES["science fiction"][:4], *TASTES["family"][:4]}
    rate(built, pair[1], {first[0]: 1})
    for movie, mark in zip(first[1:], ("watched", "not_interested", "like"), strict=True):
        assert built.put(f"/users/{pair[0]}/feedback/{movie}", json={mark: True}).is_success
    assert not set(first) & set(ids(ask(built, pair, limit=100)))
    fresh = [424_001, 424_002]
    for user in fresh:
        built.put(f"/users/{user}/feedback/{first[0]}", json={"watched": True})
    popular = ask(built, fresh, limit=100)
    assert (popular["source"], popular["known"]) == ("popular", [])
    assert first[0] not in ids(popular)
    assert popular["recommendations"][0]["least"] is None


def test_who_is_not_known_has_no_say_and_their_dislikes_come_last(built: TestClient) -> None:
    (fan,) = fans(built, 140, "family")
    rate(built, 141, {TASTES["family"][6]: 1})
    alone, found = preferences(built, fan), ask(built, [fan, 141], limit=60)
    assert found["known"] == [fan]
    assert [row["parts"][1] for row in found["recommendations"]] == [
        {"user_id": 141, "share": None, "preference": None, "because": None}
    ] * len(found["recommendations"])
    near = {row["movie"]["id"] for row in built.get(f"/movies/{TASTES['family'][6]}/similar?limit=20").json()}
    listed = ids(found)
    near &= set(listed)
    assert near
    assert set(listed[-len(near) :]) == near
    assert set(listed) == set(alone) - {TASTES["family"][6]}


def test_eight_people_with_nothing_in_common_get_a_list(built: TestClient) -> None:
    tastes = list(TASTES)
    eight = fans(built, 150, *(tastes[n % len(tastes)] for n in range(8)))
    found = ask(built, eight)
    assert (found["source"], len(found["recommendations"])) == ("personal", 10)
    by_mean = ask(built, eight, rule="mean")["recommendations"]
    assert min(row["mean"] for row in by_mean) > 0.1
    strangers = [user + 5000 for user in eight]
    for n, user in enumerate(strangers):
        own = built.post("/movies", json={"title": f"Home video {n}"}).json()["id"]
        rate(built, user, {own: 5})
    last = ask(built, strangers)
    assert (last["source"], last["known"], len(last["recommendations"])) == ("popular", [], 10)


def test_filters_hold_and_may_leave_nothing(built: TestClient) -> None:
    pair = fans(built, 160, "science fiction", "family")
    found = ask(built, pair, decades=[1990], min_ratings=20, genre="drama")
    assert found["recommendations"]
    for row in found["recommendations"]:
        movie = row["movie"]
        assert (movie["year"] // 10, movie["rating_count"] >= 20) == (199, True)
        assert "Drama" in movie["genres"]
    assert ask(built, pair, among=[])["recommendations"] == []
    gems, known = (ask(built, pair, popularity=value, rule="mean", limit=60) for value in (0, 1))
    counts = [
        sum(row["movie"]["rating_count"] / place for place, row in enumerate(one["recommendations"], 1))
        for one in (gems, known)
    ]
    assert counts[0] < counts[1]


def test_without_a_model_it_is_the_popular_list(client: TestClient) -> None:
    for user, movie in ((7, 50), (8, 260)):
        rate(client, user, {movie: 5})
    found = ask(client, [7, 8], limit=5)
    assert (found["source"], found["model_version"], len(found["recommendations"])) == ("popular", 0, 5)
    assert not {50, 260} & set(ids(found))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"users": [FIRST_USER]}, "#/users"),
        ({"users": list(range(FIRST_USER, FIRST_USER + 9))}, "#/users"),
        ({"users": [FIRST_USER, FIRST_USER + 1, FIRST_USER]}, "#/users/2"),
        ({"users": [FIRST_USER, 999_999]}, "#/users/1"),
        ({"users": [FIRST_USER, "1002"]}, "#/users/1"),
        ({"users": [FIRST_USER, FIRST_USER + 1], "rule": "most"}, "#/rule"),
        ({"users": [FIRST_USER, FIRST_USER + 1], "limit": 101}, "#/limit"),
        ({"users": [FIRST_USER, FIRST_USER + 1], "diversity": 1}, "#/diversity"),
        ({}, "#/users"),
    ],
)
def test_a_bad_wish_is_refused(built: TestClient, body: dict[str, Any], pointer: str) -> None:
    answer = built.post(PATH, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_viewers_ask_for_themselves_and_people_who_allow_it(house: House) -> None:
    ann, ben, cleo = (house.person(name, Role.VIEWER) for name in ("Ann", "Ben", "Cleo"))
    editor = house.person("Dan", Role.EDITOR)
    client = TestClient(house.app, base_url="http://192.0.2.1", client=("192.0.2.7", 1))

    tokens = {person: house.token(person, f"s{person}") for person in (ann, ben, cleo, editor)}

    def status(caller: int, *users: int) -> int:
        return int(client.post(PATH, json={"users": list(users)}, headers=tokens[caller]).status_code)

    def allow(user: int, allowed: bool, caller: int) -> int:
        body = {"allowed": allowed}
        return int(client.put(f"/users/{user}/together", json=body, headers=tokens[caller]).status_code)

    assert status(ann, ann, ben) == 403
    assert status(editor, ann, ben) == 200
    assert allow(ben, True, caller=ann) == 403
    assert allow(ben, True, caller=ben) == 200
    assert status(ann, ann, ben) == 200
    assert status(ben, ben, ann) == 403  # she has not allowed it
    assert status(cleo, ann, ben) == 403  # not among them
    assert status(ann, ann, ben, cleo) == 403
    assert status(ann, ann, 999_999) == 403  # not told who is known
    export = client.get(f"/users/{ben}/export", headers=tokens[ben]).json()
    assert export["names"][0]["together"] is True
    assert allow(ben, False, caller=ben) == 200
    assert status(ann, ann, ben) == 403
