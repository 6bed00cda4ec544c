"""Every page: no violation of axe-core's rules in light and dark, and nothing wider than a phone."""

from collections.abc import Collection
from typing import Any

from app.config import Settings
from app.repository import waiting
from app.repository.waiting import Waiting
from app.storage import open_database
from tests.server import Server
from tests.web.conftest import Visit, missing

PAGES = (
    "/",
    "/?user=1001",
    "/movie/1?user=1001",
    "/movie/404404",
    "/import",
    "/waiting?user=840",
    "/players?user=1001",
    "/activity",
    "/quality",
    "/system",
    "/people",
)


OF_COLOURS = ("color-contrast", "link-in-text-block")
"""The rules that see a difference between light and dark."""


def violations(page: Any, rules: Collection[str] = ()) -> list[str]:
    """What breaks a rule of axe-core, or one of these."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        missing("axe-core is not installed: uv sync --group e2e")
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = list(rules)
    found = Axe().run(page, options=options).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html']} {v['nodes'][0]['failureSummary']}" for v in found]


WIDE = """[...document.body.querySelectorAll("*")]
  .filter((node) => node.getBoundingClientRect().right > 360.5).map((node) => node.outerHTML.slice(0, 120))"""


def test_no_violation_on_any_page(visit: Visit, expect: Any, server: Server, watch: Any) -> None:
    watch.allowed.append("status of 404")
    rows = [Waiting(840, "w", "Toy Storey", 1995, score=4, candidates=((1, "one letter differs"),))]
    database = open_database(Settings(data_dir=server.data_dir))
    with database.write() as connection:
        waiting.put(connection, 840, rows)
    database.close()
    task_id = server.client.get("/tasks?kind=import_ratings").json()[-1]["task_id"]
    page = visit("/import")
    found: dict[str, Any] = {}
    for path in (*PAGES, "/docs", f"/activity/{task_id}", f"/import?task={task_id}"):
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(path)
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        page.emulate_media(color_scheme="light")
        found[f"{path} light"] = violations(page)
        page.emulate_media(color_scheme="dark")
        found[f"{path} dark"] = violations(page, OF_COLOURS)
        page.set_viewport_size({"width": 360, "height": 740})
        found[f"{path} phone"] = violations(page) if "user" in path else []
        if page.evaluate("document.documentElement.scrollWidth") > 360:
            found[f"{path} phone"] += ["wider than the screen", *page.evaluate(WIDE)]
    assert {where: broken for where, broken in found.items() if broken} == {}


SMALL = """() => [...document.querySelectorAll("a[href], button, input, select, summary")]
  .filter((node) => node.checkVisibility() && !node.closest(".unseen, .skip, p, label"))
  .filter((node) => Math.min(node.getBoundingClientRect().width, node.getBoundingClientRect().height) < 23.9)
  .map((node) => node.outerHTML.slice(0, 120))"""


def test_nothing_is_too_small_for_a_finger(visit: Visit, expect: Any, server: Server) -> None:
    """WCAG 2.5.8: 24 px, but for links within text. A whole star has 44."""
    options = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    page = visit("/?user=1001", **options)
    found = {}
    for path in PAGES[1:3] + PAGES[4:]:
        page.goto(path)
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        found[path] = page.evaluate(SMALL)
    assert {path: small for path, small in found.items() if small} == {}
    page.goto("/?user=1001")
    box = page.locator(".stars").first.bounding_box()
    assert box is not None
    assert box["width"] / 5 >= 44 and box["height"] >= 44
    page.locator("#shelf-movies .stars").first.get_by_role("radio", name="2.5 stars", exact=True).tap()
