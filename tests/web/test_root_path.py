"""The page below a path, as a proxy serves it beside other sites: no request leaves the path."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.server import Server, poll
from tests.web.conftest import Visit

CARD = "#shelf-movies > .movie"


@pytest.fixture(scope="module")
def server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own, with a prefix."""
    folder = tmp_path_factory.mktemp("below") / "data"
    server = Server(folder, MATINEE_ROOT_PATH="/films").start()
    server.wait(server.client.post("/imports").json()["task_id"])
    yield server
    server.close()


def test_no_request_leaves_the_path(visit: Visit, expect: Any, server: Server) -> None:
    page = visit("/films/?user=7")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.locator(CARD).first.get_by_role("radio", name="5 stars", exact=True).click()
    poll(lambda: server.client.get("/ratings?user_id=7").json())
    page.locator(CARD).first.locator(".movie-title").click()
    page.wait_for_url("**/films/movie/*")
    page.get_by_role("link", name="Activity", exact=True).click()
    page.wait_for_url("**/films/activity?user=7")
    page.locator("#tasks a").first.click()
    page.wait_for_url("**/films/activity/*")
    expect(page.locator("#task")).to_contain_text("complete")
    assert len(asked) > 20
    assert [path for path in asked if not path.startswith("/films/")] == []
    assert [path for path in asked if path.startswith("/films/films")] == []
