"""How the text of a file is encoded: as the caller declares, else recognised over all of it."""

import codecs
import io
import re
from collections.abc import Iterable
from typing import Any, BinaryIO, cast

from app.errors import Invalid

UTF_8, WESTERN = "utf-8", "cp1252"
CHARSETS = frozenset(
    codecs.lookup(name).name
    for name in (
        *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp437", "cp850", "mac-roman", "koi8-r", "koi8-u"),
        *(f"cp125{number}" for number in range(9)),
        *(f"iso8859-{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)),
        *("shift_jis", "cp932", "euc-jp", "gb2312", "gbk", "gb18030", "big5", "euc-kr", "cp949"),
    )
)
"""What may be declared."""
CANDIDATES = ["windows-1252", "windows-1250", "windows-1251", "iso-8859-15", "mac-roman"]
_LATIN_1 = codecs.lookup("iso8859-1").name
_WIDE = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_UTF_8_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_HIGH = re.compile(rb"[\x80-\xff]+")
_NOT_WESTERN = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_LONG_RUN = 3
"""Letters with accents seldom stand side by side; in other scripts they all do."""


def is_known(charset: str) -> bool:
    """Whether a charset can be declared."""
    return bool(_canonical(charset))


def _canonical(charset: str) -> str:
    """The name by which Python knows a charset that may be declared, "" for another."""
    try:
        name = codecs.lookup(charset.strip().lower()).name
    except (LookupError, ValueError):
        return ""
    return name if name in CHARSETS else ""


def declared(charset: str) -> str | None:
    """The encoding that a caller names; None for none. Raises `Invalid` for one that is not known."""
    if not charset:
        return None
    name = _canonical(charset)
    if not name:
        raise Invalid(
            f"The charset {charset[:40]!r} is not known. Name one such as utf-8, windows-1252, iso-8859-1 or "
            "utf-16: POST /imports?charset=windows-1252.",
            errors=[{"detail": "not a charset that is known", "parameter": "charset"}],
        )
    # As browsers do (WHATWG Encoding): what calls itself Latin-1 is Windows-1252 where these differ.
    return WESTERN if name == _LATIN_1 else name


def of_head(head: bytes, charset: str | None) -> str:
    """The encoding of a file as far as its first bytes tell: good enough for its header."""
    if wide := _WIDE.get(head[:2]):
        return wide
    if charset:
        return {"utf-16": "utf-16-le"}.get(charset, charset)
    sample = head[:64]
    if sample[1::2].count(0) > len(sample) // 4:
        return "utf-16-le"
    if sample[::2].count(0) > len(sample) // 4:
        return "utf-16-be"
    try:
        codecs.getincrementaldecoder(UTF_8)().decode(head)
    except UnicodeDecodeError:
        return WESTERN
    return UTF_8


def decoded(head: bytes, encoding: str) -> str:
    """The text of some first bytes, which may end within a letter."""
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    return text.removeprefix("\ufeff")


def recognise(head: bytes, blocks: Iterable[bytes], name: str, charset: str | None) -> str:
    """The encoding of a whole file, from its first bytes or, if need be, its `blocks`.

    Raises `Invalid` that says what to send if it cannot be known.
    """
    encoding = of_head(head, charset)
    return encoding if charset or encoding.startswith("utf-16") else _of_bytes(blocks, name)


def _of_bytes(blocks: Iterable[bytes], name: str) -> str:
    """The encoding of text whose line ends are single bytes."""
    good = other = in_runs = not_western = 0
    for block in blocks:
        if block.isascii():
            continue
        rest, found = _UTF_8_LETTER.subn(b"", block)
        good += found
        runs = _HIGH.findall(rest)
        other += sum(map(len, runs))
        in_runs += sum(len(run) for run in runs if len(run) >= _LONG_RUN)
        not_western += len(_NOT_WESTERN.findall(rest))
    if not other or good > 10 * other:  # single damaged lines are rejected by themselves
        return UTF_8
    if good > other // 10 or not_western or in_runs * 4 > other:
        raise Invalid(
            f"{name} is not UTF-8, and what else it is cannot be known: its text has {other:,} bytes of "
            "another encoding. Save it as UTF-8, or say which it is: POST /imports?charset=windows-1252.",
            errors=[
                {
                    "detail": "the encoding of the file cannot be known",
                    "parameter": "charset",
                    "candidates": CANDIDATES,
                }
            ],
        )
    return WESTERN


def as_utf_8(stream: BinaryIO, encoding: str) -> BinaryIO:
    """The same text in UTF-8. Of text that claims to be UTF-8 nothing is changed."""
    return stream if encoding == UTF_8 else cast(BinaryIO, io.BufferedReader(_Recoded(stream, encoding)))


class _Recoded(io.RawIOBase):
    """Decodes as it is read; what cannot be decoded becomes no UTF-8, so that its line is rejected."""

    _SIZE = 65_536

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream, self._waiting, self._first, self._ended = stream, b"", True, False
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._waiting and not self._ended:
            data = self._stream.read(self._SIZE)
            self._ended = not data
            text = self._decoder.decode(data, final=self._ended)
            if self._first and text:
                text, self._first = text.removeprefix("\ufeff"), False
            self._waiting = text.encode(UTF_8, "replace").replace(b"\xef\xbf\xbd", b"\xff")
        count = min(len(buffer), len(self._waiting))
        buffer[:count], self._waiting = self._waiting[:count], self._waiting[count:]
        return count
