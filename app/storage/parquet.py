"""Parquet files, written and read by pyarrow, which is an extra."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.errors import ConfigurationError

Columns = Mapping[str, Any]
"""Arrays or lists of equal length, by the name of the column."""

BUFFERED, FEWEST = 1 << 21, 1 << 12
"""Rows that wait in all files of a table for their row groups; the fewest of a row group but the last."""
MILLISECONDS = 1_000


def library() -> Any:
    """pyarrow, with its module for Parquet. Raises `ConfigurationError` where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigurationError(
            "Parquet needs pyarrow: install matinee[parquet] (`uv sync --extra parquet`)."
        ) from None
    return pyarrow


def _type(arrow: Any, kind: str) -> Any:
    """`time` is one in epoch seconds; `vector` a list of float32."""
    if kind == "time":
        return arrow.timestamp("ms", tz="UTC")
    return arrow.list_(arrow.float32()) if kind == "vector" else arrow.type_for_alias(kind)


def _array(arrow: Any, values: Any, kind: str) -> Any:
    wanted = _type(arrow, kind)
    if kind == "time":
        return arrow.array(np.asarray(values, np.int64) * MILLISECONDS).view(wanted)
    if kind == "vector":
        rows, width = values.shape
        ends = arrow.array(np.arange(rows + 1, dtype=np.int32) * np.int32(width))
        return arrow.ListArray.from_arrays(ends, arrow.array(values.ravel(), arrow.float32()))
    return arrow.array(values, wanted)


class Table(AbstractContextManager["Table"]):
    """A table in one or several files of a folder, as `part-00000.parquet` and so on.

    `kinds`: the type of each column (`int64`, `int32`, `float32`, `string`, `time`, `vector`). Rows are kept
    back until a row group of a file is full, `BUFFERED` in all. `metadata`: texts for the schema.
    """

    def __init__(
        self,
        folder: Path,
        kinds: Mapping[str, str],
        files: int = 1,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self._arrow, self._kinds = library(), kinds
        schema = self._arrow.schema([(name, _type(self._arrow, kind)) for name, kind in kinds.items()])
        self._schema = schema.with_metadata(dict(metadata or {}))
        self._group = max(FEWEST, BUFFERED // (2 * files))
        self._waiting: list[list[Columns]] = [[] for _ in range(files)]
        self._sizes = [0] * files
        folder.mkdir(parents=True)
        with ExitStack() as stack:
            self._files = [
                stack.enter_context(
                    self._arrow.parquet.ParquetWriter(
                        folder / f"part-{number:05}.parquet", self._schema, compression="zstd"
                    )
                )
                for number in range(files)
            ]
            self._stack = stack.pop_all()
        self.rows = 0

    def add(self, columns: Columns, files: NDArray[np.int64] | None = None) -> None:
        """Add rows [n], each to the file that `files` [n] says, by default all to the first."""
        size = len(next(iter(columns.values())))
        self.rows += size
        if files is None or len(self._files) == 1:
            self._keep(0, columns, size)
            return
        order = np.argsort(files, kind="stable")
        sorted_columns = {name: np.asarray(values)[order] for name, values in columns.items()}
        ends = np.searchsorted(files[order], np.arange(len(self._files) + 1))
        for number in np.flatnonzero(np.diff(ends)).tolist():
            some = slice(ends[number], ends[number + 1])
            part = {name: values[some] for name, values in sorted_columns.items()}
            self._keep(number, part, int(ends[number + 1] - ends[number]))

    def _keep(self, number: int, columns: Columns, size: int) -> None:
        self._waiting[number].append(columns)
        self._sizes[number] += size
        if self._sizes[number] >= self._group:
            self._write(number)

    def _write(self, number: int) -> None:
        parts, self._waiting[number], self._sizes[number] = self._waiting[number], [], 0
        if not parts:
            return
        arrays = []
        for name, kind in self._kinds.items():
            values = [part[name] for part in parts]
            whole = values[0] if len(values) == 1 else np.concatenate(values)
            arrays.append(_array(self._arrow, whole, kind))
        self._files[number].write_batch(self._arrow.record_batch(arrays, schema=self._schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: Any) -> None:
        """Write what is kept back, unless something was raised, and close the files."""
        with self._stack:
            if raised[0] is None:
                for number in range(len(self._files)):
                    self._write(number)


def metadata_of(path: Path) -> tuple[dict[str, str], dict[str, str], int]:
    """The texts of a file's schema, its columns with their types, and its rows. Raises `ValueError`."""
    arrow = library()
    try:
        file = arrow.parquet.ParquetFile(path)
    except arrow.ArrowInvalid as error:
        raise ValueError(f"it is no Parquet file ({error})") from None
    with file:
        schema = file.schema_arrow
        texts = {key.decode(): text.decode(errors="replace") for key, text in (schema.metadata or {}).items()}
        return texts, {field.name: str(field.type) for field in schema}, file.metadata.num_rows


def vectors(path: Path, key: str, name: str) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Batches of an integer column [n] and of a column of lists of numbers as [n, k].

    Raises `ValueError` for lists of different lengths and for what has no value.
    """
    arrow = library()
    with arrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=[key, name]):
            if not len(batch):
                continue
            ids, lists = batch.column(key), batch.column(name)
            lengths = np.unique(arrow.compute.list_value_length(lists).to_numpy(zero_copy_only=False))
            if ids.null_count or lists.null_count or len(lengths) != 1:
                raise ValueError(f"the lists in {name} are not all of one length, or a value is missing")
            values = np.asarray(lists.flatten().to_numpy(zero_copy_only=False), np.float32)
            yield np.asarray(ids.to_numpy(), np.int64), values.reshape(len(ids), -1)
