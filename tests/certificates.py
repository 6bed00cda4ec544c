"""Certificates for tests."""

import os
import subprocess
from pathlib import Path

import pytest

OPTIONS = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -subj /CN=localhost"
NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:films.example"


def make(folder: Path, name: str = "server", *, passphrase: str = "") -> tuple[str, str]:
    """Paths of a certificate for this machine, and of its key. Skips (not in CI) without openssl."""
    cert, key = str(folder / f"{name}.crt"), str(folder / f"{name}.key")
    hidden = ["-passout", f"pass:{passphrase}"] if passphrase else ["-nodes"]
    options = [*OPTIONS.split(), *hidden, "-addext", NAMES, "-keyout", key, "-out", cert]
    try:
        subprocess.run(["openssl", "req", *options], check=True, capture_output=True)
    except FileNotFoundError:
        if os.environ.get("CI"):
            raise
        pytest.skip("There is no openssl: apt-get install openssl")
    return cert, key
