"""Movie factors as a file that other programs write and read: an npz, or Parquet.

An npz has the arrays `movie_ids` [M], `factors` [M, k] and `objective`, a text; Parquet has the columns
`movie_id` and `factors`, a list of k numbers, and the text under `objective` in the metadata of its schema.
The text is a JSON object with the fields of `Objective`.
"""

import json
import math
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from app.arrays import Floats, Integers
from app.errors import Invalid
from app.rating import MAX_ID
from app.recommender.model import Model, Objective
from app.storage.parquet import Table, metadata_of, vectors

OBJECTIVE = "objective"
NEEDED = ("unobserved", "regularization")
"""Fields of the objective that have to be said: what was trained depends on them most."""
MOST_FACTORS = 512
LARGEST = 1e9
"""Of the numbers of an objective."""
KINDS = {"movie_id": "int64", "factors": "vector"}


@dataclass(frozen=True, eq=False)
class Factors:
    """`movie_ids` [M], ascending; `factors` [M, k]; what the factors of a user minimise, given them."""

    movie_ids: Integers
    factors: Floats
    objective: Objective


def write(path: Path, model: Model) -> None:
    """Write a model's movie factors, as Parquet if the name ends so, else as an npz."""
    text = json.dumps(asdict(model.objective))
    if path.suffix == ".parquet":
        folder = path.with_name(f".{path.name}.part")
        with Table(folder, KINDS, metadata={OBJECTIVE: text}) as table:
            table.add({"movie_id": model.movie_ids, "factors": model.factors})
        (part,) = folder.iterdir()
        part.rename(path)
        folder.rmdir()
        return
    save(path, Factors(model.movie_ids, model.factors, model.objective))


def save(path: Path, factors: Factors) -> None:
    """Write an npz."""
    text = np.array(json.dumps(asdict(factors.objective)))
    with path.open("wb") as file:
        np.savez(file, movie_ids=factors.movie_ids, factors=factors.factors, objective=text)


def read(path: Path, most: int) -> Factors:
    """The factors in a file of at most so many bytes, unpacked. Raises `Invalid`, and `OSError`."""
    with path.open("rb") as file:
        begins = file.read(4)
    try:
        return _checked(*(_from_parquet(path, most) if begins == b"PAR1" else _from_npz(path, most)))
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise Invalid(
            f"{path.name} cannot be used as movie factors: {reason}. "
            "docs/exports.md says what such a file has."
        ) from None


def _from_npz(path: Path, most: int) -> tuple[Any, Any, str]:
    if not zipfile.is_zipfile(path):
        raise ValueError("it is neither an npz nor Parquet")
    with zipfile.ZipFile(path) as archive:
        _refuse_large(sum(member.file_size for member in archive.infolist()), most)
    with np.load(path, allow_pickle=False) as file:
        return file["movie_ids"], file["factors"], str(file[OBJECTIVE])


def _from_parquet(path: Path, most: int) -> tuple[Any, Any, str]:
    texts, columns, rows = metadata_of(path)
    if missing := KINDS.keys() - columns.keys():
        raise KeyError(f"column {sorted(missing)[0]}")
    text = texts[OBJECTIVE]
    _refuse_large(rows * 8, most)
    parts: list[tuple[Integers, Floats]] = []
    size = 0
    for part in vectors(path, *KINDS):
        size += part[0].nbytes + part[1].nbytes
        _refuse_large(size, most)
        if parts and parts[0][1].shape[1] != part[1].shape[1]:
            raise ValueError("the lists in factors are not all of one length")
        parts.append(part)
    if not parts:
        raise ValueError("it has no rows")
    ids, factors = zip(*parts, strict=True)
    return np.concatenate(ids), np.concatenate(factors), text


def _refuse_large(size: int, most: int) -> None:
    if size > most:
        raise ValueError(f"it takes more than {most:,} bytes unpacked (MATINEE_MAX_UPLOAD)")


def _checked(movie_ids: Any, factors: Any, text: str) -> Factors:
    if factors.ndim != 2 or movie_ids.shape != factors.shape[:1] or not factors.size:
        raise ValueError(
            f"movie_ids have shape {movie_ids.shape}, factors {factors.shape}: not [M] and [M, k]"
        )
    if factors.shape[1] > MOST_FACTORS:
        raise ValueError(f"it has {factors.shape[1]} factors a movie, and {MOST_FACTORS} are the most")
    if movie_ids.dtype.kind not in "iu" or factors.dtype.kind not in "fiu":
        raise ValueError(
            f"movie_ids are {movie_ids.dtype}, factors {factors.dtype}: not whole numbers and numbers"
        )
    single = factors.astype(np.float32)
    if not np.isfinite(single).all():
        raise ValueError("a factor is not a finite number")
    order = np.argsort(movie_ids, kind="stable")
    ids = movie_ids[order].astype(np.int64)
    if ids[0] < 0 or ids[-1] > MAX_ID or (np.diff(ids) == 0).any():
        raise ValueError("a movie id is there twice, or outside the range of ids")
    return Factors(ids, single[order], Objective(**dict(_numbers(text))))


def _numbers(text: str) -> Iterator[tuple[str, float]]:
    """The fields of an objective. Raises `ValueError` in words."""
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise ValueError(f"its {OBJECTIVE} is not a JSON object")
    known = [field.name for field in fields(Objective)]
    if strange := given.keys() - set(known):
        raise ValueError(f"its {OBJECTIVE} has {sorted(strange)[0]!r}; it may have {', '.join(known)}")
    if missing := [name for name in NEEDED if name not in given]:
        raise ValueError(f"its {OBJECTIVE} does not say {' and '.join(missing)}")
    for name, number in given.items():
        least = 1e-9 if name == "unobserved" else 0.0
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if not is_number or not math.isfinite(number) or not least <= number <= LARGEST:
            raise ValueError(
                f"{name} of its {OBJECTIVE} is {number!r}, not a number from {least:g} to {LARGEST:g}"
            )
        yield name, float(number)
