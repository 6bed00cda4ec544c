"""All that is kept about a person as one JSON object, made a block at a time.

Each block is read in a transaction of its own, so that a slow reader holds nothing up.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from app.errors import NotFound
from app.repository import personal
from app.repository.personal import SECTIONS, Section
from app.storage import Database

ROWS = 500
"""Rows of a block; a rating has some 120 characters."""
TIMES = (
    *("created_at", "started_at", "finished_at", "expires_at", "used_at", "rated_at", "marked_at", "at"),
    *("first_at", "last_at"),
)


def user_json(database: Database, user_id: int) -> Iterator[str]:
    """One object with an array a section. Raises `NotFound`, before the first block, if nothing is kept."""
    with database.read() as connection:
        if not personal.is_known(connection, user_id):
            raise NotFound(f"Nothing is kept of user {user_id}. GET /users?all=true lists who is known.")
    yield f'{{"id":{user_id}'
    for section in SECTIONS:
        yield from _section(database, section, user_id)
    yield "}"


def _section(database: Database, section: Section, user_id: int) -> Iterator[str]:
    after, start = None, f',"{section.name}":['
    while True:
        with database.read() as connection:
            rows = personal.page(connection, section, user_id, limit=ROWS, after=after)
        text = ",".join(json.dumps(_shown(row), separators=(",", ":")) for row in rows)
        if len(rows) < ROWS:
            yield f"{start}{text}]"
            return
        yield f"{start}{text}"
        after, start = [rows[-1][f"key_{number}"] for number in range(len(section.key))], ","


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Without the keys of the page, and with times as the API writes them."""
    shown = {name: value for name, value in row.items() if not name.startswith("key_")}
    return {
        name: datetime.fromtimestamp(value, UTC).isoformat() if name in TIMES and value is not None else value
        for name, value in shown.items()
    }
