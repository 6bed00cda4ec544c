"""How much an import handles at a time."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Tests make them small, so that little data has many boundaries."""

    block: int = 1 << 20
    """Bytes of a file that are read at once."""
    block_lines: int = 200_000
    """Lines of a block. Ratings have fewer; blank lines are shorter, and each may be rejected."""
    compiled_from: int = 12 << 20
    """Stored bytes of a file from which the compiled lane is worth its start of a second and more."""
    run_rows: int = 500_000
    """Few enough that sorting stays within the caches of a processor."""
    rows_in_memory: int = 8_000_000
    """Ratings that are kept in memory, 25 bytes each; the runs of a larger import all go to files."""
    rejects: int = 100_000
    rejects_bytes: int = 16 << 20
    """What a file of rejects holds at most; a last line tells how many more there are."""
    catalogue_rows: int = 500
    """Movies or links of a range."""
    ranges: int = 4
    """Ranges of a transaction at least while there is no other writer."""
    few_rows: int = 500
    """Rows of a range while there are other writers."""
    few_ranges: int = 16
    """Ranges of a transaction at most while there are: what it holds may be what they write next."""
    give_way_seconds: float = 0.25
    """A merge begins as if there were other writers: the first one may be about to come."""
    undo_rows: int = 2000
    """Ratings of a transaction of an undo: some ten milliseconds, which other writers wait for at most."""


DEFAULT = Sizes()
