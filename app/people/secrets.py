"""The secret that signs tokens: a setting, or a file in the data folder with mode 0600."""

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from app.config import Settings
from app.errors import ConfigurationError
from app.storage.files import write_atomically

LENGTH = 32
"""Bytes of a secret that is made here; also the least that a setting may have (RFC 7518, section 3.2)."""


@dataclass(frozen=True, slots=True)
class Secret:
    """`id`: the key id (`kid`) in the head of a token."""

    value: bytes

    @property
    def id(self) -> str:
        return hashlib.sha256(b"key id" + self.value).hexdigest()[:16]


def path_of(settings: Settings) -> Path:
    return settings.data_dir / "secret.key"


def load(settings: Settings) -> list[Secret]:
    """The secrets that are valid, first the one that signs; none if none was made.

    Raises `ConfigurationError` for a short one, and for a file that cannot be read.
    """
    if settings.secret_key:
        texts = [settings.secret_key, settings.secret_key_before]
    else:
        try:
            texts = path_of(settings).read_text("ascii").splitlines()
        except FileNotFoundError:
            texts = []
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"The secret that signs tokens cannot be read from {path_of(settings)}: {error}. Put the "
                "file back, or delete it and run `matinee door rotate`: then everybody logs in again."
            ) from error
    found = [Secret(text.encode()) for text in texts if text]
    if any(len(secret.value) < LENGTH for secret in found):
        raise ConfigurationError(
            f"The secret that signs tokens has fewer than {LENGTH} bytes. Delete {path_of(settings)} and run "
            "`matinee door rotate`, or set MATINEE_SECRET_KEY to a longer one."
        )
    return found


def rotate(settings: Settings) -> None:
    """Put a new secret into the file; that before it still verifies. Raises `ConfigurationError`."""
    if settings.secret_key:
        raise ConfigurationError(
            "MATINEE_SECRET_KEY is set, so the file is not used. Set MATINEE_SECRET_KEY_BEFORE to its value, "
            "MATINEE_SECRET_KEY to a new one, and restart."
        )
    before = [secret.value.decode() for secret in load(settings)[:1]]
    text = "\n".join([secrets.token_urlsafe(LENGTH), *before])
    write_atomically(path_of(settings), f"{text}\n".encode())
    path_of(settings).chmod(0o600)


def ensure(settings: Settings) -> bool:
    """Make a secret if there is none; returns whether it did."""
    if load(settings):
        return False
    rotate(settings)
    return True
