"""Errors that a caller may see: each carries its problem details (RFC 9457).

Each type says what causes it and what to do about it: `/docs/problems` lists them.
"""

from typing import Any


class AppError(Exception):
    """A failure with an HTTP status, a stable type (last part of a URN) and a title.

    `cause` and `remedy` are those of the type; `detail` says what happened this time, where, and what to do;
    `errors` are `{"detail", "pointer"}` items (RFC 9457, section 3), for what is not in the body
    `{"detail", "parameter", "index"}`; `headers` go into the HTTP response.
    """

    status = 500
    type = "internal"
    title = "Internal error"
    cause = "The service met a fault of its own, which it has logged."
    remedy = (
        "Look into the log under the request id. A read may be tried again; a change too, under the same "
        "Idempotency-Key."
    )

    def __init__(
        self,
        detail: str,
        *,
        errors: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors or []
        self.headers = headers or {}

    def problem(self) -> dict[str, Any]:
        """The problem details object, as HTTP responses and failed tasks show it."""
        problem: dict[str, Any] = {
            "type": f"urn:matinee:{self.type}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            problem["errors"] = self.errors
        return problem


class ConfigurationError(AppError):
    type, title = "configuration", "Wrong setting"
    cause = "A setting of the service has a value that it cannot work with."
    remedy = "Mend the setting that the detail names, and start the service again."


class WorkerDied(AppError):
    type, title = "worker-died", "Worker died"
    cause = "The process that ran the task ended several times in a row before the task made progress."
    remedy = "Look into the log of the worker: often it lacked memory. Then POST /tasks/{task_id}/retry."


class TrainingFailed(AppError):
    type, title = "training-failed", "Training failed"
    cause = (
        "What trains the model ended without one: it cannot be reached, or lacked something, such as memory."
    )
    remedy = (
        "Do what the detail says, then rebuild: POST /recommender/rebuild. What is served stays meanwhile."
    )


class BadRequest(AppError):
    status, type, title = 400, "bad-request", "Bad request"
    cause = "The request contradicts itself, or a part of it is not in a form that can be read."
    remedy = "Mend what the detail names, such as a cursor that is none or a header that is there twice."


class Unauthorized(AppError):
    """The caller did not say who they are, or not so that it can be believed (RFC 6750, section 3)."""

    status, type, title = 401, "unauthorized", "Not logged in"
    cause = "The request has no token, key or session, or one that is unknown, has expired or was revoked."
    remedy = (
        "Get an access token at POST /token, or an API key from an admin, and send it as "
        "Authorization: Bearer. In a browser, log in again."
    )

    def __init__(self, detail: str, **given: Any) -> None:
        super().__init__(detail, **given)
        self.headers.setdefault("WWW-Authenticate", "Bearer")


class Forbidden(AppError):
    status, type, title = 403, "forbidden", "Forbidden"
    cause = (
        "The caller is known and may not do this: their role is too low, it concerns another person, or it "
        "comes from a foreign page, or from another machine while there are no accounts."
    )
    remedy = "Ask for your own alone, or ask an admin for the role that the detail names."


class NotFound(AppError):
    status, type, title = 404, "not-found", "Not found"
    cause = "Nothing is at this address, or what it names does not exist or exists no longer."
    remedy = "Look into the list that the detail names; the addresses are described at /docs."


class MethodNotAllowed(AppError):
    status, type, title = 405, "method-not-allowed", "Method not allowed"
    cause = "The address exists, but not with this method."
    remedy = "Use a method of the Allow header."


class NotAcceptable(AppError):
    status, type, title = 406, "not-acceptable", "Not acceptable"
    cause = "The Accept header excludes every media type that this address answers with."
    remedy = "Add a media type that the detail names to Accept, or leave the header out."


class RequestTimeout(AppError):
    status, type, title = 408, "request-timeout", "Request timeout"
    cause = "The body of the request arrived too slowly."
    remedy = "Send the request again, over a faster connection."


class Conflict(AppError):
    status, type, title = 409, "conflict", "Conflict"
    cause = "The request does not fit the present state: something exists already, is under way, or needs it."
    remedy = "The detail says what is in the way. With a Retry-After header, repeat the request after that."


class PreconditionFailed(AppError):
    status, type, title = 412, "precondition-failed", "Precondition failed"
    cause = "If-Match names a state that is no longer the present one: somebody has changed it since."
    remedy = "Read it again, decide again, and send the request with the new ETag."


class TooLarge(AppError):
    status, type, title = 413, "too-large", "Too large"
    cause = "The body, or the file in it, has more bytes than the service takes."
    remedy = "Send it in parts, or raise the setting that the detail names."


class UnsupportedMediaType(AppError):
    status, type, title = 415, "unsupported-media-type", "Unsupported media type"
    cause = "The Content-Type is none that this address reads."
    remedy = "Send the body as one of the types that the detail names."


class MisdirectedRequest(AppError):
    status, type, title = 421, "misdirected-request", "Unknown host"
    cause = "The Host of the request is no name of this server: another name was made to lead here."
    remedy = "Use the address of the server, or add the name to MATINEE_ALLOWED_HOSTS."


class Invalid(AppError):
    status, type, title = 422, "invalid", "Invalid input"
    cause = "A value in the path, the query, a header or the body is out of its bounds, unknown or missing."
    remedy = (
        "Mend what `errors` names: `pointer` is a place in the body, `parameter` a parameter, `index` the "
        "item of a list in it, from 0."
    )


class Damaged(Invalid):
    type, title = "damaged-file", "Damaged file"
    cause = "A file cannot be read to its end: it is cut off, or its checksum is wrong."
    remedy = "Download or export the file again, and send it whole."


class TooManyRequests(AppError):
    status, type, title = 429, "too-many-requests", "Too many requests"
    cause = "The caller has used up a limit: of writes, imports, failed logins, or requests under way."
    remedy = "Wait as long as Retry-After says; the RateLimit header tells what is left."


class Unavailable(AppError):
    status, type, title = 503, "unavailable", "Temporarily unavailable"
    cause = "The service is busy, starting or stopping, or its database does not answer now."
    remedy = "Repeat the request after Retry-After, a change under the same Idempotency-Key."


class StorageFull(AppError):
    status, type, title = 507, "storage-full", "No space left"
    cause = "The disk of the server is full, so that nothing can be written. Reads go on."
    remedy = "Free some space in the data directory or make the disk larger, then repeat the request."


def problem_types() -> list[type[AppError]]:
    """Every class with a type of its own, by status, then by type."""
    found, classes = dict[str, type[AppError]](), [AppError]
    while classes:
        one = classes.pop()
        classes += one.__subclasses__()
        if "type" in vars(one):
            found[one.type] = one
    return sorted(found.values(), key=lambda one: (one.status, one.type))
