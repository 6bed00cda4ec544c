"""The page from an address that is not loopback: the door is opened, people log in, rate and log out."""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from app.config import Settings
from app.user import Role
from tests.server import Server, poll
from tests.web.conftest import Watch, missing
from tests.web.house import PASSWORD, House, own_address
from tests.web.test_accessibility import SMALL, violations
from tests.web.test_keyboard import STOPS, walk
from tests.web.test_ratings import stars

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTHS = (1280, 390)
Guest = Callable[..., "Page"]


@pytest.fixture(scope="module")
def address() -> str:
    found = own_address()
    if found is None:
        missing("This machine has no address but loopback.")
    assert found
    return found


@pytest.fixture(scope="module")
def listening(
    browser: "Browser", address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, House]]:
    """A server that listens to other machines, with films, a model and an admin."""
    server = Server(tmp_path_factory.mktemp("door") / "data", "--host", "0.0.0.0").start()  # noqa: S104
    server.wait(server.client.post("/imports").json()["task_id"])
    server.wait(server.client.post("/recommender/rebuild").json()["task_id"])
    house = House(Settings(data_dir=server.data_dir))
    server.client.headers.update(house.key(house.person("Root", Role.ADMIN), Role.ADMIN))
    yield server, house
    server.close()


@pytest.fixture
def house(listening: tuple[Server, House]) -> House:
    """Its door is open."""
    listening[1].open()
    return listening[1]


@pytest.fixture
def server(listening: tuple[Server, House]) -> Server:
    return listening[0]


@pytest.fixture
def watch(server: Server, address: str) -> Iterator[Watch]:
    watch = Watch(f"{address}:{server.port}")
    yield watch
    assert watch.problems() == []


@pytest.fixture
def guest(browser: "Browser", address: str, server: Server, watch: Watch) -> Iterator[Guest]:
    """`guest(path, width=...)` opens a page in a fresh profile, by this machine's address in its network."""
    contexts = []

    def guest(path: str, *, width: int = 1280, **options: Any) -> "Page":
        size: Any = {"width": width, "height": 860}
        context = browser.new_context(base_url=f"http://{address}:{server.port}", viewport=size, **options)
        contexts.append(context)
        page = watch.page(context.new_page())
        page.goto(path)
        return page

    yield guest
    for context in contexts:
        context.close()


