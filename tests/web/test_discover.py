"""Discover in a browser: rating, searching, filtering, hiding, by mouse and by keyboard."""

import re
from typing import Any

from tests.server import Server, poll
from tests.web.conftest import Visit

FOR_YOU = "#recommendations > .movie"
SHELF = "#shelf-movies > .movie"


def rate(movie: Any, score: str) -> None:
    movie.get_by_role("radio", name=f"{score} stars", exact=True).click()


def test_a_rating_changes_the_list_at_once(visit: Visit, expect: Any, server: Server) -> None:
    page = visit("/?user=501")
    expect(page.locator("#source")).to_contain_text("What most people rated")
    expect(page.locator(f"{FOR_YOU}.fresh")).to_have_count(0)
    first = page.locator(SHELF).first
    title = first.locator(".movie-title").text_content()
    rate(first, "5")
    expect(page.locator("#source")).to_contain_text("From 1 rating of yours")
    expect(page.locator(FOR_YOU).first.locator(".because")).to_have_text(f"because you gave {title} 5")
    expect(
        page.locator(FOR_YOU).filter(has_text=title).locator(".movie-title", has_text=title)
    ).to_have_count(0)
    before = page.locator(f"{FOR_YOU} .movie-title").all_text_contents()
    rate(page.locator(FOR_YOU).first, "0.5")
    expect(page.locator(f"{FOR_YOU} .movie-title").first).not_to_have_text(before[0])
    expect(page.locator("#source")).to_contain_text("From 2 ratings of yours")
    assert {r["score"] for r in server.client.get("/ratings?user_id=501").json()} == {5.0, 0.5}


def test_a_rating_is_taken_back(visit: Visit, expect: Any, server: Server) -> None:
    page = visit("/?user=502")
    first = page.locator(SHELF).first
    rate(first, "4")
    expect(page.locator("#source")).to_contain_text("From 1 rating")
    page.reload()
    expect(first.get_by_role("radio", name="4 stars", exact=True)).to_be_checked()
    first.get_by_role("button", name="Take back").click()
    expect(page.locator("#source")).to_contain_text("What most people rated")
    assert server.client.get("/ratings?user_id=502").json() == []


def test_everything_by_keyboard(visit: Visit, expect: Any, server: Server) -> None:
    page = visit("/")
    expect(page.locator("#recommendations .empty")).to_contain_text("Say who you are")
    page.locator("#user-id").focus()
    page.keyboard.type("503")
    page.keyboard.press("Enter")
    expect(page.locator(FOR_YOU).first).to_be_visible()
    page.locator("#query").focus()
    page.keyboard.type("matrix")
    expect(page.locator("#shelf-note")).to_contain_text("found")
    for _ in range(3):  # the tabs, the title, the stars
        page.keyboard.press("Tab")
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#source")).to_contain_text("From 1 rating of yours")
    assert [r["score"] for r in server.client.get("/ratings?user_id=503").json()] == [5.0]
    page.locator(f"{FOR_YOU} .hide").nth(1).focus()
    hidden = page.locator(FOR_YOU).nth(1).locator(".movie-title").text_content()
    page.keyboard.press("Enter")
    expect(page.locator("#unhide")).to_have_text(f"Bring back {hidden}")
    expect(page.locator(f"{FOR_YOU} .movie-title", has_text=hidden)).to_have_count(0)
    focused = page.evaluate("document.activeElement.closest('#recommendations') !== null")
    assert focused, "the keyboard stays in the list"


def test_search_as_you_type_and_tabs(visit: Visit, expect: Any) -> None:
    page = visit("/?user=504")
    page.locator("#query").press_sequentially("toy sto")
    expect(page.locator(f"{SHELF} .movie-title").first).to_contain_text("Toy Story")
    page.locator("#query").fill("zzz nothing")
    expect(page.locator("#shelf-note")).to_contain_text("No title has")
    page.get_by_role("tab", name="Your ratings").click()
    expect(page.locator("#shelf-note")).to_contain_text("You have rated nothing yet")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="New")).to_have_attribute("aria-selected", "true")


