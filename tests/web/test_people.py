"""Who one is: chosen by name, made anew, or an id that is given a name; the browser remembers it."""

from typing import Any

from tests.server import Server, poll
from tests.web.conftest import Visit, Watch
from tests.web.test_ratings import stars, stored


def add(server: Server, name: str) -> int:
    return int(server.client.post("/users", json={"name": name}).raise_for_status().json()["id"])


def test_a_new_person_begins_with_a_name(visit: Visit, expect: Any, server: Server) -> None:
    page = visit("/")
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    page.get_by_label("New person").fill("Ada Lovelace")
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("#you-are")).to_have_text("Ada Lovelace")
    expect(page.locator("#chooser")).to_be_hidden()
    expect(page.locator("#naming")).to_be_hidden()
    stars(page, "4 stars").click()
    (person,) = [one for one in server.client.get("/users").json() if one["name"] == "Ada Lovelace"]
    poll(lambda: page.evaluate("true") and stored(server, person["id"]) == [4])
    page.goto("/import")
    expect(page.locator("#who")).to_have_text("Ada Lovelace")


def test_a_second_click_makes_no_second_person(visit: Visit, expect: Any, server: Server) -> None:
    page = visit("/")
    page.get_by_label("New person").fill("Hedy")
    page.get_by_role("button", name="Begin").dblclick()
    expect(page.locator("#you-are")).to_have_text("Hedy")
    expect(page.locator("#new-note")).to_be_empty()
    assert [one["name"] for one in server.client.get("/users").json()].count("Hedy") == 1


def test_a_person_is_chosen_by_name_and_left_for_another(visit: Visit, expect: Any, server: Server) -> None:
    first, second = add(server, "Blaise"), add(server, "Emmy")
    page = visit("/")
    page.get_by_role("button", name="Blaise", exact=True).click()
    expect(page).to_have_url(f"/?user={first}")
    expect(page.locator("#you-are")).to_have_text("Blaise")
    page.get_by_role("button", name="Not you?").click()
    expect(page.locator("#chooser-title")).to_be_focused()
    page.get_by_role("button", name="Emmy", exact=True).click()
    expect(page).to_have_url(f"/?user={second}")
    expect(page.locator("#you-are")).to_have_text("Emmy")


def test_a_remembered_id_is_asked_for_a_name(visit: Visit, expect: Any, server: Server) -> None:
    page = visit("/?user=801")
    expect(page.locator("#naming")).to_be_visible()
    stars(page, "5 stars").click()
    poll(lambda: page.evaluate("true") and stored(server, 801) == [5])
    page.get_by_label("Your name").fill("Carl")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#you-are")).to_have_text("Carl")
    assert server.client.get("/users/801").json()["name"] == "Carl"


def test_a_name_that_another_has_is_refused_beside_the_field(
    visit: Visit, expect: Any, server: Server, watch: Watch
) -> None:
    watch.allowed += ["status of 409", "status of 422"]
    add(server, "Sofia")
    page = visit("/")
    page.get_by_label("New person").fill(" SOFIA ")
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("#new-note")).to_contain_text("That name is taken")
    expect(page.locator("#new-name")).to_be_focused()
    page.get_by_label("New person").fill("")
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("#new-note")).to_contain_text("1 to 100 characters")


def test_an_id_with_ratings_of_others_says_so_first(visit: Visit, expect: Any, server: Server) -> None:
    count = server.client.get("/users/1003").json()["rating_count"]
    page = visit("/")
    page.locator("#user-id").fill("1003")
    page.get_by_role("button", name="Switch").click()
    expect(page.locator("#user-note")).to_contain_text(f"User 1003 has {count} ratings already")
    expect(page).to_have_url("/")
    page.get_by_role("button", name="They are mine").click()
    expect(page).to_have_url("/?user=1003")
    expect(page.locator("#you-are")).to_have_text("user 1003")


def test_an_unsent_rating_stays_that_of_its_person(visit: Visit, expect: Any, server: Server) -> None:
    first, second = add(server, "Lise"), add(server, "Otto")
    page = visit(f"/?user={first}")
    held: list[Any] = []

    def hold_the_first(route: Any) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.context.route("**/ratings", hold_the_first)
    stars(page, "3 stars").click()
    poll(lambda: page.evaluate("true") and held)
    page.get_by_role("button", name="Not you?").click()
    page.get_by_role("button", name="Otto", exact=True).click()
    expect(page.locator("#you-are")).to_have_text("Otto")
    held[0].continue_()
    poll(lambda: page.evaluate("true") and stored(server, first) == [3])
    assert stored(server, second) == []


def test_people_beyond_the_list_are_mentioned(visit: Visit, expect: Any, server: Server) -> None:
    page = visit("/import")
    link = {"Link": '</users?limit=1000&cursor=x>; rel="next"'}
    page.route("**/users?limit=*", lambda route: route.fulfill(json=[], headers=link))
    page.goto("/")
    expect(page.locator("#people")).to_contain_text("More people are here")
