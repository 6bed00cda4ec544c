"""Ratings on the page: the newest wins over requests that hang or fail and over reloads; ids are exact."""

from typing import TYPE_CHECKING, Any

import pytest

from tests.server import Server, poll
from tests.web.conftest import LOST, Visit, Watch

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

SHELF = "#shelf-movies > .movie"
BIG = 2**53


class Hold:
    """A proxy for /ratings that holds the first request back."""

    def __init__(self, page: "Page", pattern: str = "**/ratings") -> None:
        self.held: list[Route] = []
        self.sent: list[Any] = []
        self.keys: list[str | None] = []
        page.context.route(pattern, self._pass)

    def _pass(self, route: "Route") -> None:
        request = route.request
        body = request.post_data_json if request.method == "POST" else {}
        self.sent.append((body or {}).get("score"))
        self.keys.append(request.headers.get("idempotency-key"))
        if len(self.sent) == 1:
            self.held.append(route)
        else:
            route.continue_()

    def first(self, page: "Page") -> "Route":
        """The request that is held back; waits for it."""
        poll(lambda: page.evaluate("true") and self.held)
        return self.held[0]


def stars(page: "Page", score: str) -> Any:
    return page.locator(SHELF).first.get_by_role("radio", name=score, exact=True)


def stored(server: Server, user: int) -> list[float]:
    return [row["score"] for row in server.client.get(f"/ratings?user_id={user}").json()]


def settled(page: "Page") -> None:
    """Wait until nothing is left to be sent."""
    kept = "Object.keys(localStorage).filter((key) => key.startsWith('matinee.rating.'))"
    poll(lambda: page.evaluate(kept) == [])


@pytest.mark.parametrize("end", ["lost", "late"])
def test_the_newest_rating_wins_over_one_that_hangs(
    visit: Visit, expect: Any, server: Server, watch: Watch, end: str
) -> None:
    watch.allowed.append(LOST)
    user = 601 if end == "lost" else 602
    page = visit(f"/?user={user}")
    proxy = Hold(page)
    stars(page, "1 star").click()
    hanging = proxy.first(page)
    stars(page, "3 stars").click()
    stars(page, "5 stars").click()
    if end == "lost":
        hanging.abort()
        expect(page.locator("#connection")).to_contain_text("does not answer")
        expect(page.locator("#connection")).to_be_hidden()
    else:
        hanging.continue_()
    expect(page.locator("#source")).to_contain_text("From 1 rating of yours")
    settled(page)
    assert proxy.sent == [1, 5], "what was chosen in between is not sent, what was overtaken not repeated"
    assert len(set(proxy.keys)) == 2 and all(proxy.keys), "a key for each"
    assert stored(server, user) == [5]
    expect(stars(page, "5 stars")).to_be_checked()


def test_a_request_without_an_end_is_given_up_for_a_newer_one(
    visit: Visit, expect: Any, server: Server, watch: Watch
) -> None:
    page = visit("/import")
    page.clock.install()
    page.goto("/?user=603")
    proxy = Hold(page)
    stars(page, "1 star").click()
    proxy.first(page)
    stars(page, "5 stars").click()
    page.clock.fast_forward(8_000)
    expect(page.locator("#source")).to_contain_text("From 1 rating of yours")
    settled(page)
    assert proxy.sent == [1, 5]
    assert stored(server, 603) == [5]


def test_a_take_back_wins_over_a_rating_that_hangs(
    visit: Visit, expect: Any, server: Server, watch: Watch
) -> None:
    watch.allowed += [LOST, "status of 404"]
    page = visit("/?user=604")
    proxy = Hold(page)
    stars(page, "4 stars").click()
    hanging = proxy.first(page)
    page.locator(SHELF).first.get_by_role("button", name="Take back").click()
    hanging.abort()
    expect(page.locator("#connection")).to_contain_text("does not answer")
    expect(page.locator("#connection")).to_be_hidden()
    settled(page)
    assert stored(server, 604) == []
    expect(page.locator(SHELF).first.locator("input:checked")).to_have_count(0)


def test_a_rating_wins_over_a_take_back_that_hangs(
    visit: Visit, expect: Any, server: Server, watch: Watch
) -> None:
    watch.allowed.append(LOST)
    page = visit("/?user=605")
    stars(page, "4 stars").click()
    expect(page.locator("#source")).to_contain_text("From 1 rating of yours")
    proxy = Hold(page, "**/ratings/605/*")
    page.locator(SHELF).first.get_by_role("button", name="Take back").click()
    hanging = proxy.first(page)
    stars(page, "3 stars").click()
    hanging.abort()
    expect(page.locator("#connection")).to_contain_text("does not answer")
    expect(page.locator("#connection")).to_be_hidden()
    settled(page)
    assert stored(server, 605) == [3]
    expect(stars(page, "3 stars")).to_be_checked()


def test_a_reload_neither_loses_nor_reorders(visit: Visit, expect: Any, server: Server, watch: Watch) -> None:
    watch.allowed.append(LOST)
    page = visit("/?user=606")
    proxy = Hold(page)
    stars(page, "1 star").click()
    proxy.first(page)
    page.reload()
    expect(stars(page, "1 star")).to_be_checked()
    settled(page)
    assert proxy.sent == [1, 1]
    assert proxy.keys[0] == proxy.keys[1], "the same rating, so that it is known as a repetition"
    assert stored(server, 606) == [1]
    proxy.sent.clear()
    stars(page, "2 stars").click()
    stars(page, "5 stars").click()
    page.goto("/quality?user=606")
    settled(page)
    assert stored(server, 606) == [5], "what is left goes on from any page"