def test_filters_are_kept_in_the_address(visit: Visit, expect: Any) -> None:
    page = visit("/?user=1001")
    page.locator("#genre").select_option("Animation")
    expect(page.locator(f"{FOR_YOU} .meta").first).to_contain_text("Animation")
    page.locator("#to").fill("1994")
    page.locator("#to").blur()
    expect(page).to_have_url("/?user=1001&genre=Animation&to=1994")
    page.reload()
    expect(page.locator(f"{FOR_YOU} .year").first).to_be_visible()
    assert all(int(year) <= 1994 for year in page.locator(f"{FOR_YOU} .year").all_text_contents())
    page.locator("#to").fill("1880")
    page.locator("#to").blur()
    expect(page.locator("#recommendations .empty")).to_contain_text("Nothing is left")


def test_more_is_kept_in_the_address_and_opens_again(visit: Visit, expect: Any) -> None:
    page = visit("/?user=1001&popularity=7")
    expect(page.locator("#popularity")).to_be_hidden()
    expect(page.locator(f"{FOR_YOU} .movie-title").first).to_be_visible()
    first = page.locator(f"{FOR_YOU} .movie-title").all_text_contents()
    page.get_by_text("More", exact=True).click()
    page.locator("#decade").select_option("1980")
    expect(page.locator(f"{FOR_YOU} .movie-title")).not_to_have_text(first)
    assert all(1980 <= int(year) <= 1989 for year in page.locator(f"{FOR_YOU} .year").all_text_contents())
    page.locator("#popularity").select_option("Hidden gems")
    page.locator("#diversity").select_option("Much")
    expect(page).to_have_url("/?user=1001&decade=1980&popularity=0&diversity=0.8")
    page.reload()
    expect(page.locator("#popularity")).to_have_value("0")
    expect(page.locator("#popularity")).to_be_visible()
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator("#decade").select_option("1890s")
    expect(page.locator("#recommendations .empty")).to_contain_text("Nothing is left")


def test_years_that_fit_no_movie_are_explained(visit: Visit, expect: Any) -> None:
    page = visit("/?user=1001&from=2010&to=1990")
    expect(page.locator("#recommendations .empty")).to_contain_text("the years are the wrong way round")
    expect(page.locator("#from")).to_have_attribute("aria-invalid", "true")
    page.locator("#from").fill("12")
    page.locator("#from").blur()
    expect(page.locator("#recommendations .empty")).to_contain_text("from 1870 to 2100")
    expect(page.locator("#to")).to_have_attribute("aria-invalid", "false")
    page.locator("#from").fill("1980")
    page.locator("#from").blur()
    expect(page.locator(FOR_YOU).first).to_be_visible()
    expect(page.locator("#from")).to_have_attribute("aria-invalid", "false")


def test_lists_say_that_they_are_loading_and_when_they_cannot(visit: Visit, expect: Any, watch: Any) -> None:
    watch.allowed.append("status of 422")
    page = visit("/import")
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/movies/popular**", hold)
    page.route("**/users/1001/recommendations**", hold)
    page.goto("/?user=1001")
    for name in ("#recommendations", "#shelf-movies"):
        expect(page.locator(name)).to_have_attribute("aria-busy", "true")
        expect(page.locator(f"{name} .loading")).to_have_text("Loading …")
        expect(page.locator(f"{name} .loading")).to_have_css("opacity", "1")
    poll(lambda: page.evaluate("true") and len(held) == 2)
    for route in held:
        if "popular" in route.request.url:
            route.fulfill(status=422, json={"detail": "No."})
        else:
            route.continue_()
    expect(page.locator(FOR_YOU).first).to_be_visible()
    expect(page.locator("#shelf-movies .loading")).to_have_text("This could not be loaded.")
    expect(page.locator("#trouble")).to_contain_text("No.")
    expect(page.locator("[aria-busy=true]")).to_have_count(0)


def test_a_choice_made_while_the_page_loads_counts(visit: Visit, expect: Any) -> None:
    page = visit("/import")
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/genres", hold)
    page.goto("/?user=1001")
    page.get_by_role("tab", name="New").click()
    page.locator("#to").fill("1994")
    page.locator("#to").blur()
    poll(lambda: page.evaluate("true") and held)
    held[0].continue_()
    expect(page.locator(FOR_YOU).first).to_be_visible()
    assert all(int(year) <= 1994 for year in page.locator(f"{FOR_YOU} .year").all_text_contents())
    expect(page.get_by_role("tab", name="New")).to_have_attribute("aria-selected", "true")
    expect(page).to_have_url("/?user=1001&to=1994")


