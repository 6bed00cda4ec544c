"""A model as one file: an npz with the arrays and a JSON header."""

import hashlib
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from app.errors import AppError
from app.recommender.item_weights import ItemWeights
from app.recommender.model import Model, Objective
from app.storage.files import write_atomically

FORMAT = 2
READ = (1, FORMAT)
"""Format 1 has no item weights."""
ARRAYS = {
    "movie_ids": "<i8",
    "factors": "<f4",
    "gram": "<f8",
    "user_gram": "<f8",
    "support": "<i4",
    "counts": "<i4",
}
ITEM_ARRAYS = {"movie_ids": "<i8", "columns": "<i4", "values": "<f4"}
ITEMS = "items_"


class CorruptModel(AppError, ValueError):
    """A model file that is missing or damaged: rebuild, or activate another version."""

    status, type, title = 409, "corrupt-model", "Corrupt model"
    cause = "The file of that version of the model is missing, or a byte of it has changed."
    remedy = "Activate another version, or rebuild: POST /recommender/rebuild."


def to_bytes(model: Model) -> bytes:
    """The bytes of a model file. Equal models give equal bytes: version and time are not among them."""
    header = {"format": FORMAT, "objective": asdict(model.objective), "settings": dict(model.settings)}
    arrays = {name: getattr(model, name).astype(kind) for name, kind in ARRAYS.items()}
    if model.items is not None:
        header["share"] = model.items.share
        items = {ITEMS + name: getattr(model.items, name).astype(kind) for name, kind in ITEM_ARRAYS.items()}
        arrays |= items
    text = json.dumps(header, sort_keys=True).encode()
    target = io.BytesIO()
    np.savez(target, allow_pickle=False, header=np.frombuffer(text, np.uint8), **arrays)
    return target.getvalue()


def from_bytes(data: bytes, *, version: int = 0, created_at: float = 0.0) -> Model:
    """The model in these bytes. Raises `CorruptModel` if they are damaged, cut short or of another format.

    Only the structure is checked here; `load` compares the checksum first.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            header = json.loads(file["header"].tobytes())
            if header["format"] not in READ:
                raise ValueError(f"its format is {header['format']}, this release reads {FORMAT}")
            arrays: dict[str, Any] = _read(file, ARRAYS)
            items = (
                ItemWeights(**_read(file, ITEM_ARRAYS, ITEMS), share=header["share"])
                if "share" in header
                else None
            )
        model = Model(
            **arrays,
            items=items,
            objective=Objective(**header["objective"]),
            settings=header["settings"],
            version=version,
            created_at=created_at,
        )
        _check(model)
    except Exception as error:  # zip, NumPy and JSON raise many kinds of errors for foreign bytes
        text = f"The model cannot be read ({error}); rebuild, or activate another version."
        raise CorruptModel(text) from error
    return model


def save(model: Model, path: Path) -> str:
    """Write the file whole or not at all; returns its SHA-256 in hexadecimal."""
    data = to_bytes(model)
    write_atomically(path, data)
    return hashlib.sha256(data).hexdigest()


def load(path: Path, checksum: str, *, version: int = 0, created_at: float = 0.0) -> Model:
    """The model in a file whose SHA-256 is `checksum`; a file with another one is not parsed.

    Raises `CorruptModel`, and `OSError` if the file cannot be opened.
    """
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != checksum:
        text = f"{path.name} is not the file that was saved (its SHA-256 differs)"
        raise CorruptModel(f"{text}; rebuild, or activate another version.")
    return from_bytes(data, version=version, created_at=created_at)


def _read(file: Any, kinds: dict[str, str], prefix: str = "") -> dict[str, Any]:
    return {name: np.ascontiguousarray(file[prefix + name], kind) for name, kind in kinds.items()}


def _check(model: Model) -> None:
    m, k = model.factors.shape
    shapes = {"movie_ids": (m,), "gram": (k,), "user_gram": (k, k), "support": (m,), "counts": (m,)}
    for name, shape in shapes.items():
        if getattr(model, name).shape != shape:
            raise ValueError(f"{name} has shape {getattr(model, name).shape}, not {shape}")
    if not all(np.isfinite(array).all() for array in (model.factors, model.gram, model.user_gram)):
        raise ValueError("a factor is not a finite number")
    if (np.diff(model.movie_ids) <= 0).any():
        raise ValueError("movie_ids are not ascending")
    if model.items is not None:
        _check_items(model.items, model)


def _check_items(items: ItemWeights, model: Model) -> None:
    n, width = items.columns.shape
    if items.movie_ids.shape != (n,) or items.values.shape != (n, width):
        raise ValueError(f"values have shape {items.values.shape}, columns {(n, width)}")
    if (np.diff(items.movie_ids) <= 0).any() or (model.rows(items.movie_ids) < 0).any():
        raise ValueError("movies with item weights are not ascending movies of the model")
    if items.columns.size and not 0 <= items.columns.min() <= items.columns.max() < n:
        raise ValueError(f"a column is outside 0 to {n - 1}")
    if not (np.isfinite(items.values).all() and 0 <= items.share <= 1):
        raise ValueError("an item weight is not a finite number")
