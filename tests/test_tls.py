"""The certificate of `matinee serve`: what cannot be used is one line at the start."""

import os
from pathlib import Path

import pytest

from app.cli import tls
from app.cli.commands import main
from app.config import Settings
from app.errors import ConfigurationError
from tests import certificates


def test_without_a_certificate_there_is_no_tls() -> None:
    assert tls.context(Settings()) is None


def test_a_certificate_and_its_key(tmp_path: Path) -> None:
    cert, key = certificates.make(tmp_path)
    assert tls.context(Settings(tls_cert=cert, tls_key=key)) is not None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("server.crt", ""), "MATINEE_TLS_CERT is set and MATINEE_TLS_KEY is not. Set both, or none."),
        (("", "server.key"), "MATINEE_TLS_KEY is set and MATINEE_TLS_CERT is not. Set both, or none."),
        (("none.crt", "server.key"), "MATINEE_TLS_CERT is .*none.crt.* cannot be read: No such file"),
        (("server.crt", "none.key"), "MATINEE_TLS_KEY is .*none.key.* cannot be read: No such file"),
        ((".", "server.key"), "MATINEE_TLS_CERT is .* cannot be read: Is a directory"),
        (("server.crt", "other.key"), "no pair that can be used: key values mismatch"),
        (("server.key", "server.crt"), "no pair that can be used"),
        (("empty", "server.key"), "no pair that can be used"),
        (("secret.crt", "secret.key"), "no pair that can be used.*without a passphrase"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, given: tuple[str, str], reason: str) -> None:
    certificates.make(tmp_path)
    certificates.make(tmp_path, "other")
    certificates.make(tmp_path, "secret", passphrase="a passphrase")
    (tmp_path / "empty").touch()
    cert, key = (str(tmp_path / name) if name else "" for name in given)
    with pytest.raises(ConfigurationError, match=reason):
        tls.context(Settings(tls_cert=cert, tls_key=key))


def test_a_wrong_one_ends_the_start_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = dict(os.environ)
    monkeypatch.setenv("MATINEE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MATINEE_PORT", "0")
    monkeypatch.setenv("MATINEE_TLS_CERT", "/no/such.crt")
    monkeypatch.setenv("MATINEE_TLS_KEY", "/no/such.key")
    try:
        assert main(["serve"]) == 1
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "data").exists()
