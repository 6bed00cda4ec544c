"""Rows of people who were forgotten: an import does not bring them back."""

from collections.abc import Collection

import numpy as np

from app.imports.readers import reader
from app.imports.rejects import Reject
from app.rating import RatingColumns

FORGOTTEN = "of a user who was forgotten"


def without(batch: reader.Batch, forgotten: Collection[int]) -> reader.Batch:
    """The batch without the rows of these people, which are rejected. No reject says whose they are."""
    if not forgotten or not isinstance(batch.good, RatingColumns):
        return batch
    gone = np.isin(batch.good.user_id, np.array(sorted(forgotten), np.int64))
    marks = [mark for mark in batch.marks if mark.user_id not in forgotten]
    missing = [one for one in batch.missing if one.row.user_id not in forgotten]
    lines: list[int | None] = [None] * int(gone.sum())
    lines += [mark.line for mark in batch.marks if mark.user_id in forgotten]
    lines += [one.line for one in batch.missing if one.row.user_id in forgotten]
    if not lines:
        return batch
    rejects = [*batch.rejects, *(Reject(line, "", "", FORGOTTEN) for line in lines)]
    return batch._replace(good=batch.good.take(~gone), rejects=rejects, marks=marks, missing=missing)
