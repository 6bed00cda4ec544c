"""nginx, with the file of docs/proxy.md, before `matinee serve` with the door open: at / and below a path."""

import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config import Settings
from app.user import Role
from tests import certificates
from tests.api.test_door import House
from tests.processes.imports import write_csv
from tests.server import Served, free_port, poll

DOCUMENT = Path(__file__).parents[2] / "docs" / "proxy.md"
CALLER = "127.0.0.9"
"""The address from which the test calls nginx; nginx calls the service from 127.0.0.1."""
ROWS = 60_000
"""Of an import that is larger than what nginx takes by default, 1 MB."""
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; {user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {recipe}
}}
"""


class Nginx:
    """With the recipe of the document for a location, before the service at `port`."""

    def __init__(self, folder: Path, location: str, port: int) -> None:
        self.port = free_port()
        cert, key = certificates.make(folder)
        recipe = recipe_of_the_document()
        for there, here in (
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"),
            ("/etc/nginx/films.example.crt", cert),
            ("/etc/nginx/films.example.key", key),
            ("http://127.0.0.1:8000", f"http://127.0.0.1:{port}"),
            ("location / {", f"location {location} {{"),
        ):
            assert recipe.count(there) == 1
            recipe = recipe.replace(there, here)
        user = "user root;" if os.getuid() == 0 else ""
        self._file = folder / "nginx.conf"
        self._file.write_text(NGINX.format(folder=folder, user=user, recipe=recipe))
        self._log = folder / "error.log"
        self._trust = ssl.create_default_context(cafile=cert)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
        if program is None:
            if os.environ.get("CI"):
                raise RuntimeError("There is no nginx: apt-get install nginx-light")
            pytest.skip("There is no nginx: apt-get install nginx-light")
        self._process = subprocess.Popen([program, "-c", str(self._file), "-e", str(self._log)])
        poll(self._listens)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        try:
            with self.client("/") as client:
                client.get("/")
        except httpx.TransportError:
            return False
        return True

    def client(self, location: str, **headers: str) -> httpx.Client:
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}{location}",
            headers={"Host": f"films.example:{self.port}", **headers},
            transport=httpx.HTTPTransport(verify=self._trust, local_address=CALLER),
            timeout=30,
        )

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)


def recipe_of_the_document() -> str:
    (block,) = re.findall(
        r"^```nginx\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    return str(block)


class Site:
    """The service behind nginx, at a location."""

    def __init__(self, folder: Path, location: str) -> None:
        self.location, self.root = location, location.rstrip("/")
        data = folder / "data"
        data.mkdir()
        self.key = make_a_key(data)
        self.server = Served(
            data,
            MATINEE_ROOT_PATH=self.root,
            MATINEE_TRUSTED_PROXIES="127.0.0.1",
            MATINEE_ALLOWED_HOSTS="films.example",
        )
        self.nginx = Nginx(folder, location, self.server.port)

    def client(self, **headers: str) -> httpx.Client:
        return self.nginx.client(self.location, **self.key, **headers)

    def callers(self, answer: httpx.Response) -> list[str]:
        """Who has called, by the line of that request in the log."""
        log = self.server.data_dir.with_suffix(".log").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        return [line["client"] for line in lines if is_of(line, answer)]


def is_of(line: dict[str, Any], answer: httpx.Response) -> bool:
    return line.get("request_id") == answer.headers["x-request-id"] and "client" in line


def make_a_key(data: Path) -> dict[str, str]:
    house = House(Settings(data, embedded_worker=False))
    key = house.key(house.person("Ann", Role.EDITOR), Role.EDITOR)
    house.service.close()
    return key


@pytest.fixture(scope="module", params=["/", "/films/"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"), request.param)
    try:
        site.nginx.start()
        site.server.start()
        yield site
    finally:
        site.nginx.close()
        site.server.close()


def test_a_key_is_needed_and_the_caller_is_known(site: Site) -> None:
    with site.nginx.client(site.location) as stranger:
        assert stranger.get("health").status_code == 200
        assert stranger.get("movies").status_code == 401
    with site.client() as client:
        answer = client.get("movies?limit=1")
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert answer.headers["link"].startswith(f"<{site.root}/movies?limit=1&cursor=")
    poll(lambda: site.callers(answer) == [CALLER])


@pytest.mark.parametrize(
    "forged",
    [
        {"X-Forwarded-For": "203.0.113.9"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": "unknown"},
        {"X-Forwarded-For": "127.0.0.1, 127.0.0.1", "X-Real-IP": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1;proto=http", "X-Forwarded-Proto": "gopher"},
        {"X-Forwarded-Host": "evil.example"},
    ],
)
def test_what_the_caller_writes_does_not_change_who_it_is(site: Site, forged: dict[str, str]) -> None:
    with site.nginx.client(site.location, **forged) as stranger:
        assert stranger.get("movies").status_code == 401
    with site.client(**forged) as client:
        answer = client.get("movies?limit=1")
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"]
    poll(lambda: site.callers(answer) == [CALLER])


def test_a_foreign_host_is_refused(site: Site) -> None:
    with site.client() as client:
        assert client.get("movies", headers={"Host": "evil.example"}).status_code == 421


def test_an_import_its_events_and_an_export(site: Site, tmp_path: Path) -> None:
    content = write_csv(tmp_path / "ratings.csv", ROWS, 1).read_bytes()
    assert len(content) > 1 << 20
    with site.client() as client:
        started = client.post("imports", content=content, headers={"Content-Type": "text/csv"})
        assert started.status_code == 202
        task_id = started.json()["task_id"]
        assert started.headers["location"] == f"{site.root}/imports/{task_id}"
        events = list(events_of(client, f"tasks/{task_id}/events"))
        assert "end" in events
        assert client.get(f"tasks/{task_id}").json()["status"] == "complete"
        with client.stream("GET", "ratings.csv") as export:
            rows = sum(1 for _ in export.iter_lines())
    assert rows > ROWS * 0.9


def events_of(client: httpx.Client, path: str) -> Iterator[str]:
    with client.stream("GET", path) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("event: "):
                yield line.removeprefix("event: ")


def test_a_page_of_the_site_may_change_something(site: Site) -> None:
    origin = f"https://films.example:{site.nginx.port}"
    for page, status in (
        (origin, 201),
        ("https://evil.example", 403),
        (origin.replace("https", "http"), 403),
    ):
        with site.client() as client:
            made: Any = client.post("movies", json={"title": "A"}, headers={"Origin": page})
            assert made.status_code == status


def test_on_the_machine_itself_no_prefix_is_needed(site: Site) -> None:
    assert site.server.client.get("/movies?limit=1", headers=site.key).status_code == 200
    assert site.server.client.get(f"{site.root}/movies?limit=1", headers=site.key).status_code == 200
