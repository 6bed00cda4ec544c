"""What a server answered, as the client hands it on: JSON of the expected form, or an error."""

from typing import Any, TypeVar

import httpx

JsonObject = dict[str, Any]
Item = TypeVar("Item")


class ApiError(Exception):
    """A call failed for good; the text says what happened, where, and what to do.

    `status` is None if there was no response. The other fields are those of the problem details
    (RFC 9457): `errors` holds `{"detail", "pointer"}` objects.
    """

    def __init__(self, message: str, *, status: int | None = None, problem: JsonObject | None = None) -> None:
        super().__init__(message)
        problem = problem or {}
        self.status = status
        self.type = str(problem.get("type", "about:blank"))
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail", ""))
        self.errors = _faults(problem)


class NoAnswer(ApiError):
    """The server at `address` cannot be reached or does not respond."""

    def __init__(self, message: str, address: str) -> None:
        super().__init__(message)
        self.address = address


def _place(response: httpx.Response) -> str:
    return f"{response.request.method} {response.request.url.path}"


def refused(response: httpx.Response) -> ApiError:
    """The error of a failed response: its problem details, or the status alone (a proxy's page)."""
    try:
        answer = response.json()
    except ValueError:
        answer = None
    problem: JsonObject = answer if isinstance(answer, dict) else {}
    title = problem.get("title") or response.reason_phrase
    lines = [f"{_place(response)} answered {response.status_code} {title}".rstrip()]
    if problem.get("detail"):
        lines.append(str(problem["detail"]))
    lines += [_fault(fault) for fault in _faults(problem)]
    return ApiError("\n  ".join(lines), status=response.status_code, problem=problem)


def _faults(problem: JsonObject) -> list[JsonObject]:
    errors = problem.get("errors")
    return [fault for fault in errors if isinstance(fault, dict)] if isinstance(errors, list) else []


def _fault(fault: JsonObject) -> str:
    pointer, detail = fault.get("pointer") or fault.get("parameter"), fault.get("detail", "")
    return f"{pointer}: {detail}" if pointer else str(detail)


def _parsed(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise _unexpected(response, "JSON") from error


def json_object(response: httpx.Response) -> JsonObject:
    value = _parsed(response)
    if not isinstance(value, dict):
        raise _unexpected(response, "a JSON object")
    return value


def json_list(response: httpx.Response, kind: type[Item], expected: str) -> list[Item]:
    value = _parsed(response)
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        raise _unexpected(response, expected)
    return value


def _unexpected(response: httpx.Response, expected: str) -> ApiError:
    message = (
        f"{_place(response)} answered {response.status_code}, but not with {expected}. "
        "Is this address a Matinee server?"
    )
    return ApiError(message, status=response.status_code)
