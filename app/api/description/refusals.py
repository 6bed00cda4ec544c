"""The refusals that a route gives by what it is: none of them is declared by hand.

What a route alone gives, it declares itself (`app.api.answers.refusals`).
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from app import errors
from app.api.answers import problem_content
from app.api.description.headers import references
from app.api.description.traits import Traits
from app.api.edge.manners import Manner
from app.errors import AppError


class Refusal(NamedTuple):
    """`applies`: whether a route can give it. `headers`: those that it has beside X-Request-ID."""

    error: type[AppError]
    reason: str
    applies: Callable[[Traits], bool]
    headers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "ServerError" if self.error is AppError else self.error.__name__


_WITHOUT_SHARE = (Manner.WAITS, Manner.FOLLOWS)

TABLE = (
    Refusal(
        errors.BadRequest,
        "Headers contradict each other (two credentials, two people), or a header or cursor is none of ours.",
        lambda _: True,
    ),
    Refusal(
        errors.Unauthorized,
        "With the door open: no credential, or one that is not valid (any more).",
        lambda route: route.rule.role is not None,
        ("WWW-Authenticate",),
    ),
    Refusal(
        errors.Forbidden,
        "The caller may not do this: the role, whose it is, the address or the page that it comes from.",
        lambda route: not route.open_to_all,
    ),
    Refusal(
        errors.NotFound, "There is nothing under this id or at this address.", lambda route: route.has_path
    ),
    Refusal(
        errors.NotAcceptable,
        "The Accept header excludes every type that this address answers with.",
        lambda route: route.chooses,
    ),
    Refusal(
        errors.RequestTimeout, "The body came too slowly. Send it again.", lambda route: route.reads_body
    ),
    Refusal(
        errors.Conflict,
        "The first request with this Idempotency-Key is still being received. Repeat it in a second.",
        lambda route: route.once and route.manner is Manner.UPLOADS,
        ("Retry-After",),
    ),
    Refusal(errors.TooLarge, "The body has more bytes than are allowed.", lambda route: route.reads_body),
    Refusal(
        errors.MisdirectedRequest,
        "The Host is no name of this server (MATINEE_ALLOWED_HOSTS).",
        lambda route: not route.rule.anywhere,
    ),
    Refusal(
        errors.Invalid,
        "Values do not fit or a parameter is unknown, `errors` says which; or the Idempotency-Key was used "
        "with other data.",
        lambda _: True,
    ),
    Refusal(
        errors.TooManyRequests,
        "The caller's limit is used up, or too many of their requests are under way.",
        lambda route: route.manner not in _WITHOUT_SHARE,
        ("Retry-After", "RateLimit", "RateLimit-Policy"),
    ),
    Refusal(AppError, "The service failed; its log has the reason under the request id.", lambda _: True),
    Refusal(
        errors.Unavailable,
        "Overload, a full queue, or a database that cannot be reached. Try again after Retry-After.",
        lambda route: not route.probes,
        ("Retry-After",),
    ),
    Refusal(errors.StorageFull, "The disk of the service is full.", lambda route: not route.probes),
)


def derived(route: Traits) -> Iterator[Refusal]:
    return (refusal for refusal in TABLE if refusal.applies(route))


def components() -> dict[str, Any]:
    """Each as a response that operations refer to."""
    return {
        refusal.name: {
            "description": refusal.reason,
            "headers": references("X-Request-ID", "Link", *refusal.headers),
            "content": problem_content(),
        }
        for refusal in TABLE
    }
