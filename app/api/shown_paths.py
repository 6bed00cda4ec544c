"""Paths as logs and errors show them: that of an invitation holds a secret."""

import logging
import re

_SECRET = re.compile(r"(/invite/)[^/?\s]+")
_SERVERS = logging.getLogger("uvicorn.access")


def shown(path: str) -> str:
    return _SECRET.sub(r"\1...", path)


class _WithoutSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(shown(one) if isinstance(one, str) else one for one in record.args)
        return True


def install() -> None:
    """Have the server's own lines about requests show paths so too."""
    if not any(isinstance(one, _WithoutSecrets) for one in _SERVERS.filters):
        _SERVERS.addFilter(_WithoutSecrets())
