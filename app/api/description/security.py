"""How a caller says who they are, and what a route asks of them, from its rule."""

from typing import Any

from app.api.edge.callers import COOKIE
from app.api.edge.rules import Rule

SCHEMES: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token of POST /token, or an API key.",
    },
    "password": {
        "type": "oauth2",
        "flows": {"password": {"tokenUrl": "/token", "refreshUrl": "/token", "scopes": {}}},
        "description": "Name and password for an access token and a refresh token (RFC 6749, section 4.3).",
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The session of the page; under TLS its name begins with `__Host-` or `__Secure-`. "
        "A change also needs the header X-CSRF-Token.",
    },
}


def security_of(rule: Rule) -> list[dict[str, list[str]]]:
    """Any one of the schemes; none with the door closed, for callers on the same machine."""
    if rule.role is None:
        return []
    return [{}, *({name: list[str]()} for name in SCHEMES)]


def who_may(rule: Rule) -> str:
    """A sentence on who may call the route."""
    if rule.role is None:
        return "For everybody." if rule.anywhere else "For everybody who reaches the service."
    limits = {
        "own": "; a viewer: their own alone, named by `user_id`",
        "own_task": "; a viewer: their own tasks alone",
    }
    limit = next((text for name, text in limits.items() if getattr(rule, name)), "")
    return f"Needs the role {rule.role}{limit}."
