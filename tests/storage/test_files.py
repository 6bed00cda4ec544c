"""Files are written whole or not at all, and survive a power cut."""

import os
import stat
from pathlib import Path

import pytest

from app.storage.files import replace_durably, write_atomically


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happened on the disk, in order."""
    happened: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_sync(descriptor: int) -> None:
        happened.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        fsync(descriptor)

    def noted_replace(self: Path, target: Path) -> Path:
        happened.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    return happened


def test_a_file_is_synced_renamed_once_and_its_folder_is_synced(tmp_path: Path, synced: list[str]) -> None:
    path = tmp_path / "new" / "file"
    write_atomically(path, b"one")
    assert synced == ["sync file", "rename", "sync folder"]
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"one")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        write_atomically(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_renamed_to_its_place_is_synced_with_its_folder(
    tmp_path: Path, synced: list[str]
) -> None:
    (tmp_path / "part").write_bytes(b"x")
    replace_durably(tmp_path / "part", tmp_path / "file")
    assert synced == ["rename", "sync folder"]
    assert (tmp_path / "file").read_bytes() == b"x"
