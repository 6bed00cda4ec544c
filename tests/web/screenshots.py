"""Take the screenshots of docs/screenshots: `uv run --group e2e python -m tests.web.screenshots`.

Every page, light and dark, wide and on a phone, on data that a seeded generator makes; small palette PNGs.
"""

import io
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from app.config import Settings
from app.user import Role
from tests.server import Server
from tests.web.conftest import FLAGS
from tests.web.house import PASSWORD, House

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
SIZES = {"wide": (1280, 860), "phone": (360, 740)}
USER = 7


def ratings(movies: list[dict[str, Any]], users: range, each: int, chosen: random.Random) -> Iterator[str]:
    """`each` rows of every user; users share one of six tastes, and see more of what they like."""
    genres = sorted({genre for movie in movies for genre in movie["genre"].split("|")})
    tastes = [set(random.Random(number).sample(genres, 4)) for number in range(6)]
    for user in users:
        fits = {movie["id"]: len(tastes[user % 6] & set(movie["genre"].split("|"))) for movie in movies}
        order = sorted(fits, key=lambda movie_id: chosen.random() ** (1 / (1 + 2 * fits[movie_id])))
        for movie_id in order[-each:]:
            score = min(5.0, max(0.5, round(2 * chosen.gauss(2.2 + fits[movie_id], 0.6)) / 2))
            yield f"{user},{movie_id},{score}\n"


def upload(server: Server, rows: str) -> str:
    content = "user_id,movie_id,score\n" + rows
    headers = {"Content-Type": "text/csv", "X-Filename": "ratings.csv"}
    task_id: str = server.client.post("/imports", content=content, headers=headers).json()["task_id"]
    server.wait(task_id)
    return task_id


def fill(server: Server) -> str:
    """Four versions of the model, the ratings of a user, an import with bad rows; returns its task's id."""
    chosen = random.Random(11)
    server.wait(server.client.post("/imports").json()["task_id"])
    movies = server.client.get("/movies?limit=500").json()
    for step in range(4):
        upload(server, "".join(ratings(movies, range(5000, 5600 + 300 * step), 5 + 4 * step, chosen)))
        server.wait(server.client.post("/recommender/rebuild").json()["task_id"])
    for movie, score in zip(movies[:60:9], (5, 4.5, 2, 4, 3.5, 1, 4.5), strict=True):
        server.client.post("/ratings", json={"movie_id": movie["id"], "user_id": USER, "score": score})
    bad = "9001,1,7\n9002,424242,4\n9003,six,3\n9004,32,\n"
    return upload(server, "".join(ratings(movies, range(9100, 9160), 16, chosen)) + bad)


def take_all(browser: Browser, origin: str, paths: dict[str, str], *, name: str | None = None) -> None:
    """Every path at each size, light and dark; `name`: of who logs in before."""
    for size, (width, height) in SIZES.items():
        for scheme in ("light", "dark"):
            viewport: Any = {"width": width, "height": height}
            page = browser.new_page(viewport=viewport, color_scheme=scheme)
            if name is not None:
                page.goto(f"{origin}/login")
                page.get_by_label("Name").fill(name)
                page.get_by_label("Password").fill(PASSWORD)
                page.get_by_role("button", name="Log in").click()
                page.wait_for_load_state("load")
            for shown, path in paths.items():
                page.goto(f"{origin}{path}")
                page.wait_for_load_state("load")
                page.wait_for_timeout(600)
                take(page, FOLDER / f"{shown}-{size}-{scheme}.png")
            page.close()


def take(page: Page, path: Path) -> None:
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    server = Server(folder / "data").start()
    try:
        task_id = fill(server)
        paths = {
            "discover": f"/?user={USER}",
            "movie": f"/movie/1?user={USER}",
            "import": f"/import?user={USER}",
            "report": f"/import?user={USER}&task={task_id}",
            "activity": f"/activity?user={USER}",
            "task": f"/activity/{task_id}?user={USER}",
            "quality": f"/quality?user={USER}",
            "system": f"/system?user={USER}",
            "reference": f"/docs?user={USER}",
        }
        FOLDER.mkdir(exist_ok=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium-headless-shell"), args=FLAGS, chromium_sandbox=False
            )
            origin = f"http://127.0.0.1:{server.port}"
            take_all(browser, origin, paths)
            house = House(Settings(data_dir=server.data_dir))
            for name, role in (("Ada", Role.ADMIN), ("Blaise", Role.EDITOR), ("Emmy", Role.VIEWER)):
                house.person(name, role)
            link = house.invite(house.person("Otto", password=None))
            house.open()
            take_all(browser, origin, {"login": "/login", "invitation": link})
            take_all(browser, origin, {"people": "/people"}, name="Ada")
            browser.close()
    finally:
        server.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
