"""Quality, System, the reference, slow servers, expired logins, weight and speed, two processes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server
from tests.web.conftest import Visit, Watch, seed

PAGES = ("/", "/film/1", "/import", "/activity", "/quality", "/system", "/docs")


def test_a_rebuild_is_followed_and_a_version_activated(
    visit: Visit, expect: Any, server: Server, watch: Watch
) -> None:
    page = visit("/quality")
    expect(page.locator(".version")).not_to_have_count(0)
    before = page.locator(".version").count()
    page.get_by_role("button", name="Rebuild the model").click()
    expect(page.locator("#running .badge")).to_have_text("complete", timeout=30_000)
    expect(page.locator(".version")).to_have_count(before + 1)
    expect(page.locator(".version .badge").filter(has_text="served")).to_have_count(1)
    page.get_by_role("button", name="Activate version 1", exact=True).click()
    expect(page.locator("#version-1 .badge")).to_have_text("served")
    assert server.client.get("/models/1").json()["active"]


def test_the_system_page_shows_its_figures(visit: Visit, expect: Any, server: Server) -> None:
    page = visit("/import")
    page.clock.install()
    page.goto("/system")
    expect(page.locator("#requests-title + .figure-line strong")).to_have_text(re.compile(r"^[\d,]+$"))
    assert page.locator("svg.chart .bar").count() >= 2
    expect(page.locator("#storage-title + dl")).to_contain_text("database")
    page.clock.fast_forward(5_000)
    expect(page.locator("#updated")).to_contain_text("As of")


def test_the_reference_works_offline(visit: Visit, expect: Any) -> None:
    page = visit("/docs")
    summary = page.locator("summary", has_text="/recommendations/{user_id}").first
    summary.click()
    expect(page.locator("details[open]").first).to_contain_text("limit")


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_light_and_quick(visit: Visit, expect: Any, path: str) -> None:
    page = visit(f"{path}?user=1001")
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    paint, size = page.evaluate(
        """() => [
          performance.getEntriesByName("first-contentful-paint")[0].startTime,
          [...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")]
            .reduce((sum, entry) => sum + entry.transferSize, 0),
        ]"""
    )
    assert paint < 1000
    assert size < 100_000


def test_an_expired_login_is_asked_for_and_the_page_goes_on(
    visit: Visit, expect: Any, watch: Watch, server: Server
) -> None:
    watch.allowed.append("status of 401")
    tokens = []

    def guarded(route: Any) -> None:
        tokens.append(route.request.headers.get("authorization"))
        if tokens[-1] == "Bearer fresh":
            route.continue_()
        else:
            route.fulfill(status=401, json={"title": "Log in"}, content_type="application/problem+json")

    page = visit("/import")
    page.route("**/users/**", guarded)
    page.route(
        "**/token", lambda route: route.fulfill(status=200, body=json.dumps({"access_token": "fresh"}))
    )
    page.goto("/?user=1001")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Your login has expired")
    dialog.get_by_label("Name").fill("ann")
    dialog.get_by_label("Password").fill("secret")
    dialog.get_by_role("button", name="Log in").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#recommendations > .film").first).to_be_visible()
    assert tokens[0] is None
    assert tokens[-1] == "Bearer fresh"


def test_a_slow_server_is_told(visit: Visit, expect: Any, watch: Watch) -> None:
    page = visit("/import")
    waiting: list[Any] = []

    def hold(route: Any) -> None:
        waiting.append(route)

    page.route("**/movies/popular**", hold)
    page.clock.install()
    page.goto("/?user=1001")
    expect(page.locator("#recommendations > .film").first).to_be_visible()
    page.clock.fast_forward(4_000)
    expect(page.locator("#connection")).to_contain_text("slow")
    waiting[0].continue_()
    expect(page.locator("#connection")).to_be_hidden()
    expect(page.locator("#shelf-films > .film").first).to_be_visible()


@pytest.fixture(scope="module")
def pair(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two server processes behind one port."""
    server = seed(Server(tmp_path_factory.mktemp("pair") / "data", "--workers", "2").start())
    yield server
    server.close()


def test_two_processes_behind_one_port(
    visit: Visit, expect: Any, watch: Watch, pair: Server, tmp_path: Path
) -> None:
    watch.allowed.append("foreign request")
    origin = f"http://127.0.0.1:{pair.port}"
    page = visit(f"{origin}/?user=9")
    for number in range(3):
        page.locator("#shelf-films").get_by_role("radio", name="4 stars", exact=True).nth(number).click()
        expect(page.locator("#source")).to_contain_text(f"From {number + 1} rating")
    page.goto(f"{origin}/import")
    page.get_by_role("button", name="Import the sample").click()
    expect(page.locator("#report")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Import another file").click()
    page.goto(f"{origin}/quality")
    page.get_by_role("button", name="Rebuild the model").click()
    expect(page.locator("#running .badge")).to_have_text("complete", timeout=30_000)
    expect(page.locator(".version")).to_have_count(2)
