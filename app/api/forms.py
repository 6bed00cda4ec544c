"""A form with one file (multipart/form-data, RFC 7578), parsed as it arrives, with nothing kept in memory.

The parser of the framework keeps every field, of which a small request may hold hundreds.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.errors import Invalid

NAME = b"file"
MOST_FIELDS = 10
LONGEST_FIELD = 4096
"""Bytes. Fields beside the file are accepted, since browsers and tools send some, and ignored."""
FRAMING = 128 << 10
"""Bytes of a form without its file, at most."""


class FileOfForm:
    """Reads the file of a form; `filename` is set once it has been read. Raises `Invalid`."""

    def __init__(self, content_type: str) -> None:
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise Invalid("The form cannot be read: its Content-Type names no boundary.")
        self.filename = ""
        self._found = self._in_file = self._ended = False
        self._fields = self._size = self._besides = 0
        self._header, self._value, self._disposition = b"", b"", b""
        self._data = bytearray()
        with _readable():
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_part_data": self._take_data,
                    "on_header_field": self._take_header,
                    "on_header_value": self._take_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_end": self._end,
                },
            )

    async def read(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            with _readable():
                self._parser.write(chunk)
            self._besides += len(chunk) - len(self._data)
            if self._besides > FRAMING:
                raise Invalid("The form has too much besides its file. Send the part `file` alone.")
            if self._data:
                yield bytes(self._data)
                self._data.clear()
        if not self._found:
            raise Invalid("The form has no file. Send it as the part `file`: curl -F file=@ratings.csv.")
        if not self._ended:
            raise Invalid("The form has no end: its last boundary is missing. Send it again.")

    def _begin_part(self) -> None:
        self._in_file, self._size, self._disposition = False, 0, b""

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
        if b"filename" not in options:
            self._fields += 1
            if self._fields > MOST_FIELDS:
                raise Invalid(f"The form has more than {MOST_FIELDS} fields. Send the part `file` alone.")
            return
        if self._found or options.get(b"name") != NAME:
            raise Invalid("The form has another file. Send one file a request, as the part `file`.")
        self._found = self._in_file = True
        self.filename = options[b"filename"].decode("utf-8", "replace")

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._data += data[start:end]
            return
        self._size += end - start
        if self._size > LONGEST_FIELD:
            raise Invalid(f"A field of the form has more than {LONGEST_FIELD:,} bytes. Send the file alone.")

    def _end(self) -> None:
        self._ended = True


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except FormParserError as error:
        raise Invalid(f"The form cannot be read: {error}") from None
