"""The listening socket of a server."""

import errno
import os
import socket

from app.errors import ConfigurationError


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `ConfigurationError`, which says what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol: asyncio switches Nagle's algorithm off only for sockets that name TCP.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()  # from here on a client waits for the server instead of being refused
    except (OSError, OverflowError) as error:
        listening.close()
        raise ConfigurationError(_reason(host, port, error)) from error
    return listening


def _reason(host: str, port: int, error: OSError | OverflowError) -> str:
    if isinstance(error, OverflowError):
        return f"{port} is no port. Set MATINEE_PORT to a number from 1 to 65535."
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is in use by another program, perhaps a Matinee that runs already. "
            "End that one, or set MATINEE_PORT to another port."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"Port {port} may not be used by this user. Set MATINEE_PORT to one above 1023."
    reason = error.strerror or os.strerror(error.errno or 0)
    return f"Nothing can listen at {host}: {reason}. Set MATINEE_HOST to an address of this machine."
