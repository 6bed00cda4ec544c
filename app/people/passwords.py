"""Passwords: Argon2id (RFC 9106), by `pwdlib`."""

import functools

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from app.errors import Invalid

SHORTEST, LONGEST = 8, 1_000
"""Characters. A hash takes as long for the longest as for the shortest."""
MEMORY, PASSES, THREADS = 19 << 10, 2, 1
"""KiB (OWASP, Password Storage Cheat Sheet): a hash takes 20 ms of one processor, and others stay free."""


@functools.cache
def _hasher() -> PasswordHash:
    return PasswordHash((Argon2Hasher(PASSES, MEMORY, THREADS),))


@functools.cache
def _decoy() -> str:
    """The hash that a password is compared with where there is no account: it takes as long."""
    return _hasher().hash("compared where there is no account")


def hashed(password: str) -> str:
    """The hash to store. Raises `Invalid` for a password of a wrong length."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(f"A password has {SHORTEST} to {LONGEST:,} characters.")
    return _hasher().hash(password)


def fits(password: str, stored: str | None) -> bool:
    """Whether a password is the stored one. Takes the same time without a stored one (None)."""
    decoy = _decoy()  # made on first use, with an account or without
    known = _hasher().verify(password[: LONGEST + 1], stored or decoy)
    return known and stored is not None and len(password) <= LONGEST
