"""The headers of requests and responses: what each means, and which routes take or send it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from app.api.description.traits import Traits
from app.api.edge.manners import Manner
from app.api.idempotency import MAX_KEY_LENGTH

TEXT: dict[str, Any] = {"type": "string"}
SECONDS: dict[str, Any] = {"type": "integer", "minimum": 0}
KEY = TEXT | {"minLength": 1, "maxLength": MAX_KEY_LENGTH, "pattern": "^[!#-~]([ -~]*[!-~])?$"}


class Taken(NamedTuple):
    """A header of a request. `applies`: whether a route takes it."""

    meaning: str
    schema: dict[str, Any]
    applies: Callable[[Traits], bool]


class Sent(NamedTuple):
    """A header of a response. `applies`: whether a route sends it with that status; else it declares it."""

    meaning: str
    schema: dict[str, Any]
    applies: Callable[[Traits, str], bool] = lambda _route, _status: False


TAKEN = {
    "X-Request-ID": Taken(
        "names the request in the response and in the log: 1 to 64 letters, digits and `._-`; anything "
        "else is replaced by an id that the service makes",
        TEXT,
        lambda _: True,
    ),
    "X-Request-Timeout": Taken(
        "seconds that the request waits for a free place at most (0 to 5, by default 5); then it is a 503",
        {"type": "number", "minimum": 0},
        lambda route: not route.probes,
    ),
    "Idempotency-Key": Taken(
        "chosen by the caller, 1 to 255 printable ASCII characters: a repetition with the same key and data "
        "gets the first response again and changes nothing; kept for 24 hours or longer "
        "(draft-ietf-httpapi-idempotency-key-header-07)",
        KEY,
        lambda route: route.once,
    ),
    "X-Task-Id": Taken(
        "another name of Idempotency-Key, which goes before it", KEY, lambda route: route.once
    ),
    "If-None-Match": Taken(
        "the ETag of an earlier response: 304 without a body if nothing has changed since (RFC 9110)",
        TEXT,
        lambda route: route.tagged,
    ),
    "If-Match": Taken(
        "the ETag of what is to be changed, as it was read, or `*`: 412 if it is another by now (RFC 9110)",
        TEXT,
        lambda route: route.conditional,
    ),
    "Prefer": Taken(
        "`wait=N`: respond when the task has ended, after N seconds at the latest, 60 at most (RFC 7240)",
        TEXT,
        lambda route: "prefer" in route.headers,
    ),
    "Last-Event-ID": Taken(
        "the id of the last event that was received: the stream goes on after it",
        TEXT,
        lambda route: "last-event-id" in route.headers,
    ),
    "X-Filename": Taken(
        "the name of the file, for messages and to recognise its format; a form names it itself",
        TEXT,
        lambda route: route.once and route.manner is Manner.UPLOADS,
    ),
}


def _good(status: str) -> bool:
    return status.startswith("2")


SENT = {
    "X-Request-ID": Sent("the id of the request, also in the log", TEXT, lambda _route, _status: True),
    "Cache-Control": Sent(
        "whether a browser may keep the response: `no-cache` (ask each time) or `no-store` (a secret)",
        TEXT,
        lambda route, status: route.tagged and status in ("200", "304"),
    ),
    "ETag": Sent(
        "the version of the response, for If-None-Match; that of a movie also for If-Match",
        TEXT,
        lambda route, status: (
            (route.tagged and status in ("200", "304")) or (route.conditional and status == "200")
        ),
    ),
    "Idempotent-Replayed": Sent(
        "`true` if this is the first response again, for a key that was used before",
        TEXT | {"const": "true"},
        lambda route, status: route.once and _good(status),
    ),
    "Link": Sent(
        'the next page, if this one is full: `<...>; rel="next"`; of a refusal the cause and remedy of its '
        'type: `<...>; rel="help"` (RFC 8288)',
        TEXT,
        lambda route, status: (route.pages and status == "200") or status >= "4",
    ),
    "Location": Sent(
        "the address of what was made or started, or of what is there now",
        TEXT,
        lambda _route, status: status in ("202", "308"),
    ),
    "Retry-After": Sent(
        "seconds after which to ask again; absent when a task has ended",
        SECONDS,
        lambda _route, status: status == "202",
    ),
    "Preference-Applied": Sent(
        "the `wait` of Prefer that was applied",
        TEXT,
        lambda route, status: "prefer" in route.headers and status == "200",
    ),
    "RateLimit": Sent(
        'with the door open: what the caller has left, `"writes";r=299;t=60` '
        "(r requests in t seconds; draft-ietf-httpapi-ratelimit-headers-10)",
        TEXT,
        lambda route, status: route.limited and _good(status),
    ),
    "RateLimit-Policy": Sent(
        'with the door open: the limit, `"writes";q=300;w=60` (q requests in w seconds)',
        TEXT,
        lambda route, status: route.limited and _good(status),
    ),
    "Content-Encoding": Sent(
        "gzip: the body is compressed, if it has more than 1 kB and Accept-Encoding takes that",
        TEXT | {"const": "gzip"},
        lambda route, status: route.compresses and status == "200",
    ),
    "Vary": Sent(
        "the headers of the request on which the form of the response depends",
        TEXT,
        lambda route, status: route.compresses and status == "200",
    ),
    "WWW-Authenticate": Sent("how to log in (RFC 6750)", TEXT),
    "Content-Disposition": Sent("the name under which to save the file", TEXT),
    "X-Source": Sent(
        "what the list comes from: personal, own (films that the user liked) or popular",
        TEXT | {"enum": ["personal", "own", "popular"]},
    ),
    "X-Model-Version": Sent("the version of the model that is served; 0 before there is one", SECONDS),
}


def sent_by(route: Traits, status: str) -> dict[str, Any]:
    """References to the headers of a response."""
    return references(*(name for name, header in SENT.items() if header.applies(route, status)))


def taken_by(route: Traits) -> list[dict[str, str]]:
    """References to the headers of a request, as parameters."""
    names = (name for name, header in TAKEN.items() if header.applies(route))
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def references(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def components() -> dict[str, Any]:
    """`headers` and `parameters` for the components of the document."""
    headers = {name: {"description": sent.meaning, "schema": sent.schema} for name, sent in SENT.items()}
    parameters = {
        name: {"name": name, "in": "header", "description": taken.meaning, "schema": taken.schema}
        for name, taken in TAKEN.items()
    }
    return {"headers": headers, "parameters": parameters}
