"""Settings, versions, disks, permissions and the clock."""

import os
import platform
import shutil
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from app.backups.kinds import folder_of
from app.checks.finding import FAULT, GOOD, WARNING, Finding
from app.config import Settings, not_settings
from app.people import secrets

LEAST_FREE, SCARCE = 200 << 20, 1 << 30
"""Bytes free on a disk below which it is a fault, and below which it is a warning."""
OLDEST = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""A clock that is before this release is wrong."""
TOLERANCE = 60.0
"""Seconds that a clock may be before what was written last."""
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def of_settings(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Their ranges are checked before any command runs."""
    for name, advice in not_settings(environment):
        yield Finding("settings", WARNING, f"{name} is no setting and is not used.", advice)
    if settings.backup_every and not settings.backup_dir:
        text = "Scheduled backups are kept on the disk of the data, and are lost with it."
        yield Finding("settings", WARNING, text, "Set MATINEE_BACKUP_DIR to a folder on another disk.")
    yield Finding("settings", GOOD, f"The data is in {settings.data_dir.absolute()}.")


def of_versions() -> Iterator[Finding]:
    lacking = []
    for line in requires("matinee") or ():
        name = line.split(";")[0].split("[")[0]
        name = name[: next((n for n, c in enumerate(name) if not (c.isalnum() or c in "-_.")), len(name))]
        if "extra ==" not in line and not _is_there(name):
            lacking.append(name)
    if lacking:
        text = f"Packages are missing: {', '.join(lacking)}."
        yield Finding("versions", FAULT, text, "Install again: uv sync, or pip install matinee.")
    text = f"Matinee {version('matinee')}, Python {platform.python_version()}, {platform.platform()}."
    yield Finding("versions", GOOD, text)


def _is_there(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def of_disk(settings: Settings) -> Iterator[Finding]:
    folders = {"data": settings.data_dir, "backups": folder_of(settings)}
    for name, folder in folders.items():
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free
        state = FAULT if free < LEAST_FREE else WARNING if free < SCARCE else GOOD
        text = f"{free / 1e9:,.1f} GB are free for {name} at {folder}."
        advice = "Make room: nothing can be written to a full disk." if state != GOOD else ""
        yield Finding("disk", state, text, advice)
        if name == "data" and not (settings.backup_every or settings.backup_dir):
            return


def of_permissions(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    if not folder.exists():
        parent = next(path for path in folder.absolute().parents if path.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            text = f"{folder} is not there, and this user may not make it."
            yield Finding("permissions", FAULT, text, f"Make it, for this user: mkdir -m 700 {folder}")
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        text = f"{folder} cannot be read or written by this user."
        yield Finding("permissions", FAULT, text, "Run it as its owner, or give it to this user.")
        return
    foreign = [path for path in _of_service(folder) if path.lstat().st_uid != os.geteuid()]
    if foreign and os.geteuid() != 0:
        text = f"{foreign[0]} belongs to another user, as do {len(foreign) - 1} more."
        advice = f"chown -R {os.geteuid()} {folder}"
        yield Finding("permissions", FAULT, text, advice)
    is_open = folder.stat().st_mode & _OTHERS
    shown = [path for path in _of_service(folder) if is_open and path.lstat().st_mode & _OTHERS]
    if shown:
        text = f"Other users of this machine can read {shown[0]}."
        yield Finding("permissions", WARNING, text, f"chmod -R go-rwx {folder}; the next start does it, too.")
    yield Finding("permissions", GOOD, f"{folder} can be read and written.")


def _of_service(folder: Path) -> list[Path]:
    """The folder's own files: those that a start makes private."""
    return [path for path in folder.iterdir() if path.suffix in (".db", ".key") or path.is_dir()]


def of_secret(settings: Settings) -> Iterator[Finding]:
    path = secrets.path_of(settings)
    if not settings.secret_key and path.exists() and path.stat().st_mode & _OTHERS:
        text = f"Other users of this machine can read {path}, and so make tokens."
        yield Finding("permissions", FAULT, text, f"chmod 600 {path}, and `matinee door rotate`.")


def of_clock(now: float, newest: float | None) -> Iterator[Finding]:
    """`newest`: when something was written last, if ever, in epoch seconds."""
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    advice = "Set the clock (timedatectl set-ntp true). Ratings, logins and tasks are judged by it."
    if now < OLDEST:
        yield Finding("clock", FAULT, f"The clock says {shown}, which is before this release.", advice)
    elif newest is not None and newest > now + TOLERANCE:
        text = f"The clock says {shown}, {newest - now:,.0f} s before what was written last."
        yield Finding("clock", FAULT, text, advice)
    else:
        yield Finding("clock", GOOD, f"The clock says {shown}.")
