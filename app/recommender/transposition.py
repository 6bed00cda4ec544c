"""Transposing large tables, compiled by numba: for the worker, like `kernel`."""

import numpy as np

from app.compilation import compiled
from app.recommender.interactions import Csr


def transpose(table: Csr) -> Csr:
    """`Csr.transpose` by counting, in one pass. Raises `ValueError` for a column out of range."""
    validate(table)
    indptr = np.concatenate([[0], np.cumsum(table.counts())])
    rows, values = np.empty_like(table.indices), np.empty_like(table.values)
    scatter(table.indptr, table.indices, table.values, indptr[:-1].copy(), rows, values)
    return Csr(indptr, rows, values, table.rows)


def validate(table: Csr) -> None:
    """Raises `ValueError` unless all indices lie in the table: compiled code checks none of them."""
    indptr, indices = table.indptr, table.indices
    if indptr[0] != 0 or indptr[-1] != len(indices) or (np.diff(indptr) < 0).any():
        raise ValueError("indptr does not divide the entries into rows")
    if len(table.values) != len(indices):
        raise ValueError(f"{len(table.values)} values for {len(indices)} entries")
    if len(indices) and not 0 <= indices.min() <= indices.max() < table.columns:
        raise ValueError(f"a column is outside 0 to {table.columns - 1}")


@compiled()
def scatter(indptr, indices, values, places, rows, turned):  # type: ignore[no-untyped-def]
    """Put each entry at the next place of its column; `places` [columns] advance."""
    for row in range(len(indptr) - 1):
        for e in range(indptr[row], indptr[row + 1]):
            place = places[indices[e]]
            rows[place], turned[place] = row, values[e]
            places[indices[e]] = place + 1
