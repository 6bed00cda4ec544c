"""Recommendations heed marks: what was watched or is of no interest is never listed, and a like counts."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.sample import FIRST_USER
from app.tasks.worker import run_next


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


def plain(client: TestClient, user: int, limit: int = 100) -> tuple[list[int], str]:
    answer = client.get(f"/recommendations/{user}?limit={limit}")
    return answer.json(), answer.headers["x-source"]


def rich(client: TestClient, user: int, **params: str) -> tuple[list[int], str]:
    answer = client.get(f"/users/{user}/recommendations", params={"limit": "100"} | params).json()
    return [row["movie"]["id"] for row in answer["recommendations"]], answer["source"]


def mark(client: TestClient, user: int, movie: int, **marks: bool) -> None:
    assert client.put(f"/users/{user}/feedback/{movie}", json=marks).is_success


@pytest.mark.parametrize("user", [FIRST_USER, 999_999])
def test_hidden_movies_are_in_no_list_and_fill_none(built: TestClient, user: int) -> None:
    best, source = plain(built, user, 3)
    rated = [row["movie_id"] for row in built.get(f"/ratings?user_id={user}").json()[:1]]
    mark(built, user, best[0], watched=True)
    mark(built, user, best[1], not_interested=True)
    for movie in rated:  # it would fill the end of the list
        mark(built, user, movie, watched=True)
    hidden = {*best[:2], *rated}
    for listed in (plain, rich):
        assert listed(built, user)[1] == source
        assert not hidden & set(listed(built, user)[0])
    assert best[2] == plain(built, user)[0][0]
    mark(built, user, best[0], watched=False)
    assert plain(built, user)[0][0] == best[0]


def test_a_hidden_movie_outside_the_model_fills_no_list(built: TestClient) -> None:
    own, user = built.post("/movies", json={"title": "Home video"}).json()["id"], FIRST_USER + 1
    built.post("/ratings", json={"movie_id": own, "user_id": user, "score": 5})
    assert own in plain(built, user)[0]
    mark(built, user, own, watched=True)
    assert own not in plain(built, user)[0]


def test_without_a_model_hidden_movies_are_left_out_too(client: TestClient) -> None:
    first = plain(client, 7, 1)[0][0]
    mark(client, 7, first, not_interested=True)
    assert first not in plain(client, 7)[0]
    assert first not in rich(client, 7)[0]


def test_a_like_counts_as_four_and_a_half_where_there_is_no_score(built: TestClient) -> None:
    for movie in (2571, 260):
        mark(built, 7, movie, like=True)
        built.post("/ratings", json={"movie_id": movie, "user_id": 8, "score": 4.5})
    assert plain(built, 7)[1] == "personal"
    assert plain(built, 7) == plain(built, 8)
    assert rich(built, 7) == rich(built, 8)
    built.post("/ratings", json={"movie_id": 260, "user_id": 7, "score": 1})  # its own score counts
    built.post("/ratings", json={"movie_id": 260, "user_id": 8, "score": 1})
    assert plain(built, 7) == plain(built, 8)


@pytest.mark.parametrize("user", [FIRST_USER + 2, 999_998])
def test_the_watchlist_alone_or_without(built: TestClient, user: int) -> None:
    every, source = rich(built, user)
    for movie in (every[3], every[1]):
        mark(built, user, movie, watchlist=True)
    assert rich(built, user, watchlist="only") == ([every[1], every[3]], source)
    assert rich(built, user, watchlist="without")[0] == [m for m in every if m not in (every[1], every[3])]
    assert rich(built, user)[0] == every
    genre = built.get(f"/movies/{every[1]}").json()["genres"][0]
    with_genre = rich(built, user, watchlist="only", genre=genre)[0]
    assert with_genre == [m for m in (every[1], every[3]) if m in rich(built, user, genre=genre)[0]]
    assert built.get(f"/users/{user}/recommendations?watchlist=x").status_code == 422


def test_a_mark_changes_the_tag(built: TestClient) -> None:
    user = FIRST_USER + 3
    for path in (f"/recommendations/{user}", f"/users/{user}/recommendations"):
        first = built.get(path)
        again = {"If-None-Match": first.headers["etag"]}
        assert built.get(path, headers=again).status_code == 304
        mark(built, user, plain(built, user, 1)[0][0], watched=True)
        assert built.get(path, headers=again).status_code == 200