def test_the_back_button_shows_what_is_there_now(visit: Visit, expect: Any, server: Server) -> None:
    page = visit("/?user=510")
    first = page.locator(SHELF).first
    expect(first).to_be_visible()
    page.goto(f"/movie/{first.get_attribute('data-id')}?user=510")
    page.locator("#own").get_by_role("radio", name="5 stars", exact=True).click()
    expect(page.locator("#news")).to_have_text("You gave 5.")
    page.go_back()
    expect(page.locator("#source")).to_contain_text("From 1 rating of yours")
    expect(first.get_by_role("radio", name="5 stars", exact=True)).to_be_checked()


def test_a_page_that_comes_back_as_it_was_left_is_refreshed(
    visit: Visit, expect: Any, server: Server
) -> None:
    movie = visit("/movie/50?user=511")
    page = visit("/?user=511")
    expect(movie.locator("#own .rating")).to_be_visible()
    expect(page.locator(FOR_YOU).first).to_be_visible()
    server.client.post("/ratings", json={"movie_id": 50, "user_id": 511, "score": 4.5})
    for one in (movie, page):
        one.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(movie.locator("#own").get_by_role("radio", name="4.5 stars", exact=True)).to_be_checked()
    expect(page.locator("#source")).to_contain_text("From 1 rating of yours")


def test_titles_are_text_whatever_they_hold(visit: Visit, expect: Any, server: Server) -> None:
    markup = '<img src=x onerror="alert(1)"> & </title><script>alert(2)</script>'
    arabic = "مدينة الضباب"
    for title in (markup, arabic):
        movie = server.client.post("/movies", json={"title": title, "year": 2020, "genre": "<b>Drama</b>"})
        assert movie.status_code == 201
        server.client.post("/ratings", json={"movie_id": movie.json()["id"], "user_id": 505, "score": 5})
    page = visit("/?user=505")
    page.get_by_role("tab", name="Your ratings").click()
    expect(page.locator(f"{SHELF} .movie-title", has_text=markup)).to_be_visible()
    year = page.locator(SHELF).filter(has_text=arabic).locator(".year")
    name = page.locator(f"{SHELF} .movie-title", has_text=arabic)
    left = "element => element.getBoundingClientRect().left"
    assert year.evaluate(left) > name.evaluate(left), "the year stays after the title"
    page.locator(f"{SHELF} .movie-title", has_text=markup).click()
    expect(page.locator("h1")).to_contain_text(markup)
    assert page.locator("main script, main img").count() == 0


def test_ten_thousand_results_come_page_by_page(visit: Visit, expect: Any, server: Server) -> None:
    rows = "".join(f"{2_000_000 + n},Sequel {n},1999,Drama\n" for n in range(10_000))
    answer = server.client.post(
        "/imports", content=f"id,title,year,genre\n{rows}", headers={"Content-Type": "text/csv"}
    )
    assert server.wait(answer.json()["task_id"])["status"] == "complete"
    page = visit("/?user=506")
    page.locator("#query").fill("sequel")
    expect(page.locator("#shelf-note")).to_contain_text("20 or more found")
    expect(page.locator(SHELF)).to_have_count(20)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(SHELF)).to_have_count(40)
    assert len(set(page.locator(f"{SHELF} .movie-title").all_text_contents())) == 40


def test_a_refused_rating_is_reported_and_the_stars_go_back(visit: Visit, expect: Any, watch: Any) -> None:
    watch.allowed.append("status of 422")
    page = visit("/?user=509")
    problem = {"status": 422, "title": "Invalid", "detail": "That score is not on the scale."}
    page.route("**/ratings", lambda route: route.fulfill(status=422, json=problem))
    rate(page.locator(SHELF).first, "3")
    expect(page.locator("#trouble")).to_contain_text("That score is not on the scale.")
    expect(page.locator(SHELF).first.locator("input:checked")).to_have_count(0)
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#trouble")).to_be_hidden()


