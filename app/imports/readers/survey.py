"""What a table says as a whole: the scale of its scores, the order of its dates, whose rows it holds."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from app.errors import Invalid
from app.imports.readers import columns, encodings, formats, reader, scales, times
from app.imports.readers.records import Record
from app.imports.readers.scales import MOST_DIFFERENT

ORDERS = {times.DAY_FIRST: "day first", times.MONTH_FIRST: "month first"}
_DECIMAL_COMMA = re.compile(r"[0-9]+,[0-9]+")
_OWN_SCALES = {"rating10": scales.TEN_FROM_0}
"""Of columns whose name says it (https://letterboxd.com/about/importing-data/)."""


class Survey:
    """What is counted of the records, in bounded memory."""

    def __init__(self, names: columns.Columns) -> None:
        self._places = names.places
        self.scores: Counter[str] = Counter()
        self.profiles: Counter[str] = Counter()
        self.orders: set[str] = set()
        self.open_dates = 0

    def add(self, record: Record) -> None:
        if record.bad:
            return
        for role, counter in ((columns.SCORE, self.scores), (formats.PROFILE, self.profiles)):
            text = record.fields[self._places[role]][:64] if role in self._places else ""
            if text and (text in counter or len(counter) < MOST_DIFFERENT):
                counter[text] += 1
        for role in (columns.AT, formats.LOGGED):
            if role in self._places:
                found, is_open = times.order_of(record.fields[self._places[role]])
                self.orders |= {found} if found else set()
                self.open_dates += is_open


def check(options: reader.Options) -> None:
    """Raises `Invalid` for what a caller says that means nothing, whatever the file is like."""
    scales.declared(options.scale)
    encodings.declared(options.charset)
    if options.dates not in ("", *ORDERS):
        raise Invalid(
            f"The order of dates {options.dates[:20]!r} is not known. Say day or month: "
            "POST /imports?dates=day.",
            errors=[{"detail": "not an order that is known", "parameter": "dates", "candidates": [*ORDERS]}],
        )


def judge(
    layout: formats.Layout, options: reader.Options, name: str, found: Iterable[Record]
) -> dict[str, Any]:
    """The scale and the order of dates of a file of ratings or marks, for the report.

    Raises `Invalid` if one of them cannot be known.
    """
    names, seen = layout.columns, Survey(layout.columns)
    declared = scales.declared(options.scale)
    for record in found:
        seen.add(record)
    if len(seen.profiles) > 1:
        raise Invalid(
            f"{name} holds the rows of several profiles: {', '.join(sorted(seen.profiles)[:10])}. Send a "
            "file with the rows of one, since an import is one person's."
        )
    assumed: dict[str, Any] = {}
    if columns.SCORE in names.places:
        own = layout.format.scale or _OWN_SCALES.get(columns.key(names.name(columns.SCORE)))
        assumed["scale"] = (declared or own or scales.judge(seen.scores, name)).name
        if any(_DECIMAL_COMMA.fullmatch(score) for score in seen.scores):
            assumed["decimals"] = "comma"
    if order := _order(seen, options, name):
        assumed["dates"] = order
    return assumed


def _order(seen: Survey, options: reader.Options, name: str) -> str | None:
    if options.dates:
        return options.dates
    if len(seen.orders) == 1:
        return next(iter(seen.orders))
    if not seen.orders and not seen.open_dates:
        return None
    why = "some begin with the day, others with the month" if seen.orders else "each could begin with either"
    raise Invalid(
        f"The dates of {name} cannot be read: {why}. Say whether the day or the month comes first, such as "
        "POST /imports?dates=day.",
        errors=[{"detail": "does day or month come first?", "parameter": "dates", "candidates": [*ORDERS]}],
    )
