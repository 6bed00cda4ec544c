"""Matinee: movie ratings in, recommendations out."""

import os

# Before NumPy is imported anywhere: its BLAS would start a thread a core for every product that a request
# needs, and spin; two requests at once then wait for each other. The training kernel has its own threads.
for _library in ("OPENBLAS", "MKL", "OMP"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
