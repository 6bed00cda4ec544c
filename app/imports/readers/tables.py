"""The reader of any table: bytes to text (`encodings`), to records (`records`), to columns (`columns`,
`formats`), to rows (`scales`, `times`, `movies`).

The first bytes of a file say how it is laid out; the encoding, the scale of the scores and the order of its
dates are judged over the whole of it, before any row is read, and stand in the report.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Self

from app.imports import files
from app.imports.readers import columns, encodings, lines, reader, records, rows, survey
from app.imports.readers.formats import Layout
from app.imports.sizes import Sizes

HEAD = 65_536
"""Bytes that are read to recognise a file; no header is longer."""
BATCH = 5_000
"""Records that are read at once."""
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", "::": "double colon"}


@dataclass(frozen=True, slots=True)
class Table:
    """A `Judging` reader of one file. `only_marks`: another file of the upload has the scores."""

    file: str
    layout: Layout
    options: reader.Options
    assumed: dict[str, Any] | None = None
    only_marks: bool = False

    @property
    def name(self) -> str:
        return self.layout.format.name

    @property
    def rows(self) -> str:
        return reader.MARKS if self.only_marks else self.layout.format.rows

    @property
    def personal(self) -> bool:
        return self.rows in (reader.RATINGS, reader.MARKS) and columns.USER not in self.layout.columns.places

    def recognises(self, _head: bytes) -> bool:
        """It is made for one file, and asked about no other."""
        return False

    def judge(self, member: files.Member, sizes: Sizes) -> dict[str, Any]:
        charset = encodings.declared(self.options.charset)
        with member.open() as source:
            head = source.stream.read(HEAD)
        with member.open() as source:
            blocks = lines.blocks(source.stream, sizes)
            encoding = encodings.recognise(head, blocks, self.file, charset)
        names = self.layout.columns
        assumed: dict[str, Any] = {
            "file": self.file,
            "format": self.name,
            "encoding": encoding,
            "separator": SEPARATORS[self.layout.separator],
            "columns": {role: names.name(role) for role in names.places},
            "left_out": names.left_out if self.layout.quoted else [],
        }
        if self.rows in (reader.RATINGS, reader.MARKS):
            with member.open() as source:
                found = self._records(source, encoding, sizes)
                assumed |= survey.judge(self.layout, self.options, self.file, found)
        return assumed

    def settled(self, assumed: dict[str, Any]) -> Self:
        return replace(self, assumed=assumed)

    def read(self, source: files.Source, context: reader.Context) -> Iterator[reader.Batch]:
        assumed = self.assumed
        if assumed is None:
            raise ValueError("a table is read after it was judged")
        found = self._records(source, assumed["encoding"], context.sizes)
        read = rows.batch(self.layout, self.rows, assumed, context)
        while some := list(islice(found, BATCH)):
            yield read(some)

    def _records(self, source: files.Source, encoding: str, sizes: Sizes) -> Iterator[records.Record]:
        text = lines.blocks(encodings.as_utf_8(source.stream, encoding), sizes)
        skip = self.layout.skip
        return records.records(_after(text, skip), self.layout.shape, skip + 1)


def _after(blocks: Iterable[bytes], count: int) -> Iterator[bytes]:
    """What comes after the first `count` lines."""
    for block in blocks:
        start = 0
        while count and start < len(block):
            start = block.find(b"\n", start) + 1 or len(block)
            count -= 1
        if start < len(block):
            yield block[start:]
