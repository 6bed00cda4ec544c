"""A file that grows while a task runs, as segments in the store, of which a checkpoint tells what counts.

A segment is put whole; the last one is put again, longer, until it has `LEAST` bytes. So what a checkpoint
tells of it stays its beginning, whatever a killed attempt has written after that. Each attempt has names of
its own: one that was replaced without noticing it yet adds to its own alone.
"""

from collections.abc import Iterator, Sequence

from app.storage.store import Store

LEAST = 1 << 20
"""Bytes of a segment but the last one, and of those that are in memory."""


class Segments:
    """`folder`: where the segments are, such as `work/TASK/`; `name`: how those of this attempt begin.

    `kept`: what counts so far, a list of names and bytes, as `save` has returned it.
    """

    def __init__(
        self, store: Store, folder: str, name: str, kept: Sequence[Sequence[object]] = (), least: int = LEAST
    ) -> None:
        self._store, self._folder, self._name, self._least = store, folder, name, least
        self._kept = [(str(one), int(str(size))) for one, size in kept]
        self._tail, self._is_saved = bytearray(), True
        self.size = sum(size for _, size in self._kept)

    def append(self, data: bytes) -> None:
        """Add to the end; it counts once a checkpoint with what `save` returns is committed."""
        self._tail += data
        self.size += len(data)
        self._is_saved = not self._tail
        if len(self._tail) >= self._least:
            self._kept = self._put()
            self._tail.clear()

    def save(self) -> list[list[object]]:
        """Put what was added into the store; returns what a checkpoint has to keep."""
        return [list(one) for one in (self._put() if self._tail else self._kept)]

    def are_there(self) -> bool:
        """Whether the store has all that counts."""
        sizes = ((self._store.size(self._folder + name) or -1, size) for name, size in self._kept)
        return all(there >= size for there, size in sizes)

    def pieces(self) -> Iterator[bytes]:
        """All of it, piece by piece. Raises `FileNotFoundError`, `EOFError`."""
        for name, size in self._kept:
            yield from self._store.pieces(self._folder + name, size)
        if self._tail:
            yield bytes(self._tail)

    def _put(self) -> list[tuple[str, int]]:
        """Put the tail under the name of its place; returns all segments."""
        name = f"{self._name}-{self.size - len(self._tail)}"
        if not self._is_saved:
            self._store.put(self._folder + name, bytes(self._tail))
            self._is_saved = True
        return [*self._kept, (name, len(self._tail))]
