"""Headers of proxies: they count from those that are trusted alone, and never before the door is open."""

import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI, Request

from app.api.edge.rules import PUBLIC
from app.config import Settings
from app.errors import ConfigurationError
from app.main import create_app
from tests.api.test_door import House
from tests.api.test_edge import answer_of

PROXY = ("10.0.0.2", 4711)
SOCKET: dict[str, Any] = {"client": None, "server": ("/run/matinee.sock", None)}
Fields = dict[str, str]


def open_house(settings: Settings, **changes: Any) -> FastAPI:
    """An application with its door open, and an address that shows who called it."""
    app = House(replace(settings, **changes)).app

    @app.get("/seen", dependencies=[PUBLIC])
    def seen(request: Request) -> dict[str, Any]:
        headers = [name for name in request.headers if "forwarded" in name or name == "x-real-ip"]
        return {
            "client": request.client.host if request.client else None,
            "url": str(request.url),
            "headers": headers,
        }

    return app


def seen(app: FastAPI, *headers: tuple[str, str], **scope: Any) -> tuple[int, dict[str, Any]]:
    fields = [(b"host", b"localhost:8000"), *((n.lower().encode(), v.encode("latin-1")) for n, v in headers)]
    scope = {"client": PROXY, "path": "/seen", "raw_path": b"/seen", "headers": fields} | scope
    head, body = answer_of(app, **scope)
    return head["status"], json.loads(body)


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("203.0.113.9, 192.0.2.7", "192.0.2.7"),  # the first was written by the caller
        ("192.0.2.7, 10.9.9.9", "192.0.2.7"),  # the second is a proxy of ours too
        ("nonsense, 192.0.2.7, 10.9.9.9", "192.0.2.7"),
        ("127.0.0.1, 192.0.2.7", "192.0.2.7"),
        ("10.1.1.1, 10.9.9.9", "10.1.1.1"),
        ("192.0.2.7:5123", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
    ],
)
def test_the_caller_is_the_last_address_that_is_no_proxy(settings: Settings, chain: str, client: str) -> None:
    app = open_house(settings, trusted_proxies="10.0.0.0/8")
    status, found = seen(app, ("X-Forwarded-For", chain))
    assert (status, found["client"], found["headers"]) == (200, client, [])


def test_several_headers_are_one_list(settings: Settings) -> None:
    app = open_house(settings, trusted_proxies="10.0.0.0/8")
    _, found = seen(app, ("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", "192.0.2.7"))
    assert found["client"] == "192.0.2.7"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-For", "unknown"),
        ("X-Forwarded-For", ""),
        ("X-Forwarded-For", "192.0.2.7,"),
        ("X-Forwarded-For", "192.0.2.7, _hidden"),
        ("X-Forwarded-For", "localhost"),
        ("X-Forwarded-For", "[127.0.0.1"),
        ("X-Forwarded-For", "127.0.0.1:99999"),
        ("X-Forwarded-For", "127.1"),
        ("X-Forwarded-For", '"[::1]:80"'),
        ("X-Forwarded-Proto", "gopher"),
        ("X-Forwarded-Proto", ""),
        ("X-Forwarded-Host", "a b"),
        ("X-Forwarded-Host", "films.example/x"),
        ("X-Forwarded-Host", "films.example@evil.example"),
        ("X-Forwarded-Host", "\xe9"),
    ],
)
def test_what_a_trusted_proxy_cannot_mean_is_refused(settings: Settings, name: str, value: str) -> None:
    app = open_house(settings, trusted_proxies="10.0.0.0/8")
    status, problem = seen(app, (name, value))
    assert status == 400
    assert name in problem["detail"]


def test_scheme_and_host_are_those_of_the_proxy(settings: Settings) -> None:
    app = open_house(settings, trusted_proxies="10.0.0.2", allowed_hosts="films.example")
    said = (("X-Forwarded-Proto", "http, HTTPS"), ("X-Forwarded-Host", "evil.example, films.example:444"))
    _, found = seen(app, *said)
    assert (found["url"], found["client"]) == ("https://films.example:444/seen", "10.0.0.2")
    assert seen(app, ("X-Forwarded-Host", "evil.example"))[0] == 421


