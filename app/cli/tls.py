"""The certificate of `matinee serve`."""

import ssl
from pathlib import Path

from app.config import Settings
from app.errors import ConfigurationError

WHAT = "The first is a certificate with its chain, the second its key without a passphrase, both in PEM."


def context(settings: Settings) -> ssl.SSLContext | None:
    """For TLS 1.2 and later; None without a certificate. Raises `ConfigurationError`."""
    files = {"MATINEE_TLS_CERT": settings.tls_cert, "MATINEE_TLS_KEY": settings.tls_key}
    given = {name: path for name, path in files.items() if path}
    if not given:
        return None
    if lacking := files.keys() - given:
        raise ConfigurationError(f"{''.join(given)} is set and {''.join(lacking)} is not. Set both, or none.")
    for name, path in given.items():
        _read(name, path)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        made.load_cert_chain(settings.tls_cert, settings.tls_key, password=_no_passphrase)
    except (ssl.SSLError, ValueError) as error:
        reason = str(getattr(error, "reason", None) or "PEM lib").lower().replace("_", " ")
        raise ConfigurationError(
            f"MATINEE_TLS_CERT ({settings.tls_cert}) and MATINEE_TLS_KEY ({settings.tls_key}) are no pair "
            f"that can be used: {reason}. {WHAT}"
        ) from None
    return made


def _read(name: str, path: str) -> None:
    """Raises `ConfigurationError` if the file cannot be read."""
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except OSError as error:
        raise ConfigurationError(f"{name} is {path!r}, which cannot be read: {error.strerror}.") from None


def _no_passphrase() -> str:
    """Instead of a question at the terminal, which a service does not have."""
    return ""
