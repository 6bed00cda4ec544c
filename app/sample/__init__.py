"""The bundled sample: a starter catalogue and made-up ratings of it (`benchmarks/sample.py` makes them)."""

from pathlib import Path

MOVIES = Path(__file__).parent / "movies.csv"
RATINGS = Path(__file__).parent / "ratings.csv"
FIRST_USER = 1001
