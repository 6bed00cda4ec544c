"""Addresses for players and other programs, and a list for several people, in a browser and by keyboard."""

import re
from typing import Any

import httpx

from tests.server import Server
from tests.web.conftest import Visit

ME, ANN, BOB = 861, 862, 863


def say(server: Server, address: str, user: str, title: str) -> None:
    """A message of a player on a movie that a user of it watched, whom the server does not know yet."""
    said = {"event": "watched", "user": user, "type": "movie", "title": title, "year": 1995}
    assert server.client.post(address, json=said).json()["waiting"] == 1


def test_addresses_are_made_named_and_removed(visit: Visit, expect: Any, server: Server) -> None:
    page = visit(f"/players?user={ME}")
    expect(page.locator("#hooks .empty")).to_have_text("There is no address yet.")
    page.get_by_label("New address for").first.select_option("kodi")
    page.get_by_label("New address for").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#once-title")).to_be_focused()
    address = page.locator("#once-text").input_value()
    assert re.fullmatch(rf"http://127.0.0.1:{server.port}/hook/[\w-]{{20,}}", address)
    say(server, address, 'O\'Neil & "sons"', "Heat")
    page.get_by_role("button", name="Done").click()
    page.reload()
    page.get_by_role("button", name="That is me (O'Neil").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#hooks .meta")).to_contain_text("1 counted")
    expect(page.locator("#hooks-title")).to_be_focused()
    feedback = server.client.get(f"/users/{ME}/feedback", params={"mark": "watched"}).json()
    assert [row["movie"]["title"] for row in feedback] == ["Heat"]
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Remove Kodi").click()
    expect(page.locator("#hooks .empty")).to_be_visible()
    assert httpx.post(address, json={}).status_code == 404


def test_the_keyboard_stays_where_it_is_when_the_page_is_fetched_again(
    visit: Visit, expect: Any, server: Server
) -> None:
    made = server.client.post("/hooks", json={"player": "kodi", "user_id": BOB}).json()
    say(server, made["address"], "Cy", "Heat")
    page = visit(f"/players?user={BOB}")
    mine = page.get_by_role("button", name="That is me (Cy)")
    for user in ("Ben", "Dee"):
        page.wait_for_load_state("networkidle")
        mine.focus()
        say(server, made["address"], user, "Heat")
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
        expect(page.get_by_role("button", name=f"That is me ({user})")).to_be_visible()
        expect(mine).to_be_focused()


def test_a_list_for_another_program_has_an_address(visit: Visit, expect: Any, server: Server) -> None:
    page = visit(f"/players?user={ANN}")
    page.get_by_label("New address for").last.select_option("rss")
    page.get_by_role("button", name="Make the address").last.click()
    expect(page.locator("#once-title")).to_have_text("The address for a feed reader (RSS)")
    address = page.locator("#once-text").input_value()
    assert httpx.get(address).headers["content-type"].startswith("application/rss+xml")
    expect(page.locator("#lists .row-title")).to_have_count(1)


def test_a_list_for_several_says_what_each_gets(visit: Visit, expect: Any, server: Server) -> None:
    names = ["<b>Ann</b>", *(f"Company {n}" for n in range(8))]
    ids = [server.client.post("/users", json={"name": name}).json()["id"] for name in names]
    me = server.client.post("/users", json={"name": "One of nine"}).json()["id"]
    for user, movie in ((me, 1), (me, 2), (ids[0], 6), (ids[0], 10)):
        server.client.post("/ratings", json={"user_id": user, "movie_id": movie, "score": 5})
    page = visit(f"/?user={me}")
    page.get_by_text("Together with").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("One of nine")).to_be_hidden()
    for number in range(6):
        page.get_by_label(f"Company {number}").check()
    page.get_by_label("<b>Ann</b>").focus()
    page.keyboard.press("Space")
    expect(page.get_by_label("Company 7")).to_be_disabled()
    for number in range(6):
        page.get_by_label(f"Company {number}").uncheck()
    page.get_by_role("button", name="Show the list").click()
    first = page.locator("#common > li").first
    # Long reasons squeeze no title.
    assert first.evaluate("row => row.querySelector('div').offsetWidth > 0.9 * row.offsetWidth")
    expect(first.locator(".parts li")).to_have_count(2)
    expect(first.locator(".parts li").first).to_contain_text(re.compile(r"You, because of .+ 5\d+ %"))
    expect(first.locator(".parts li").last).to_contain_text(re.compile(r"<b>Ann</b>, because of .+ 5\d+ %"))
