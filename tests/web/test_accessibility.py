"""No violation of axe-core's rules on any page, in light and dark, wide and on a phone."""

from typing import Any

import pytest

from tests.server import Server
from tests.web.conftest import Visit

PATHS = (
    "/",
    "/?user=1001",
    "/film/1?user=1001",
    "/film/404404",
    "/import",
    "/activity",
    "/quality",
    "/system",
    "/docs",
)


def violations(page: Any) -> list[str]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html']} {v['nodes'][0]['failureSummary']}" for v in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_violation_on_any_page(visit: Visit, expect: Any, server: Server, watch: Any, scheme: str) -> None:
    watch.allowed.append("status of 404")
    task_id = server.client.get("/tasks?kind=import_ratings").json()[-1]["task_id"]
    page = visit("/", color_scheme=scheme)
    found = {}
    for path in (*PATHS, f"/activity/{task_id}", f"/import?task={task_id}"):
        page.set_viewport_size({"width": 360 if "user" in path else 1280, "height": 900})
        page.goto(path)
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        if broken := violations(page):
            found[path] = broken
    assert found == {}


def test_nothing_is_wider_than_a_phone(visit: Visit, expect: Any, watch: Any) -> None:
    watch.allowed.append("status of 404")
    page = visit("/", viewport={"width": 360, "height": 740})
    for path in PATHS:
        page.goto(path)
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
