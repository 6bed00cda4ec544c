"""Every page by keyboard: from its first element to its last and back, each with a visible focus."""

from typing import TYPE_CHECKING, Any

import pytest

from tests.server import Server
from tests.web.conftest import Visit, Watch

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGES = (
    "/",
    "/?user=1001",
    "/movie/1?user=1001",
    "/movie/404404",
    "/import?user=1001",
    "/import?task={task}",
    "/players?user=1001",
    "/activity",
    "/activity/{task}",
    "/quality",
    "/system",
    "/people",
    "/docs",
)

STOPS = """() => {
  const name = (node) => node.dataset.stop ??= String(++stops) + " " + node.tagName + " " +
    (node.getAttribute("aria-label") || node.textContent || node.name || "").trim().slice(0, 40);
  window.stops = 0;
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")];
  const stop = (node) => node.tabIndex >= 0 && !node.disabled && node.checkVisibility();
  const tabbable = all.filter(stop).filter((node) => {
    if (node.type !== "radio") return true;
    const group = [...node.closest("fieldset").querySelectorAll("input[type=radio]")];
    return node === (group.find((one) => one.checked) ?? group[0]);
  });
  window.seen = [];
  document.addEventListener("focusin", ({ target }) => {
    const framed = [target, target.closest(".stars"), target.closest(".drop")?.querySelector(".button")];
    const shown = framed.some((node) => node && getComputedStyle(node).outlineStyle !== "none");
    seen.push(shown ? name(target) : `${name(target)} without a visible focus`);
  });
  return tabbable.map(name);
}"""


def walk(page: "Page", key: str, presses: int) -> list[str]:
    """Returns what has the focus: now, and after each press."""
    for _ in range(presses):
        page.keyboard.press(key)
    found: list[str] = page.evaluate("seen.splice(0)")
    return found


@pytest.mark.parametrize("path", PAGES)
def test_tab_reaches_everything_and_leads_back(
    visit: Visit, expect: Any, server: Server, watch: Watch, path: str
) -> None:
    watch.allowed.append("status of 404")
    task = server.client.get("/tasks?kind=import_ratings").json()[-1]["task_id"]
    page = visit(path.format(task=task))
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    if "?task=" in path:
        expect(page.locator("#report")).to_be_visible()
    stops = page.evaluate(STOPS)
    assert len(stops) > 5
    page.locator(".skip").focus()
    assert walk(page, "Tab", len(stops) - 1) == stops
    assert walk(page, "Shift+Tab", len(stops) - 1) == stops[-2::-1]


def focused_stars(page: "Page", name: str) -> Any:
    stars = page.locator("#own").get_by_role("radio", name=name, exact=True)
    stars.focus()
    return stars


def pause_clock(page: "Page") -> None:
    """Stop the page's timers, so that none of them sends what was chosen."""
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))


def test_space_and_enter_choose_the_star_that_has_the_focus(
    visit: Visit, expect: Any, server: Server
) -> None:
    page = visit("/movie/1?user=701")
    focused_stars(page, "0.5 stars")
    page.keyboard.press("Space")
    expect(page.locator("#news")).to_have_text("You gave 0.5.")
    page.goto("/movie/47?user=701")
    focused_stars(page, "0.5 stars")
    page.keyboard.press("Enter")
    expect(page.locator("#news")).to_have_text("You gave 0.5.")
    scores = {row["movie_id"]: row["score"] for row in server.client.get("/ratings?user_id=701").json()}
    assert scores == {1: 0.5, 47: 0.5}


def test_arrows_move_through_the_stars_and_only_the_last_is_sent(
    visit: Visit, expect: Any, server: Server
) -> None:
    page = visit("/import")
    page.clock.install()
    page.goto("/movie/1?user=702")
    sent: list[Any] = []

    def note(request: Any) -> None:
        if request.method == "POST":
            sent.append(request.post_data_json["score"])

    page.on("request", note)
    focused_stars(page, "0.5 stars")
    pause_clock(page)
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#own").get_by_role("radio", name="5 stars", exact=True)).to_be_focused()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#news")).to_have_text("You gave 1.")
    assert sent == [1]


def test_what_the_arrows_chose_is_sent_when_the_focus_or_the_page_goes(
    visit: Visit, expect: Any, server: Server
) -> None:
    page = visit("/import")
    page.clock.install()
    page.goto("/movie/1?user=703")
    focused_stars(page, "0.5 stars")
    pause_clock(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    expect(page.locator("#news")).to_have_text("You gave 1.")
    focused_stars(page, "1 star")
    page.keyboard.press("ArrowRight")
    page.goto("/movie/1?user=703")
    expect(page.locator("#own").get_by_role("radio", name="1.5 stars", exact=True)).to_be_checked()


def test_keys_of_the_browser_work_inside_the_stars(visit: Visit, expect: Any) -> None:
    page = visit("/movie/1?user=704")
    stars = focused_stars(page, "0.5 stars")
    cancelled = stars.evaluate(
        """(node) => ["Tab", "F5", " ", "Enter", "a", "Escape", "PageDown"].filter((key) =>
          !node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })))"""
    )
    assert cancelled == []
    event = "new PointerEvent('pointerdown', { bubbles: true, cancelable: true })"
    assert stars.evaluate(f"(node) => node.dispatchEvent({event})")
