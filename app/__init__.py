"""Matinee: movie ratings in, recommendations out."""

from app import process

process.limit_blas_threads()