def test_a_movie_is_rated_on_its_page(visit: Visit, expect: Any, server: Server) -> None:
    page = visit("/movie/32?user=508")
    before = server.client.get("/movies/32").json()["rating_count"]
    expect(page.locator("#histogram")).to_contain_text(f"mean of {before} ratings")
    page.locator("#own").get_by_role("radio", name="3.5 stars", exact=True).click()
    expect(page.locator("#histogram")).to_contain_text(f"mean of {before + 1} ratings")
    page.reload()
    expect(page.locator("#own").get_by_role("radio", name="3.5 stars", exact=True)).to_be_checked()
    page.locator(".movie a").first.click()
    expect(page).to_have_url(re.compile(r"/movie/\d+\?user=508"))


def test_what_is_of_no_interest_is_hidden_for_good_or_brought_back(
    visit: Visit, expect: Any, server: Server
) -> None:
    page = visit("/?user=1002")
    first = page.locator(f"{FOR_YOU} .movie-title").first
    title = first.text_content()
    page.get_by_role("button", name=f"Not interested in {title}").click()
    expect(first).not_to_have_text(str(title))
    page.locator("#unhide").click()
    expect(first).to_have_text(str(title))
    expect(page.locator("#unhide")).to_be_hidden()
    page.get_by_role("button", name=f"Not interested in {title}").click()
    expect(first).not_to_have_text(str(title))
    page.reload()
    expect(first).to_be_visible()
    expect(first).not_to_have_text(str(title))
    (marked,) = server.client.get("/users/1002/feedback?mark=not_interested").json()
    server.client.put(f"/users/1002/feedback/{marked['movie']['id']}", json={"not_interested": False})


def test_the_watchlist_is_filled_in_the_list_and_listed_alone(visit: Visit, expect: Any) -> None:
    page = visit("/?user=1003")
    title = page.locator(f"{FOR_YOU} .movie-title").nth(2).text_content()
    toggle = page.get_by_role("button", name=f"Watchlist: {title}")
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    page.locator("#watchlist").select_option("only")
    expect(page.locator(f"{FOR_YOU} .movie-title")).to_have_text([str(title)])
    expect(page).to_have_url(re.compile("watchlist=only"))
    page.reload()
    expect(page.locator(f"{FOR_YOU} .movie-title")).to_have_text([str(title)])
    page.locator("#watchlist").select_option("without")
    expect(page.locator(f"{FOR_YOU} .movie-title").nth(3)).to_be_visible()
    expect(page.locator(f"{FOR_YOU} .movie-title", has_text=title)).to_have_count(0)


def test_a_film_is_marked_on_its_page_which_says_why(visit: Visit, expect: Any, server: Server) -> None:
    server.client.post("/ratings", json={"user_id": 509, "movie_id": 1, "score": 5})
    page = visit("/movie/3114?user=509")
    expect(page.locator("#why-text")).to_contain_text("Preference")
    expect(page.locator("#why-text .parts")).to_contain_text("Toy Story 5")
    like, never = (page.get_by_role("button", name=name) for name in ("Like:", "Not interested:"))
    like.click()
    expect(page.locator("#why-text")).to_contain_text("since you like it already")
    never.click()
    expect(like).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#why-text")).to_contain_text("since you watched it or are not interested")
    page.reload()
    expect(never).to_have_attribute("aria-pressed", "true")
    never.click()
    expect(page.locator("#why-text")).to_contain_text("of")
    expect(page.locator("#why-text")).not_to_contain_text("not in your list")
    page.locator("#own").get_by_role("radio", name="4 stars", exact=True).click()
    expect(page.locator("#why-text")).to_contain_text("since you rated it 4")


def test_a_user_id_has_to_be_a_number(visit: Visit, expect: Any) -> None:
    page = visit("/")
    page.locator("#user-id").fill("Ann")
    page.get_by_role("button", name="Switch").click()
    expect(page.locator("#user-note")).to_contain_text("whole number")
    page.locator("#user-id").fill("507")
    page.get_by_role("button", name="Switch").click()
    expect(page).to_have_url("/?user=507")
    page.goto("/import")
    expect(page.locator("#who")).to_have_text("user 507")