@pytest.mark.parametrize("peer", [{"client": ("10.0.0.3", 1)}, {"client": ("127.0.0.1", 1)}, SOCKET])
def test_headers_of_others_are_ignored(
    settings: Settings, peer: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = open_house(settings, trusted_proxies="10.0.0.2")
    forged = [
        ("X-Forwarded-For", "10.0.0.2"),
        ("X-Forwarded-Proto", "x"),
        ("X-Forwarded-Host", "evil.example"),
    ]
    forged += [("Forwarded", "for=10.0.0.2"), ("X-Real-IP", "10.0.0.2"), ("X-Forwarded-Port", "1")]
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            _, found = seen(app, *forged, **peer)
    client = peer["client"][0] if peer["client"] else None
    assert found == {"client": client, "url": "http://localhost:8000/seen", "headers": []}
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert f"{client or 'unix'} passes requests on" in warnings[0]


def test_other_headers_of_a_trusted_proxy_do_not_count(settings: Settings) -> None:
    app = open_house(settings, trusted_proxies="10.0.0.2")
    _, found = seen(app, ("Forwarded", "for=192.0.2.7;proto=https"), ("X-Real-IP", "192.0.2.7"))
    assert found == {"client": "10.0.0.2", "url": "http://localhost:8000/seen", "headers": []}


def test_a_proxy_at_a_unix_socket(settings: Settings) -> None:
    app = open_house(settings, trusted_proxies="unix")
    assert seen(app, ("X-Forwarded-For", "192.0.2.7"), **SOCKET)[1]["client"] == "192.0.2.7"
    assert seen(app, ("X-Forwarded-For", "192.0.2.7"))[1]["client"] == "10.0.0.2"


def test_a_caller_that_comes_through_a_proxy_needs_a_token(settings: Settings) -> None:
    app = open_house(settings, trusted_proxies="10.0.0.2")
    for address in ("127.0.0.1", "::1", "192.0.2.7"):
        assert seen(app, ("X-Forwarded-For", address), path="/movies", raw_path=b"/movies")[0] == 401


@pytest.mark.parametrize("value", ["x", "10.0.0.1/8", "10.0.0.0/33", "0.0.0.0/0", "::/0", "films.example"])
def test_what_is_no_proxy_is_refused_at_the_start(value: str) -> None:
    with pytest.raises(ConfigurationError, match="MATINEE_TRUSTED_PROXIES"):
        Settings.from_environment({"MATINEE_TRUSTED_PROXIES": value})


@pytest.mark.parametrize("client", [PROXY, ("127.0.0.1", 1), ("192.0.2.7", 1)])
def test_with_the_door_closed_nothing_that_a_proxy_passes_on_is_let_in(
    settings: Settings, client: tuple[str, int]
) -> None:
    app = create_app(replace(settings, trusted_proxies="10.0.0.2,127.0.0.1"))
    closed: dict[str, Any] = {"client": client, "path": "/movies", "raw_path": b"/movies"}
    assert seen(app, ("X-Forwarded-For", "127.0.0.1"), **closed)[0] == 403
    assert seen(app, ("X-Forwarded-Proto", "https"), **closed)[0] == 403
    for path in ("/health", "/health/live"):
        assert seen(app, ("X-Forwarded-For", "192.0.2.7"), **closed | {"path": path})[0] == 200
    app.state.service.close()


USER_ADD = "(1) on the machine that it runs on, `matinee user add NAME --role admin`"
ALLOWED = "films.example in MATINEE_ALLOWED_HOSTS"
TRUSTED = "10.0.0.2, the address of the proxy, in MATINEE_TRUSTED_PROXIES"


@pytest.mark.parametrize(
    ("changes", "host", "through", "missing"),
    [
        ({}, "films.example", True, f"; (2) restart it with {ALLOWED} and {TRUSTED}."),
        ({}, "10.0.0.1:8000", True, f"; (2) restart it with {TRUSTED}."),
        ({"trusted_proxies": "10.0.0.0/8"}, "films.example", True, f"; (2) restart it with {ALLOWED}."),
        ({"trusted_proxies": "10.0.0.2", "allowed_hosts": "films.example"}, "films.example", True, "."),
        ({}, "films.example", False, f"; (2) restart it with MATINEE_HOST=0.0.0.0 and {ALLOWED}."),
        ({"host": "0.0.0.0"}, "films.example", False, f"; (2) restart it with {ALLOWED}."),  # noqa: S104
        ({"host": "192.168.1.5"}, "192.168.1.5", False, "."),
    ],
)
def test_a_refusal_names_all_that_is_missing(
    settings: Settings, changes: dict[str, Any], host: str, through: bool, missing: str
) -> None:
    app = create_app(replace(settings, **changes))
    forwarded = [(b"x-forwarded-for", b"192.0.2.7"), (b"x-forwarded-host", host.encode())] if through else []
    named = b"localhost" if through else host.encode()
    head, body = answer_of(app, client=PROXY, headers=[(b"host", named), *forwarded])
    text = json.loads(body)["detail"]
    assert head["status"] == 403
    assert text.endswith(USER_ADD + missing)
    assert ("a proxy passed this request on (header x-forwarded-for)" in text) == through
    app.state.service.close()


def test_a_server_that_others_reach_already_needs_no_other_host(settings: Settings) -> None:
    app = create_app(settings)
    _, body = answer_of(app, client=PROXY, server=("192.168.1.5", 8000))
    assert json.loads(body)["detail"].endswith(f"{USER_ADD}.")
    app.state.service.close()
