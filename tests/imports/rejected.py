"""Rejects as they are kept."""

from app.config import Settings
from app.imports.rejects import published
from app.storage.store import store_of


def rejects_of(settings: Settings, task_id: str) -> str | None:
    """The file of rejects of an ended import or undo."""
    store = store_of(settings)
    key = published(store, task_id)
    return None if key is None else store.read(key).decode()
