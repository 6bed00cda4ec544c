"""The pages as documents: policy, escaping, nothing foreign, every operation in the reference."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.api import models
from app.service import Service
from app.tasks.embedded import WorkerState
from app.web import shell

FILES = shell.FOLDER / "static"
PATHS = (
    "/",
    "/movie/1",
    "/movie/404404",
    "/movie/x",
    "/import",
    "/waiting",
    "/players",
    "/activity",
    "/quality",
    "/system",
    "/people",
    "/docs",
)


class Reader(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("path", PATHS)
def test_pages_have_a_strict_policy_and_nothing_inline(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"].startswith("text/html")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    for tag, attributes in Reader(answer.text).tags:
        assert tag != "style"
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        assert tag != "script" or attributes.get("src", "").startswith("/static/")  # type: ignore[union-attr]
        for name in ("href", "src", "action"):
            target = attributes.get(name) or "/"
            assert target[0] in "/#" and not target.startswith("//"), f"{tag} leads to {target}"


@pytest.mark.parametrize("path", sorted(FILES.iterdir()), ids=lambda path: path.name)
def test_files_reach_for_nothing_foreign_and_write_no_markup(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|\beval\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write", text)
    assert all((FILES / name).is_file() for name in re.findall(r'(?:from|import) "\./([^"]+)"', text))


def test_scripts_ask_only_for_what_the_server_has(client: TestClient) -> None:
    paths = [
        *client.get("/openapi.json").json()["paths"],
        "/movie/{id}",
        "/activity/{id}",
        "/login",
        "/logout",
        "/session",
        *PATHS,
    ]
    asked = {
        re.sub(r"\$\{[^}]*\}", "[^/]+", path)
        for file in FILES.glob("*.js")
        for path in re.findall(r"""["'`](/[\w/${}.]+)[?"'`]""", file.read_text(encoding="utf-8"))
    }
    assert len(asked) > 10
    assert [path for path in asked if not any(re.fullmatch(path, known) for known in paths)] == []


def test_no_handler_can_cancel_an_event_by_what_it_returns() -> None:
    """A handler property that returns false cancels the event; an arrow without braces returns something."""
    property_handler = re.compile(r"\.on[a-z]+ = (?!guarded\(|.*\{$).*", re.MULTILINE)
    found = {path.name: property_handler.findall(path.read_text("utf-8")) for path in FILES.glob("*.js")}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_everything_together_is_light() -> None:
    assert sum(path.stat().st_size for path in FILES.iterdir()) < 136_000


def test_files_are_asked_for_again(client: TestClient) -> None:
    answer = client.get("/static/discover.js")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"].startswith("text/javascript")
    tag = {"If-None-Match": answer.headers["etag"]}
    assert client.get("/static/discover.js", headers=tag).status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/movie/404404",
        "/movie/x",
        f"/movie/{2**63 - 1}",
        f"/movie/{2**63}",
        "/movie/" + 9999 * "9",
        "/activity/no-such",
    ],
)
def test_a_missing_movie_or_task_is_a_page_that_says_so(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "Back to Discover" in answer.text
    assert "There is no" in answer.text and "GET /" not in answer.text


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/nope", 404, "There is no page at /nope."),
        ("/recommender/rebuild", 405, "There is no page at /recommender/rebuild."),
        ("/movies/404404", 404, "404404"),
        ("/movies?limit=0", 422, "limit"),
    ],
)
def test_an_error_is_a_page_for_a_browser_and_a_problem_for_a_program(
    client: TestClient, path: str, status: int, said: str
) -> None:
    page, problem = client.get(path, headers=BROWSER), client.get(path)
    assert page.status_code == problem.status_code == status
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["vary"] == "Accept"
    assert page.headers.get("allow") == problem.headers.get("allow")
    assert said in page.text and "Back to Discover" in page.text
    assert problem.headers["content-type"] == "application/problem+json"


def test_a_fault_of_the_server_is_a_page_too(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(models, "list_models", fail)
    answer = client.get("/quality", headers={"Accept": "*/*"})
    assert answer.status_code == 500
    assert "Back to Discover" in answer.text
    assert "broken" not in answer.text


@pytest.mark.parametrize("rest", ["1", "1?user=7&q=a%20b", "x%3Fy"])
def test_the_address_that_a_movie_had_before_leads_to_its_page(client: TestClient, rest: str) -> None:
    answer = client.get(f"/film/{rest}", follow_redirects=False)
    assert answer.status_code == 308
    assert answer.headers["location"] == f"/movie/{rest}"


def test_titles_are_escaped(client: TestClient) -> None:
    title = '<script>alert("1")</script> & "co"'
    movie = client.post("/movies", json={"title": title, "genre": '"><b>|Drama'}).json()
    text = client.get(f"/movie/{movie['id']}").text
    assert "<script>alert" not in text
    assert "<b>" not in text
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt; &amp; &#34;co&#34;" in text
    assert "Nobody has rated this film yet" in text


def test_a_movie_shows_its_ratings(client: TestClient) -> None:
    for user_id, score in enumerate([5, 5, 0.5]):
        client.post("/ratings", json={"movie_id": 1, "user_id": user_id, "score": score})
    text = client.get("/movie/1").text
    assert "mean of 3 ratings" in text
    assert re.search(r'aria-label="Ratings by score[^"]* 0\.5: 1,[^"]* 5\.0: 2', text)
    assert text.count('class="bar"') == 2


def test_the_quality_page_says_what_changed_since_the_version_before(
    client: TestClient, run_tasks: Callable[[], None]
) -> None:
    client.post("/imports")
    run_tasks()
    for score in (4, 5):
        client.post("/ratings", json={"movie_id": 1, "user_id": 10 + score, "score": score})
        client.post("/recommender/rebuild")
        run_tasks()
    text = client.get("/quality").text
    assert text.count('class="version"') == 2
    assert re.findall("Changes since the version before: (.*)<", text) == ["+1 ratings, +1 users."]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (None, "done by workers that run outside this server"),
        (WorkerState(None, None, None, None, None), "starting"),
        (WorkerState(7, 0.2, "t1", "import_ratings", None), "running"),
        (
            WorkerState(7, 40.0, "t1", "import_ratings", "late"),
            "not answering for 40 s; it will be restarted",
        ),
        (WorkerState(7, 0.2, None, None, "it ended"), "not running (it ended); it will be restarted"),
        (WorkerState(None, None, None, None, "no memory"), "not running (no memory); it will be restarted"),
    ],
)
def test_the_system_page_says_how_the_background_work_goes(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, state: WorkerState | None, said: str
) -> None:
    monkeypatch.setattr(Service, "worker_state", lambda _: state)
    assert f"Background work: {said}." in client.get("/system").text


def test_no_page_of_the_framework_loads_foreign_scripts(client: TestClient) -> None:
    assert client.get("/redoc").status_code == 404


def test_the_reference_has_every_operation(client: TestClient) -> None:
    text = client.get("/docs").text
    document = client.get("/openapi.json").json()
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len(operations) > 20
    assert all(f'<details id="{operation["operationId"]}">' in text for operation in operations)
    assert all("/movie/" not in path and "/system" not in path for path in document["paths"])
