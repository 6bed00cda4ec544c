"""Data on disk is for the user of the service alone: folders 0700, files 0600."""

import os
import stat
from contextlib import suppress
from pathlib import Path

FOLDERS = ("uploads", "models", "work", "imports", "cache", "dumps", "backups")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def be_private() -> None:
    """Make no file that other users can read from here on. Only for processes of the service's own."""
    os.umask(_OTHERS)


def make_private(data_dir: Path) -> None:
    """Close an existing data directory to other users, if it holds files of the service alone.

    If it holds anything else, it stays open and the service's own files and folders in it are closed.
    Nothing in a closed folder can be reached, whatever its own mode.
    """
    with suppress(FileNotFoundError):
        ours = [path for path in data_dir.iterdir() if _is_ours(path)]
        for path in ours:
            close(path)
        if len(ours) == len(os.listdir(data_dir)):
            close(data_dir)


def _is_ours(path: Path) -> bool:
    return path.name in FOLDERS or path.name.startswith("matinee.db") or path.suffix in (".lock", ".key")


def close(path: Path) -> None:
    """Take the rights of others away from a file or folder that belongs to this user."""
    with suppress(FileNotFoundError, PermissionError):
        found = path.lstat()
        if found.st_uid == os.geteuid() and found.st_mode & _OTHERS and not stat.S_ISLNK(found.st_mode):
            path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)
