"""Activity in a browser: cancel, retry, filter, and a page that was away catches up."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.server import Server, poll
from tests.web.conftest import LOST, Visit, Watch

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Imports in very small transactions: they take long enough to be watched."""
    folder = tmp_path_factory.mktemp("activity") / "data"
    server = Server(folder, MATINEE_IMPORT_CHUNK="5").start()
    yield server
    server.close()


def start_import(server: Server, rows: int = 30_000) -> str:
    movies = [movie["id"] for movie in server.client.get("/movies?limit=50").json()]
    lines = (f"{10 + n // len(movies)},{movies[n % len(movies)]},{1 + n % 5}\n" for n in range(rows))
    content = "user_id,movie_id,score\n" + "".join(lines)
    headers = {"Content-Type": "text/csv", "X-Filename": f"{rows}.csv"}
    answer = server.client.post("/imports", content=content, headers=headers)
    return str(answer.json()["task_id"])


def lines(page: "Page") -> list[str]:
    return page.locator("#timeline > li > div").all_inner_texts()


def test_a_task_is_cancelled_and_retried(visit: Visit, expect: Any, server: Server) -> None:
    task_id = start_import(server)
    page = visit("/activity")
    row = page.locator(f".task[data-id='{task_id}']")
    expect(row.locator(".badge")).to_have_text("running")
    expect(row.get_by_role("link")).to_have_text("Import ratings 30000.csv")
    row.get_by_role("button", name="Cancel").click()
    expect(row.locator(".badge")).to_have_text("cancelled")
    assert server.task(task_id)["status"] == "cancelled"
    page.locator("select[name=status]").select_option("complete")
    expect(row).to_have_count(0)
    expect(page).to_have_url(re.compile("status=complete"))
    page.locator("select[name=status]").select_option("")
    row.get_by_role("button", name="Retry").click()
    expect(row.locator(".badge")).to_have_text(re.compile("queued|running"))
    row.get_by_role("link").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#timeline .badge").last).to_have_text("cancelled")
    statuses = page.locator("#timeline .badge").all_inner_texts()
    assert statuses.count("queued") == 2


def test_a_cancelled_import_says_what_it_wrote_and_what_to_do(
    visit: Visit, expect: Any, server: Server
) -> None:
    task_id = start_import(server)
    page = visit(f"/import?task={task_id}")
    expect(page.locator("#running")).to_contain_text("goes on by itself")
    poll(lambda: server.task(task_id)["written"])
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#running .badge")).to_have_text("cancelled")
    written = server.task(task_id)["written"]
    left = f"Cancelled. {written:,} rows were written and stay until you undo this import;"
    expect(page.locator(".progress-text")).to_have_text(f"{left} Retry imports the rest.")
    expect(page.locator("#running")).not_to_contain_text("goes on by itself")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    page.goto(f"/activity/{task_id}")
    page.get_by_role("link", name="Undo this import").click()
    page.get_by_role("button", name="Undo this import").click()
    expect(page.locator("#report-note")).to_have_text("The import was undone.", timeout=30_000)


def test_a_merge_says_what_it_did_and_is_undone(visit: Visit, expect: Any, server: Server) -> None:
    person = server.client.post("/users", json={"name": "Ada"}).json()["id"]
    for movie_id in (1, 2):
        rating = {"user_id": 900_001, "movie_id": movie_id, "score": 4}
        assert server.client.post("/ratings", json=rating).is_success
    task_id = server.client.post(f"/users/{person}/merge", json={"from": 900_001}).json()["task_id"]
    server.wait(task_id)
    page = visit(f"/activity/{task_id}")
    expect(page.locator(".progress-text")).to_have_text("2 moved.")
    page.get_by_role("button", name="Undo this merge").click()
    expect(page).not_to_have_url(re.compile(task_id))
    expect(page.locator("#progress .badge")).to_have_text("complete")
    assert len(server.client.get("/users/900001/ratings").json()) == 2


def test_a_task_ends_while_the_page_is_disconnected(
    visit: Visit, expect: Any, server: Server, watch: Watch
) -> None:
    watch.allowed.append(LOST)
    task_id = start_import(server, rows=3_000)
    page = visit(f"/activity/{task_id}")
    expect(page.locator("#timeline > li").first).to_be_visible()
    page.context.set_offline(True)
    server.wait(task_id)
    page.context.set_offline(False)
    expect(page.locator("#progress .badge")).to_have_text("complete")
    expect(page.locator("#connection")).to_be_hidden()
    caught_up = lines(page)
    page.reload()
    expect(page.locator("#timeline .badge").last).to_have_text("complete")
    assert lines(page) == caught_up, "no gap, nothing twice"


def test_a_hidden_page_pauses_and_goes_on_without_gaps(visit: Visit, expect: Any, server: Server) -> None:
    task_id = start_import(server, rows=3_000)
    page = visit(f"/activity/{task_id}")
    expect(page.locator("#timeline > li").first).to_be_visible()
    hide = """hidden => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    server.wait(task_id)
    expect(page.locator("#progress .badge")).not_to_have_text("complete")
    page.evaluate(hide, False)
    expect(page.locator("#progress .badge")).to_have_text("complete")
    caught_up = lines(page)
    page.reload()
    expect(page.locator("#timeline .badge").last).to_have_text("complete")
    assert lines(page) == caught_up


def test_a_server_that_is_down_is_reported_and_comes_back(
    visit: Visit, expect: Any, watch: Watch, server: Server
) -> None:
    watch.allowed.append(LOST)
    page = visit("/?user=7")
    expect(page.locator("#shelf-movies > .movie").first).to_be_visible()
    server.kill()
    poll(lambda: not server.orphans(), within=10)
    page.locator("#shelf-movies").get_by_role("radio", name="5 stars", exact=True).first.click()
    expect(page.locator("#connection")).to_contain_text("does not answer")
    expect(page.get_by_role("button", name="Try now")).to_be_visible()
    server.start()
    page.locator("#connection-now").dispatch_event("click")  # it may have tried and gone by itself meanwhile
    expect(page.locator("#connection")).to_be_hidden()
    poll(lambda: server.client.get("/ratings?user_id=7").json())


def test_the_same_file_again_says_that_nothing_changed(visit: Visit, expect: Any, server: Server) -> None:
    server.wait(start_import(server, rows=50))
    task_id = start_import(server, rows=50)
    server.wait(task_id)
    row = visit("/activity").locator(f".task[data-id='{task_id}']")
    expect(row).to_contain_text("50 read, 50 unchanged.")
