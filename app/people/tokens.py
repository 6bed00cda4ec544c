"""Access tokens (JWT, RFC 7519) and the random secrets of sessions, refresh tokens, invitations and keys."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from app.errors import Unauthorized
from app.people.secrets import Secret

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "matinee"
KEY_PREFIX = "matinee_"
"""Every API key begins with it: so it differs from a token, and scanners find one that leaked."""
LONGEST = 1_000
"""Characters of an access token; those that are made here have some 300."""
_FORM = re.compile(r"[\w-]+\.[\w-]+\.[\w-]{42}[AEIMQUYcgkosw048]", re.ASCII)
"""The compact form (RFC 7515, section 3.1) with a signature of 256 bits, in the only text for its bytes:
Python's Base64 takes many."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What an access token says; `expires_at` in epoch seconds."""

    session: str
    user_id: int
    expires_at: float


def issue(secret: Secret, claims: Claims, *, now: float) -> str:
    payload: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(claims.user_id),
        "sid": claims.session,
    }
    payload |= {"iat": int(now), "exp": int(claims.expires_at)}
    return jwt.encode(payload, secret.value, ALGORITHM, {"kid": secret.id})


def verify(valid: Sequence[Secret], token: str) -> Claims:
    """The claims of an access token that one of the secrets signed. Raises `Unauthorized`.

    Whether it has expired is for the caller to see. When it was issued is not judged: after a clock was put
    back that would refuse every token.
    """
    try:
        if len(token) > LONGEST or not _FORM.fullmatch(token):
            raise ValueError
        key_id = jwt.get_unverified_header(token).get("kid")
        secret = next(one for one in valid if one.id == key_id)
        required = ["iss", "aud", "sub", "sid", "exp"]
        payload = jwt.decode(
            token,
            secret.value,
            [ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": required, "verify_exp": False, "verify_iat": False},
        )
        return Claims(str(payload["sid"]), int(payload["sub"]), float(payload["exp"]))
    except (jwt.PyJWTError, StopIteration, ValueError, TypeError, RecursionError):
        raise Unauthorized(
            "The access token is not valid. Log in again at POST /token.",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        ) from None


def new_secret() -> str:
    """256 random bits, as text that fits into an address."""
    return secrets.token_urlsafe(32)


def new_key() -> tuple[str, str]:
    """A new API key, and the prefix of it that is shown later."""
    prefix = KEY_PREFIX + secrets.token_hex(4)
    return f"{prefix}_{new_secret()}", prefix


def digest(secret: str) -> str:
    """What is stored of a random secret: its SHA-256. They are too long to be guessed from it."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
