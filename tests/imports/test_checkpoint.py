"""What an import and an undo keep in the task's row, and that it is what earlier releases kept there."""

from typing import Any

import pytest

from app.imports.checkpoint import Checkpoint, Parsed, UndoCheckpoint

FIGURES = {"read": 9, "new": 2, "replaced": 1, "unchanged": 0, "older": 0, "duplicate": 1, "rejected": 1}
PARSED: dict[str, Any] = {
    "read": 9,
    "duplicate": 1,
    "rejected": 1,
    "unknown_movies": 1,
    "formats": ["ratings"],
    "left_out": [],
}
NEW: dict[str, Any] = {
    "figures": FIGURES | {"marks": 0, "waiting": 0, "made": 0, "personal": 0, "taken_over": 0, "arrived": 0},
    "parsed": PARSED | {"marks": {}, "assumed": []},
}
"""What this release has more."""
FIRST_RELEASE: dict[str, Any] = {
    "part": 0,
    "after": [3, 7],
    "done": 4,
    "figures": FIGURES,
    "merged": False,
    "parsed": PARSED,
    "movies_deleted": 2,
    "rejects": ["rejects-1.csv", 60],
}
LAST_RELEASE = FIRST_RELEASE | {
    "rejects": ["rejects-1.csv", 60, 1, 0],
    "kept": {"catalogue": [10, "checksum"], "titles": [12, "checksum"]},
    "order": 5,
}


def test_the_checkpoint_of_the_last_release_is_read_and_written_alike() -> None:
    checkpoint = Checkpoint.from_json(LAST_RELEASE)
    assert checkpoint.parsed.good == 7
    assert checkpoint.to_json() == LAST_RELEASE | NEW


def test_the_checkpoint_of_the_first_release_has_kept_the_catalogue_without_a_checksum() -> None:
    checkpoint = Checkpoint.from_json(FIRST_RELEASE)
    assert checkpoint.to_json() == FIRST_RELEASE | NEW | {"kept": {"catalogue": None}, "order": 0}


@pytest.mark.parametrize("rejects", [{}, {"rejects": ["rejects-1.csv", 60, 1, 0]}])
def test_the_checkpoint_of_an_undo_is_read_and_written_alike(rejects: dict[str, Any]) -> None:
    figures = {"deleted": 1, "restored": 2, "kept": 0}
    kept = {"after": [3, 7], "figures": figures, "done": 4} | rejects
    assert UndoCheckpoint.from_json(kept).to_json() == {"rejects": None} | kept
    assert UndoCheckpoint().to_json()["after"] == [-1, -1]


def test_what_is_written_does_not_change_with_the_checkpoint() -> None:
    checkpoint = Checkpoint.of(Parsed(read=3))
    written = checkpoint.to_json()
    checkpoint.figures.new += 1
    checkpoint.done += 1
    assert (written["figures"]["new"], written["done"]) == (0, 0)
