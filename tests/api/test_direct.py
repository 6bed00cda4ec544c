"""The busiest routes answer plain requests directly, as FastAPI's way would, and under all rules."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from fastapi.testclient import TestClient

from app import brief
from app.api.edge import direct
from app.rating import MAX_ID
from app.sample import FIRST_USER
from app.serving import taste
from app.user import Role
from tests.house import House

PLAIN = (
    f"/recommendations/{FIRST_USER}",
    f"/recommendations/{FIRST_USER}?limit=3",
    "/recommendations/4711?limit=1000",
    f"/recommendations/{MAX_ID}",
    f"/users/{FIRST_USER}/recommendations",
    f"/users/{FIRST_USER + 1}/recommendations?limit=2",
    "/users/4711/recommendations?limit=5",
    "/movies/1",
    "/movies/999999",  # none
)
NOT_PLAIN = (
    f"/recommendations/{MAX_ID + 1}",
    "/recommendations/007",
    "/recommendations/-1",
    "/recommendations/7?limit=0",
    "/recommendations/7?limit=1001",
    "/recommendations/7?limit=05",
    "/recommendations/7?limit=",
    "/recommendations/7?limit=%33",
    "/recommendations/7?limit=3&limit=4",
    "/recommendations/7?limits=3",
    "/users/7/recommendations?genre=Drama",
    "/users/7/recommendations?year_from=1990",
    "/movies/1?limit=3",
    "/movies/x",
)


@contextmanager
def fastapis_way(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within it no request is plain, and none is answered in the event loop."""
    with monkeypatch.context() as patch:
        patch.setattr(direct, "_plain", lambda _scope: None)
        patch.setattr(brief, "attempt", _too_long)
        yield


def _too_long(_work: object) -> None:
    raise brief.TooLong


def _shown(answer: httpx.Response) -> tuple[int, str, dict[str, str]]:
    return answer.status_code, answer.text, dict(answer.headers)


def test_a_plain_request_gets_the_answer_of_fastapis_way(
    built: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    built.headers.update({"Accept-Encoding": "identity", "X-Request-ID": "same"})
    for path in PLAIN:
        for method in ("GET", "HEAD"):
            near = _shown(built.request(method, path))
            with fastapis_way(monkeypatch):
                assert near == _shown(built.request(method, path)), (method, path)
            assert int(near[2]["content-length"]) == len(near[1].encode()) or method == "HEAD"


def test_a_plain_request_takes_the_direct_way_and_any_other_fastapis(
    built: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = list[bool]()
    judge = direct._plain

    def seen(scope: dict[str, object]) -> object:
        ways.append((found := judge(scope)) is not None)
        return found

    monkeypatch.setattr(direct, "_plain", seen)
    for path in PLAIN:
        built.get(path)
    assert all(ways), dict(zip(PLAIN, ways, strict=True))
    ways.clear()
    for path in NOT_PLAIN:
        built.get(path)
    assert not any(ways)


def test_what_has_not_changed_is_not_sent_again(built: TestClient) -> None:
    for path in (PLAIN[0], PLAIN[4], "/movies/1"):
        tag = built.get(path).headers["etag"]
        again = built.get(path, headers={"If-None-Match": f'"other", W/{tag}'})
        assert (again.status_code, again.text, again.headers["etag"]) == (304, "", tag)
        assert built.get(path, headers={"If-None-Match": "*"}).status_code == 304
        assert built.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_plain_request_is_counted_and_named(built: TestClient) -> None:
    before = built.get("/status").json()["requests"]["total"]
    answer = built.get(PLAIN[0], headers={"X-Request-ID": "mine"})
    assert answer.headers["x-request-id"] == "mine"
    assert built.get("/status").json()["requests"]["total"] == before + 2


def test_a_viewer_sees_their_own_list_alone(house: House) -> None:
    ann = house.person("Ann", Role.VIEWER)
    headers = house.token(ann, "a")
    client = house.client()
    for path in ("/recommendations/{}", "/users/{}/recommendations"):
        assert client.get(path.format(ann)).status_code == 401
        assert client.get(path.format(ann), headers=headers).status_code == 200
        assert client.get(path.format(ann + 1), headers=headers).status_code == 403


def test_a_long_list_is_made_in_a_thread(built: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    left = list[str]()

    def attempt(work: object) -> object:
        try:
            return real(work)  # type: ignore[arg-type]
        except brief.TooLong:
            left.append("loop")
            raise

    real = brief.attempt
    monkeypatch.setattr(brief, "attempt", attempt)
    monkeypatch.setattr(brief, "SLOW", 60.0)  # a busy machine
    short = [built.get(PLAIN[0]).json() for _ in range(2)]
    left.clear()
    assert built.get(PLAIN[0]).json() == short[1]
    assert not left
    monkeypatch.setattr(taste, "BRIEF", 1)
    assert built.get(PLAIN[0]).json() == short[1]
    assert left
