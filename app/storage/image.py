"""Ratings as the image of a SQLite database, in its file format (https://sqlite.org/fileformat.html).

SQLite reads an image like any attached database, so that one INSERT ... SELECT takes all rows at once: none
of them ever is a Python object, and other threads run meanwhile.
"""

import functools
import sqlite3
import struct

import numpy as np
from numpy.typing import NDArray

PAGE = 65_536
FIRST_ROWID = 1 << 14
MOST_ROWS = (1 << 21) - FIRST_ROWID
"""Row ids from `FIRST_ROWID` to 2^21 - 1 take three bytes each, so every row has the same size."""

_ROW = np.dtype(
    [
        ("payload", "u1"),  # bytes of what follows the row id
        ("rowid", "u1", 3),
        ("header", "u1", 6),  # its size, and the type of each value
        ("user_id", ">i8"),
        ("movie_id", ">i8"),
        ("half_steps", "u1"),
        ("rated_at", ">i8"),
        ("import_seq", ">i4"),
    ]
)
_INT8, _INT32, _INT64 = 1, 4, 6
_CHILD = np.dtype([("page", ">u4"), ("rowid", "u1", 3)])  # a page, and the last row id in it
_LEAF, _INTERIOR = 13, 5
_POINTER = np.dtype(">u2")
_LEAF_HEADER = struct.Struct(">BHHHB")  # kind, free block, cells, where they start, free bytes in between
_INTERIOR_HEADER = struct.Struct(">BHHHBI")  # and the page after the last cell
_PAGES_AT = 28  # of the whole header of a database
LEAF_ROWS = (PAGE - _LEAF_HEADER.size) // (_ROW.itemsize + _POINTER.itemsize)


def ratings_image(
    user_id: NDArray[np.int64],
    movie_id: NDArray[np.int64],
    half_steps: NDArray[np.uint8],
    rated_at: NDArray[np.int64],
    import_seq: NDArray[np.int32],
) -> memoryview:
    """A database with these columns as the table `rows`, in this order; 1 to `MOST_ROWS` ratings."""
    rows = _empty_rows(len(user_id)).copy()
    rows["user_id"], rows["movie_id"] = user_id, movie_id
    rows["half_steps"], rows["rated_at"], rows["import_seq"] = half_steps, rated_at, import_seq
    leaves = -(-len(rows) // LEAF_ROWS)
    head = 1 if leaves == 1 else 2  # the page of the schema, and the root where that is no leaf itself
    pages = np.zeros((head + leaves, PAGE), np.uint8)
    pages[0] = np.frombuffer(_schema(), np.uint8)
    struct.pack_into(">I", pages[0].data, _PAGES_AT, len(pages))
    for number in range(leaves):
        some = rows[number * LEAF_ROWS : (number + 1) * LEAF_ROWS]
        start = _write_cells(pages[head + number], some, _LEAF_HEADER.size)
        _LEAF_HEADER.pack_into(pages[head + number].data, 0, _LEAF, 0, len(some), start, 0)
    if leaves > 1:
        children = np.empty(leaves - 1, _CHILD)
        children["page"] = np.arange(leaves - 1) + head + 1
        children["rowid"] = rows["rowid"][LEAF_ROWS - 1 : -1 : LEAF_ROWS][: leaves - 1]
        start = _write_cells(pages[1], children, _INTERIOR_HEADER.size)
        _INTERIOR_HEADER.pack_into(pages[1].data, 0, _INTERIOR, 0, leaves - 1, start, 0, len(pages))
    return pages.data


@functools.lru_cache(2)
def _empty_rows(size: int) -> NDArray[np.void]:
    """Rows with what does not depend on their values."""
    rows = np.zeros(size, _ROW)
    rows["payload"] = _ROW.itemsize - 4
    rows["rowid"] = _varints(np.arange(FIRST_ROWID, FIRST_ROWID + size))
    rows["header"] = (6, _INT64, _INT64, _INT8, _INT64, _INT32)
    return rows


def _write_cells(page: NDArray[np.uint8], cells: NDArray[np.void], header: int) -> int:
    """Write cells to the end of a page and pointers to them after its header; returns where cells start."""
    start = PAGE - cells.nbytes
    page[start:] = cells.view(np.uint8)
    pointers = np.arange(start, PAGE, cells.itemsize).astype(_POINTER)
    page[header : header + pointers.nbytes] = pointers.view(np.uint8)
    return start


def _varints(numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Numbers of three groups of seven bits, the highest first; all but the last are marked."""
    return np.stack([0x80 | numbers >> 14, 0x80 | numbers >> 7 & 0x7F, numbers & 0x7F], 1).astype(np.uint8)


@functools.cache
def _schema() -> bytes:
    """The first page of such a database, as SQLite itself writes it; the table starts at the second."""
    connection = sqlite3.connect(":memory:")
    connection.execute(f"PRAGMA page_size={PAGE}")
    columns = ("user_id", "movie_id", "half_steps", "rated_at", "import_seq")
    connection.execute(f"CREATE TABLE rows ({', '.join(f'{name} INTEGER' for name in columns)})")
    image = connection.serialize()
    connection.close()
    return image[:PAGE]
