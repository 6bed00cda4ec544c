"""Events of two players at two servers on one data folder: each watch counts once, whatever comes twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from app.players.player import Player
from app.storage import open_database
from tests.players.storm import MOVIES, PEOPLE, Message, kept, storm, watches
from tests.server import Server, poll

FILMS = "id,title,year,genre\n" + "".join(f"{one},{title},1995,\n" for title, (one, _) in MOVIES.items())
LINKS = "movieId,imdbId,tmdbId\n" + "".join(f"{one},{imdb[2:]},\n" for one, imdb in MOVIES.values())


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    servers = Server(tmp_path / "data").start(), Server(tmp_path / "data").start()
    yield servers
    for server in servers:
        server.close()
    for server in servers:
        poll(lambda server=server: not server.orphans(), within=10)  # type: ignore[misc]


def test_a_thousand_events_at_two_servers_count_each_watch_once(
    two: tuple[Server, Server], tmp_path: Path
) -> None:
    for text in (FILMS, LINKS):
        started = two[0].client.post("/imports", content=text, headers={"Content-Type": "text/csv"})
        assert two[0].wait(started.raise_for_status().json()["task_id"])["status"] == "complete"
    addresses = {}
    for player in (Player.KODI, Player.JELLYFIN):
        made = two[0].client.post("/hooks", json={"player": player, "names": PEOPLE}).raise_for_status()
        addresses[player] = made.json()["address"]
    told, expected = storm(1_000, 7)

    def tell(place: int, message: Message) -> httpx.Response:
        player, content = message
        return two[place % 2].client.post(addresses[player], json=content, timeout=60)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(tell, range(len(told)), told))
    assert {answer.status_code for answer in answers} == {200}, [one.text for one in answers][:3]
    hooks = two[1].client.get("/hooks").json()
    assert sum(hook["counted"] for hook in hooks) == len(expected)
    assert sum(hook["repeated"] for hook in hooks) == len(told) - len(expected)
    database = open_database(Settings(data_dir=tmp_path / "data"))
    assert watches(kept(database)) == sorted(expected)
    database.close()
