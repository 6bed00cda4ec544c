"""A real browser on a real server. Every page is watched: no error, no policy report, no foreign request."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first opens a page with a quarter of the CPU of the others."""
LOST = r"net::ERR_(CONNECTION|INTERNET|EMPTY|INCOMPLETE|NETWORK|SOCKET|FAILED)"
"""What the browser writes to the console when a server is gone."""


def missing(reason: str) -> None:
    """Skip the test with this reason; in CI fail it."""
    if os.environ.get("CI"):
        raise RuntimeError(reason)
    pytest.skip(reason)


@pytest.fixture(scope="package")
def browser() -> "Iterator[Browser]":
    """Chromium without a window. Skipped (never in CI) where there is none."""
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        missing("Playwright is not installed: uv sync --group e2e")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        missing("There is no Chromium: apt-get install chromium-headless-shell")
    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS, chromium_sandbox=False)
        yield browser
        browser.close()


@pytest.fixture
def expect(browser: "Browser") -> Any:
    """Playwright's assertions, which wait."""
    from playwright.sync_api import expect

    return expect


@pytest.fixture(scope="package")
def server(browser: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two server processes on one port, for the tests that change only users of their own."""
    server = Server(tmp_path_factory.mktemp("web") / "data", "--workers", "2").start().ready()
    server.wait(server.client.post("/imports").json()["task_id"])
    server.wait(server.client.post("/recommender/rebuild").json()["task_id"])
    yield server
    server.close()


class Watch:
    """What went wrong on the pages of one test."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self.allowed: list[str] = []
        self.seen: list[str] = []

    def page(self, page: "Page") -> "Page":
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.seen.append(f"error: {error}"))
        page.on("request", self._request)
        return page

    def _console(self, message: "ConsoleMessage") -> None:
        if message.type in ("error", "warning"):
            self.seen.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

    def _request(self, request: "Request") -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self._origin:
            self.seen.append(f"foreign request: {request.url}")

    def problems(self) -> list[str]:
        return [text for text in self.seen if not any(re.search(known, text) for known in self.allowed)]


@pytest.fixture
def watch(server: Server) -> Iterator[Watch]:
    watch = Watch(f"127.0.0.1:{server.port}")
    yield watch
    assert watch.problems() == []


Visit = Callable[..., "Page"]


@pytest.fixture
def visit(browser: "Browser", server: Server, watch: Watch) -> Iterator[Visit]:
    """`visit(path, **options of the browser context)` opens a page in a fresh profile."""
    contexts = []

    def visit(path: str, **options: Any) -> "Page":
        context = browser.new_context(base_url=f"http://127.0.0.1:{server.port}", **options)
        contexts.append(context)
        page = watch.page(context.new_page())
        page.goto(path)
        return page

    yield visit
    for context in contexts:
        context.close()
