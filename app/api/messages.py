"""The message of a player: JSON by itself, or in a field of a form, whose files are dropped as they come."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from pydantic_core import from_json
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.api.edge.bodies import CLOSE
from app.errors import Invalid, TooLarge

LONGEST = 1 << 20
"""Bytes of a message."""
LONGEST_FORM = 5 << 20
"""Bytes of a form, with the picture that is in it."""
FIELDS = (b"payload", b"data")
"""The names of the field with the message: Plex's, and Emby's."""
_MOST_PARTS = 20


async def receive(request: Request) -> Any:
    """The message, parsed. Raises `TooLarge`, `Invalid`."""
    kind = request.headers.get("content-type", "")
    is_form = kind.partition(";")[0].strip().lower() == "multipart/form-data"
    message: _Form | _Body = _Form(kind) if is_form else _Body()
    most = LONGEST_FORM if is_form else LONGEST
    size, declared = 0, request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > most:
        raise _too_large(most)
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        message.write(chunk)
    return parsed(message.end())


def parsed(text: bytes) -> Any:
    """JSON of a bounded depth. Raises `Invalid`."""
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise Invalid(f"The message is no JSON: {str(error)[:200]}.") from None


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"The message has more than {most:,} bytes, which are allowed here.", headers=CLOSE)


class _Body:
    """A message by itself."""

    def __init__(self) -> None:
        self._body = bytearray()

    def write(self, chunk: bytes) -> None:
        self._body += chunk

    def end(self) -> bytes:
        return bytes(self._body)


class _Form:
    """Keeps the field of a form that has the message, and nothing else of it."""

    def __init__(self, content_type: str) -> None:
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise Invalid("The form cannot be read: its Content-Type names no boundary.")
        self._message = bytearray()
        self._is_found = self._is_message = False
        self._parts = 0
        self._header, self._value, self._disposition = b"", b"", b""
        calls: Mapping[str, Any] = {
            "on_part_begin": self._begin,
            "on_part_data": self._take,
            "on_header_field": self._take_header,
            "on_header_value": self._take_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
        }
        self._parser = self._readable(MultipartParser, boundary, calls)

    def write(self, chunk: bytes) -> None:
        self._readable(self._parser.write, chunk)

    def end(self) -> bytes:
        if not self._is_found:
            raise Invalid("The form has no field `payload` (Plex) or `data` (Emby) with the message.")
        return bytes(self._message)

    @staticmethod
    def _readable(call: Any, *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except FormParserError as error:
            raise Invalid(f"The form cannot be read: {str(error)[:200]}.") from None

    def _begin(self) -> None:
        self._is_message, self._disposition = False, b""
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise Invalid(f"The form has more than {_MOST_PARTS} parts.")

    def _take_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _end_headers(self) -> None:
        options = parse_options_header(self._disposition)[1]
        self._is_message = not self._is_found and options.get(b"name") in FIELDS
        self._is_found |= self._is_message

    def _take(self, data: bytes, start: int, end: int) -> None:
        if not self._is_message:
            return
        self._message += data[start:end]
        if len(self._message) > LONGEST:
            raise _too_large(LONGEST)
