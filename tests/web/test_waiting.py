"""Rows that wait, in a browser: candidates, another film, a new one, given up; by keyboard and by mouse."""

from typing import Any

import pytest

from app.config import Settings
from app.mark import Mark, Marked
from app.repository import waiting
from app.repository.waiting import Waiting
from app.storage import open_database
from tests.server import Server
from tests.web.conftest import Visit

ROWS = (
    ("Toy Storey", 1995, ((1, "one letter differs"), (260, "a guess"))),
    ("Matrix, the first", 1999, ()),
    ("My Home Video", 2003, ()),
    ("Nothing Much", None, ()),
)


@pytest.fixture
def rows(server: Server, request: pytest.FixtureRequest) -> int:
    """The user, of this test alone, whose four rows wait."""
    user: int = 830 + ["keyboard", "added"].index(request.param)
    database = open_database(Settings(data_dir=server.data_dir))
    seen = {Mark.WATCHED: Marked(True, 10**9)}
    with database.write() as connection:
        found = [
            Waiting(
                user,
                title,
                title,
                year,
                score=4.5,
                rated_at=10**9,
                marks=seen,
                reason="no title is the same",
                candidates=candidates,
            )
            for title, year, candidates in ROWS
        ]
        waiting.put(connection, user, found)
    database.close()
    return user


def scores(server: Server, user: int) -> dict[str, float]:
    listed = server.client.get(f"/users/{user}/ratings").json()
    return {row["movie"]["title"]: row["score"] for row in listed}


@pytest.mark.parametrize("rows", ["keyboard"], indirect=True)
def test_rows_are_matched_by_keyboard(visit: Visit, expect: Any, server: Server, rows: int) -> None:
    page = visit(f"/?user={rows}")
    page.get_by_role("link", name="Some rows of your files wait").click()
    expect(page.locator("#waiting-note")).to_have_text("4 rows to go.")
    first = page.locator(".wait").first
    expect(first).to_contain_text("Your score 4.5 · watched · no title is the same")
    expect(first).to_contain_text("One letter differs")
    first.get_by_role("button", name="Toy Storey (1995) is Toy Story (1995)").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#waiting-note")).to_have_text("3 rows to go.")
    expect(page.locator("summary").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Search titles").first).to_be_focused()
    expect(page.get_by_label("Search titles").first).to_have_value("Matrix")
    chosen = page.get_by_role("button", name="Matrix, the first (1999) is The Matrix (1999)")
    expect(chosen).to_be_visible()
    page.keyboard.press("Tab")  # to the title, then to the button
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#waiting-note")).to_have_text("2 rows to go.")
    assert scores(server, rows) == {"Toy Story": 4.5, "The Matrix": 4.5}


@pytest.mark.parametrize("rows", ["added"], indirect=True)
def test_one_is_added_and_the_others_are_given_up(
    visit: Visit, expect: Any, server: Server, rows: int
) -> None:
    page = visit(f"/waiting?user={rows}")
    page.get_by_role("button", name="Add My Home Video (2003) as a new film").click()
    expect(page.locator("#waiting-note")).to_have_text("3 rows to go.")
    assert scores(server, rows) == {"My Home Video": 4.5}
    page.on("dialog", lambda dialog: dialog.accept())
    for left in ("2 rows to go.", "1 row to go."):
        page.get_by_role("button", name="Give up").first.click()
        expect(page.locator("#waiting-note")).to_have_text(left)
    page.get_by_role("button", name="Give up").click()
    expect(page.locator("#waiting .empty")).to_contain_text("No row waits")
    assert server.client.get(f"/users/{rows}/waiting").json() == []
    assert scores(server, rows) == {"My Home Video": 4.5}


def test_who_is_unknown_has_no_rows(visit: Visit, expect: Any) -> None:
    page = visit("/waiting")
    expect(page.locator("#waiting .empty")).to_contain_text("Say who you are")
