"""Quality, System, the reference, slow servers, weight and speed, two processes."""

import re
import time
from typing import Any

import httpx

from tests.server import Server, poll
from tests.web.conftest import Visit, Watch

PAGES = ("/", "/movie/1", "/import", "/activity", "/quality", "/system", "/docs")
SIZE = """() =>
  [...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")]
    .reduce((sum, entry) => sum + entry.transferSize, 0)
"""


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
    expect(page.locator("#queue-title ~ .note")).to_contain_text("Background work: running.")
    page.clock.fast_forward(5_000)
    expect(page.locator("#updated")).to_contain_text("As of")


def test_the_longest_route_with_the_longest_figures_fits_a_phone(visit: Visit, expect: Any) -> None:
    page = visit("/system", viewport={"width": 320, "height": 740})
    expect(page.locator(".pairs dt").first).to_be_visible()
    page.evaluate("""() => document.querySelectorAll(".pairs > div").forEach(pair => {
      pair.querySelector("dt").textContent = "/users/{user_id}/movies/{movie_id}/explanation";
      pair.querySelector("dd").textContent = "1,234,567, 123 failed, 1234.5 ms";
    })""")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_the_reference_works_offline(visit: Visit, expect: Any) -> None:
    page = visit("/docs")
    summary = page.locator("summary", has_text="/recommendations/{user_id}").first
    summary.click()
    expect(page.locator("details[open]").first).to_contain_text("limit")


def test_an_operation_is_called_from_the_reference(visit: Visit, expect: Any, watch: Watch) -> None:
    watch.allowed.append("status of 422")
    page = visit("/docs?user=1001#list_rated_movies")
    operation = page.locator("#list_rated_movies")
    expect(operation).to_have_attribute("open", "")
    expect(operation.get_by_label("user_id")).to_have_value("1001")
    operation.get_by_label("limit").fill("2")
    expect(operation.locator(".command code")).to_contain_text("/users/1001/ratings?limit=2'")
    operation.get_by_role("button", name="Send GET").click()
    expect(operation.locator(".given")).to_contain_text("200")
    expect(operation.locator(".given")).to_contain_text('"rated_at"')
    operation.get_by_label("limit").fill("0")
    operation.get_by_role("button", name="Send GET").click()
    expect(operation.locator(".given")).to_contain_text("urn:matinee:invalid")


def test_a_body_is_sent_from_the_reference(visit: Visit, expect: Any) -> None:
    operation = visit("/docs?user=1001#recommend_for_ratings").locator("#recommend_for_ratings")
    operation.get_by_label("Body").fill('{"ratings": [{"movie_id": 1, "score": 5}], "limit": 1}')
    expect(operation.locator(".command code")).to_contain_text("Content-Type: application/json")
    operation.get_by_role("button", name="Send POST").click()
    expect(operation.locator(".given")).to_contain_text('"recommendations"')


def test_the_types_of_the_reference_are_linked(visit: Visit, expect: Any) -> None:
    page = visit("/docs#get_movie")
    page.locator("#get_movie .answer summary").first.click()
    page.locator("#get_movie").get_by_role("link", name="MovieAnswer").first.click()
    expect(page.locator("#type-MovieAnswer")).to_have_attribute("open", "")
    expect(page.locator("#type-MovieAnswer")).to_contain_text("tmdb_id")


def test_pages_are_light(visit: Visit, expect: Any) -> None:
    for path in PAGES:
        page = visit(f"{path}?user=1001")  # each with an empty cache
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        size = page.evaluate(SIZE)
        most = 400_000 if path == "/docs" else 100_000  # the reference grows with the API
        assert size < most, path


def test_a_slow_server_is_reported(visit: Visit, expect: Any, watch: Watch) -> None:
    page = visit("/import")
    waiting: list[Any] = []

    def hold(route: Any) -> None:
        waiting.append(route)

    page.route("**/movies/popular**", hold)
    page.clock.install()
    page.goto("/?user=1001")
    expect(page.locator("#recommendations > .movie").first).to_be_visible()
    page.clock.fast_forward(4_000)
    expect(page.locator("#connection")).to_contain_text("slow")
    waiting[0].continue_()
    expect(page.locator("#connection")).to_be_hidden()
    expect(page.locator("#shelf-movies > .movie").first).to_be_visible()


def test_two_processes_answer(server: Server) -> None:
    """All other tests here run on both."""
    seen = set()

    def both() -> bool:
        answer = httpx.get(f"http://127.0.0.1:{server.port}/status")  # a connection of its own
        seen.add(round(time.time() - answer.json()["uptime_seconds"], 2))
        return bool(max(seen) - min(seen) > 0.02)

    poll(both)