def log_in(page: "Page", name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    with page.expect_navigation():  # a look that came before it would be at the page that goes
        page.get_by_role("button", name="Log in").click()


def rated(server: Server, user_id: int) -> list[float]:
    rows = server.client.get("/ratings", params={"user_id": user_id}).raise_for_status().json()
    return [row["score"] for row in rows]


@pytest.mark.parametrize("width", WIDTHS)
def test_from_being_told_how_to_logging_out(
    guest: Guest, expect: Any, house: House, server: Server, watch: Watch, width: int
) -> None:
    watch.allowed.append("status of 403")
    house.close()
    page = guest("/", width=width)
    expect(page.get_by_role("heading", name="Matinee is not open to other devices yet")).to_be_visible()
    expect(page.locator("li")).to_have_count(3)
    assert page.evaluate("getComputedStyle(document.querySelector('pre')).whiteSpace") == "pre-wrap"
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    ann = house.person(f"Ann {width}")
    house.open()
    page.goto("/?genre=Drama")
    expect(page).to_have_url("/login?next=%2F%3Fgenre%3DDrama")
    log_in(page, f"Ann {width}")
    expect(page).to_have_url("/?genre=Drama")
    expect(page.locator(".login .who")).to_have_text(f"Ann {width}")
    expect(page.locator("#chooser")).to_have_count(0)
    page.goto("/?user=1001")
    expect(page.locator("#source")).to_contain_text("Rate a few films")
    for number, name in enumerate(("5 stars", "4.5 stars", "4 stars")):
        movie = page.locator("#shelf-movies .movie").nth(number)
        movie.get_by_role("radio", name=name, exact=True).click()
    expect(page.locator("#source")).to_contain_text("From 3 ratings of yours")
    expect(page.locator("#recommendations .because").first).to_contain_text("because you gave")
    assert sorted(rated(server, ann)) == [4, 4.5, 5]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    kept = page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")
    for secret in (page.context.cookies()[0]["value"], PASSWORD):
        assert secret not in kept

    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url("/login")
    assert page.context.cookies() == []
    page.go_back()
    expect(page).to_have_url(re.compile(r"/login\?next="))


def test_a_wrong_password_is_said_and_the_name_stays(
    guest: Guest, expect: Any, house: House, watch: Watch
) -> None:
    watch.allowed.append("status of 422")
    house.person("Wanda")
    page = guest("/quality")
    log_in(page, "Wanda", "not that one")
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    expect(page.get_by_label("Name")).to_have_value("Wanda")
    expect(page.get_by_label("Password")).to_be_focused()
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url("/quality")


def test_the_login_works_without_scripts(guest: Guest, expect: Any, house: House) -> None:
    house.person("Nora")
    page = guest("/docs", java_script_enabled=False)
    log_in(page, "Nora")
    expect(page).to_have_url("/docs")
    expect(page.locator(".login .who")).to_have_text("Nora")


@pytest.mark.parametrize("width", WIDTHS)
def test_an_invited_person_chooses_a_password(
    guest: Guest, expect: Any, house: House, watch: Watch, width: int
) -> None:
    watch.allowed += ["status of 404", "status of 422"]
    path = house.invite(house.person(f"Ines {width}", password=None))
    page = guest(path, width=width)
    for again in (PASSWORD[::-1], PASSWORD):
        page.get_by_role("textbox", name="Password").fill(PASSWORD)
        page.get_by_label("The same again").fill(again)
        page.get_by_role("button", name="Save and log in").click()
        if again != PASSWORD:
            expect(page.get_by_role("alert")).to_contain_text("The two passwords differ")
    expect(page.locator(".login .who")).to_have_text(f"Ines {width}")
    page.goto(path)
    expect(page.get_by_role("heading", name="This link works no more")).to_be_visible()
    page = guest("/", width=width)
    log_in(page, f"Ines {width}")
    expect(page.locator(".login .who")).to_have_text(f"Ines {width}")


def test_what_a_session_that_ended_left_unsent_is_sent_by_the_same_person_alone(
    guest: Guest, expect: Any, house: House, server: Server, watch: Watch
) -> None:
    watch.allowed.append("status of 401")
    ann, ben = house.person("Anouk"), house.person("Benno", Role.EDITOR)
    page = guest("/")
    log_in(page, "Anouk")
    page.wait_for_load_state("networkidle")
    lists = [page.expect_response(f"**/users/{ann}/{name}*") for name in ("recommendations", "feedback")]
    with lists[0], lists[1]:  # what the page asks for after a rating would else meet the end of the session
        stars(page, "4 stars").click()
    assert rated(server, ann) == [4]
    house.end_sessions(ann)
    stars(page, "3 stars").click()
    expect(page).to_have_url("/login?next=%2F")
    log_in(page, "Benno")
    expect(page.locator("#you-are")).to_have_text("Benno")
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    assert (rated(server, ann), rated(server, ben)) == ([4], [])
    page.get_by_role("button", name="Log out").click()
    log_in(page, "Anouk")
    poll(lambda: page.evaluate("true") and rated(server, ann) == [3])
    assert rated(server, ben) == []


def test_a_page_of_another_login_is_loaded_again(
    guest: Guest, expect: Any, house: House, server: Server, watch: Watch
) -> None:
    watch.allowed.append("status of 403")
    ann, ben = house.person("Agnes"), house.person("Boris")
    page = guest("/")
    log_in(page, "Agnes")
    expect(page.locator("#shelf-movies .stars").first).to_be_visible()
    other = watch.page(page.context.new_page())
    other.goto("/")
    other.get_by_role("button", name="Log out").click()
    log_in(other, "Boris")
    expect(other.locator(".login .who")).to_have_text("Boris")
    stars(page, "5 stars").click()
    expect(page.locator(".login .who")).to_have_text("Boris")
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    assert rated(server, ann) == rated(server, ben) == []
    page.get_by_role("button", name="Log out").click()
    log_in(page, "Agnes")
    poll(lambda: page.evaluate("true") and rated(server, ann) == [5])


def test_a_viewer_meets_no_refusal_on_any_page(guest: Guest, expect: Any, house: House) -> None:
    house.person("Vera")
    page = guest("/")
    log_in(page, "Vera")
    for name in page.locator("nav a").all_inner_texts():
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        expect(page.locator("#trouble")).to_be_hidden()
    expect(page.get_by_role("button", name="Rebuild the model")).to_have_count(0)


def test_a_viewer_imports_their_own_export(guest: Guest, expect: Any, house: House, server: Server) -> None:
    user_id = house.person("Ivo")
    page = guest("/import")
    log_in(page, "Ivo")
    expect(page).to_have_url("/import")
    page.wait_for_load_state()
    expect(page.locator("#owner")).to_have_count(0)
    rows = b"Date,Name,Year,Letterboxd URI,Rating\n2024-01-02,Fight Club,1999,https://boxd.it/1,4.5\n"
    page.locator("#file").set_input_files({"name": "ratings.csv", "mimeType": "text/csv", "buffer": rows})
    expect(page.locator("#report")).to_be_visible()
    assert rated(server, user_id) == [4.5]
    expect(page.get_by_role("button", name="Rebuild the model with it")).to_have_count(0)
    page.get_by_role("button", name="Undo this import").click()
    expect(page.locator("#report-note")).to_have_text("The import was undone.")
    assert rated(server, user_id) == []


def test_an_editor_rates_for_another_and_begins_as_themselves(
    guest: Guest, expect: Any, house: House, server: Server
) -> None:
    other = house.person("Pia")
    house.person("Edda", Role.EDITOR)
    page = guest("/")
    log_in(page, "Edda")
    expect(page.locator("#you-are")).to_have_text("Edda")
    page.get_by_role("button", name="Choose another person").click()
    expect(page.get_by_label("New person")).to_have_count(0)
    page.get_by_role("button", name="Pia", exact=True).click()
    expect(page).to_have_url(f"/?user={other}")
    stars(page, "2 stars").click()
    poll(lambda: page.evaluate("true") and rated(server, other) == [2])
    page.goto("/")
    expect(page.locator("#you-are")).to_have_text("Edda")


def test_a_form_that_is_sent_before_the_scripts_have_run_is_not_lost(
    guest: Guest, expect: Any, house: House, watch: Watch
) -> None:
    watch.allowed.append("status of 503")
    house.person("Olga", Role.ADMIN)
    page, held = guest("/people"), list[Any]()
    log_in(page, "Olga")
    expect(page).to_have_url(re.compile("/people$"))

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/static/accounts.js", hold)
    page.goto("/people", wait_until="commit")
    page.get_by_label("New person").fill("Early")
    page.locator("#new-account").get_by_role("button", name="Invite").click()
    held[0].continue_()
    expect(page.get_by_role("heading", name="A link for Early to choose a password")).to_be_focused()


def test_an_admin_invites_gives_roles_and_keys_and_takes_them(
    guest: Guest, expect: Any, house: House, server: Server, address: str, watch: Watch
) -> None:
    watch.allowed.append("status of 503")  # of what is asked while a right changes, and asked again
    house.person("Ottilie", Role.ADMIN)
    page = guest("/people")
    page.on("dialog", lambda dialog: dialog.accept())
    log_in(page, "Ottilie")
    page.get_by_label("New person").fill("Newton")
    page.locator("#new-account").get_by_role("button", name="Invite").click()
    expect(page.get_by_role("heading", name="A link for Newton to choose a password")).to_be_focused()
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#copied")).to_have_text("Copied.")
    link = page.locator("#once-text").input_value()
    assert link.startswith(f"http://{address}:{server.port}/invite/")
    page.get_by_role("button", name="Done").click()
    assert page.locator("#once-text").input_value() == ""
    expect(page.locator("#audit")).to_contain_text("Invite user")

    other = guest(link)
    other.get_by_role("textbox", name="Password").fill(PASSWORD)
    other.get_by_label("The same again").fill(PASSWORD)
    other.get_by_role("button", name="Save and log in").click()
    expect(other.locator(".login .who")).to_have_text("Newton")
    expect(other.get_by_role("link", name="System")).to_have_count(0)
    page.get_by_label("Role of Newton").select_option("editor")
    expect(page.locator("#news")).to_have_text("Newton is editor now.")
    other.goto("/system")
    expect(other.get_by_role("heading", name="System")).to_be_visible()

    page.get_by_label("New key").fill("backup")
    page.get_by_label("Days").fill("90")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_role("heading", name="The key backup")).to_be_focused()
    key = {"Authorization": f"Bearer {page.locator('#once-text').input_value()}"}
    assert server.client.get("/movies", headers=key).status_code == 200
    page.get_by_role("button", name="Revoke backup").click()
    expect(page.locator("#news")).to_have_text("The key backup is revoked.")
    assert server.client.get("/movies", headers=key).status_code == 401

    page.get_by_role("button", name="Remove account of Newton").click()
    expect(page.get_by_role("button", name="Invite Newton")).to_be_visible()
    other.goto("/")
    expect(other).to_have_url("/login?next=%2F")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_new_pages_are_for_all(guest: Guest, expect: Any, house: House, watch: Watch, width: int) -> None:
    """No violation of axe-core's rules, nothing too small or too wide, and a way through by keyboard."""
    watch.allowed += ["status of 4(03|04|22)"]
    new = house.person(f"Ulla {width}", password=None)
    found: dict[str, Any] = {}
    page = guest("/login", width=width)

    def look(where: str) -> None:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found[f"{where} {scheme}"] = violations(page)
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found[f"{where} width"] = "wider than the screen"
        found[f"{where} small"] = page.evaluate(SMALL) if width < 400 else []
        stops = page.evaluate(STOPS)
        if stops:
            page.locator("a[href], input, button").first.focus()
            found[f"{where} keys"] = [] if walk(page, "Tab", len(stops) - 1) == stops else stops

    look("login")
    log_in(page, "Ulla", "a wrong password")
    look("wrong")
    page.goto(house.invite(new))
    look("invitation")
    page.goto("/invite/nothing")
    look("over")
    house.person(f"Adele {width}", Role.ADMIN)
    page.goto("/login?next=/people")
    log_in(page, f"Adele {width}")
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    look("people")
    house.close()
    page.goto("/")
    look("closed")
    assert not [(where, broken) for where, broken in found.items() if broken]