def test_a_choice_that_an_earlier_version_of_the_page_kept_is_sent(
    visit: Visit, expect: Any, server: Server
) -> None:
    page = visit("/import")
    page.evaluate(
        """() => localStorage.setItem("matinee.rating.611/47",
          JSON.stringify({ id: "1-2-3-4", key: "1-2-3-4", score: 4.5, at: Date.now() }))"""
    )
    page.goto("/?user=611")
    settled(page)
    assert stored(server, 611) == [4.5]


def test_a_rating_from_another_tab_wins(visit: Visit, expect: Any, server: Server) -> None:
    page = visit("/?user=607")
    proxy = Hold(page)
    stars(page, "1 star").click()
    hanging = proxy.first(page)
    other = page.context.new_page()
    other.goto("/?user=607")
    expect(stars(other, "1 star")).to_be_checked()
    stars(other, "5 stars").click()
    hanging.continue_()
    settled(page)
    settled(other)
    assert proxy.sent[0] == 1
    assert set(zip(proxy.sent[1:], proxy.keys[1:], strict=True)) == {(5, proxy.keys[1])}
    assert stored(server, 607) == [5]


def test_ids_above_what_a_number_holds_are_exact(visit: Visit, expect: Any, server: Server) -> None:
    rows = "".join(f"{BIG + n},Neighbour {n},1999,Drama\n" for n in range(3))
    content = f"id,title,year,genre\n{rows}"
    answer = server.client.post("/imports", content=content, headers={"Content-Type": "text/csv"})
    assert server.wait(answer.json()["task_id"])["status"] == "complete"
    user = 2**63 - 1
    page = visit("/")
    page.locator("#user-id").fill(str(user))
    page.get_by_role("button", name="Switch").click()
    page.locator("#query").fill("neighbour 1")
    expect(page.locator(SHELF)).to_have_count(1)
    stars(page, "4 stars").click()
    expect(page.locator("#source")).to_contain_text("rate some that you like")
    assert [(r["movie_id"], r["user_id"]) for r in server.client.get(f"/ratings?user_id={user}").json()] == [
        (BIG + 1, user)
    ]
    page.locator(f"{SHELF} .movie-title").click()
    expect(page.locator("h1")).to_contain_text("Neighbour 1")
    expect(page.locator("#own").get_by_role("radio", name="4 stars", exact=True)).to_be_checked()
    page.locator("#own").get_by_role("radio", name="2 stars", exact=True).click()
    expect(page.locator("#histogram")).to_contain_text("2.0 mean of 1 rating")
    page.goto("/")
    page.get_by_role("tab", name="Your ratings").click()
    expect(stars(page, "2 stars")).to_be_checked()
    page.locator(SHELF).first.get_by_role("button", name="Take back").click()
    poll(lambda: not stored(server, user))


def test_an_id_that_no_user_has_is_refused(visit: Visit, expect: Any) -> None:
    page = visit("/")
    page.locator("#user-id").fill(str(2**63))
    page.get_by_role("button", name="Switch").click()
    expect(page.locator("#user-note")).to_contain_text("at most 9223372036854775807")
    expect(page).to_have_url("/")


def test_what_was_read_before_a_rating_was_stored_is_read_again(
    visit: Visit, expect: Any, server: Server, watch: Watch
) -> None:
    watch.allowed.append(LOST)
    page = visit("/movie/1?user=608")
    own = page.locator("#own").get_by_role("radio", name="1 star", exact=True)
    proxy = Hold(page)
    own.click()
    proxy.first(page)
    read: list[Route] = []

    def hold_the_first(route: "Route") -> None:
        if read:
            route.continue_()
        else:
            read.append(route)

    page.route("**/ratings?user_id=608*", hold_the_first)
    page.reload()
    poll(lambda: page.evaluate("true") and read)
    settled(page)
    assert stored(server, 608) == [1]
    read[0].fulfill(json=[])
    expect(own).to_be_checked()


def test_two_browsers_show_the_same_after_a_reload(visit: Visit, expect: Any, server: Server) -> None:
    one, other = visit("/?user=609"), visit("/?user=609")
    stars(one, "4 stars").click()
    expect(one.locator("#source")).to_contain_text("From 1 rating of yours")
    other.reload()
    expect(stars(other, "4 stars")).to_be_checked()
    stars(other, "2 stars").click()
    settled(other)
    title = "Named meanwhile"
    movie = server.client.post("/movies", json={"title": "Named before"}).json()["id"]
    for page in (one, other):
        page.locator("#query").fill("named")
        expect(page.locator(SHELF)).to_have_count(1)
    server.client.put(f"/movies/{movie}", json={"title": title}).raise_for_status()
    for page in (one, other):
        page.reload()
        page.locator("#query").fill("named")
        expect(page.locator(f"{SHELF} .movie-title").get_by_text(title, exact=True)).to_be_visible()
        page.locator("#query").fill("")
        expect(stars(page, "2 stars")).to_be_checked()
    server.client.delete(f"/movies/{movie}").raise_for_status()
