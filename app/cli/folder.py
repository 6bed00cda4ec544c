"""A folder as one would import it by hand: what of it can be read, in which order, and whose it is."""

import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from app.cli.console import in_terms
from app.errors import AppError, BadRequest, Invalid
from app.imports import readers
from app.imports.readers import reader

PACKED = {".zip", ".gz"}
READ = PACKED | {".csv", ".tsv", ".txt", ".dat", ".data", ".item", ".json"}
"""Other files of a folder are passed over."""
FIRST_USER = 1
"""Whose a personal file is if it is not said."""
_ORDER = (reader.MOVIES, reader.LINKS, reader.MARKS, reader.RATINGS)
_FIELDS = re.compile("::|[,;|\t]")


@dataclass
class Found:
    """Files to import in this order (None: the sample), whom to recommend to, and why others are left out."""

    files: list[Path | None]
    user: int
    personal: set[Path] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)


def find(path: Path, scratch: Path) -> Found:
    """What can be imported of a folder, or the one file that `path` is. Raises `BadRequest` if nothing can.

    Plain files go as one zip, as the service that exported them packs them, which is made in `scratch`.
    """
    inside = sorted(one for one in path.rglob("*") if one.suffix.lower() in READ) if path.is_dir() else [path]
    known, left_out = dict[Path, reader.Reader](), list[str]()
    for one in inside:
        name = one.name if one == path else str(one.relative_to(path))
        try:
            known[one] = readers.check(one, name)
        except AppError as error:
            left_out.append(in_terms(error.detail))
        except OSError as error:
            left_out.append(f"{name} cannot be read: {error.strerror}.")
    if not any(one.rows in (reader.RATINGS, reader.MARKS) for one in known.values()):
        reasons = " ".join(left_out[:3]) or "It has no files."
        raise BadRequest(f"Nothing in {path} says what a person thinks of a movie. {reasons}")
    files = _joined(path, known, scratch)
    return Found([*files], _first_user(known), {one for one in files if files[one].personal}, left_out)


def _joined(folder: Path, known: dict[Path, reader.Reader], scratch: Path) -> dict[Path, reader.Reader]:
    """Packed files, and the plain ones as one, unless they are of several exports."""
    order = sorted(known, key=lambda one: _ORDER.index(known[one].rows))
    plain = [one for one in order if one.suffix.lower() not in PACKED]
    if len(plain) < 2:
        return {one: known[one] for one in order}
    joined = scratch / f"{folder.resolve().name or 'folder'}.zip"
    with zipfile.ZipFile(joined, "w") as archive:
        for one in plain:
            archive.write(one, one.relative_to(folder))
    try:
        read = readers.check(joined, joined.name)
    except Invalid:
        return {one: known[one] for one in order}
    return {joined: read} | {one: known[one] for one in order if one not in plain}


def _first_user(known: dict[Path, reader.Reader]) -> int:
    """The first user that a file of several people's ratings names."""
    for path, read in known.items():
        if read.rows != reader.RATINGS or read.personal or path.suffix.lower() in PACKED:
            continue
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            head, row = (_FIELDS.split(file.readline(4096).rstrip()) for _ in range(2))
        names = [re.sub("[^a-z]", "", name.lower()) for name in head]
        place = names.index("userid") if "userid" in names else 0
        given = (head if head[0].isdecimal() else row)[place : place + 1]
        if given and given[0].strip('" ').isdecimal():
            return int(given[0].strip('" '))
    return FIRST_USER
