"""Errors that a caller may see: each carries its problem details (RFC 9457)."""

from typing import Any


class AppError(Exception):
    """A failure with an HTTP status, a stable type (last part of a URN) and a title.

    `detail` says what happened, where, and what to do; `errors` are `{"detail", "pointer"}` items
    (RFC 9457, section 3); `headers` go into the HTTP response.
    """

    status = 500
    type = "internal"
    title = "Internal error"

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


class BadRequest(AppError):
    status, type, title = 400, "bad-request", "Bad request"


class Unauthorized(AppError):
    """The caller did not say who they are, or not so that it can be believed (RFC 6750, section 3)."""

    status, type, title = 401, "unauthorized", "Not logged in"

    def __init__(self, detail: str, **given: Any) -> None:
        super().__init__(detail, **given)
        self.headers.setdefault("WWW-Authenticate", "Bearer")


class Forbidden(AppError):
    status, type, title = 403, "forbidden", "Forbidden"


class NotFound(AppError):
    status, type, title = 404, "not-found", "Not found"


class MethodNotAllowed(AppError):
    status, type, title = 405, "method-not-allowed", "Method not allowed"


class RequestTimeout(AppError):
    status, type, title = 408, "request-timeout", "Request timeout"


class Conflict(AppError):
    status, type, title = 409, "conflict", "Conflict"


class TooLarge(AppError):
    status, type, title = 413, "too-large", "Too large"


class UnsupportedMediaType(AppError):
    status, type, title = 415, "unsupported-media-type", "Unsupported media type"


class MisdirectedRequest(AppError):
    status, type, title = 421, "misdirected-request", "Unknown host"


class Invalid(AppError):
    status, type, title = 422, "invalid", "Invalid input"


class Damaged(Invalid):
    type, title = "damaged-file", "Damaged file"


class TooManyRequests(AppError):
    status, type, title = 429, "too-many-requests", "Too many requests"


class Unavailable(AppError):
    status, type, title = 503, "unavailable", "Temporarily unavailable"


class StorageFull(AppError):
    status, type, title = 507, "storage-full", "No space left"
