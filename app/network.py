"""Addresses, networks and origins, as settings and headers write them."""

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

UNIX = "unix"
"""In a list of proxies: one that connects through a Unix socket."""
LOCALHOST = ipaddress.IPv4Address("127.0.0.1")
LOCAL_NAMES = frozenset(("localhost", "127.0.0.1", "[::1]"))
PORTS = {"http": "80", "https": "443"}
HOST = re.compile(r"([a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{0,5})?")
"""Of a Host header, in lower case."""
_ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")


def address(text: str) -> Address | None:
    """The address, or None if the text is none. IPv4 in IPv6 (`::ffff:192.0.2.1`) is IPv4."""
    if text == "127.0.0.1":  # nearly every caller
        return LOCALHOST
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def host_names(text: str) -> frozenset[str]:
    """The names in a list of further Host names, with those by which a machine calls itself."""
    return frozenset(separated(text.lower())) | LOCAL_NAMES


def is_local(name: str) -> bool:
    """Whether the host is an address or a name by which a machine calls itself alone."""
    found = address(bare(name))
    return name in LOCAL_NAMES or (found is not None and found.is_loopback)


def bare(name: str) -> str:
    """A host without the brackets of IPv6."""
    return name.removeprefix("[").removesuffix("]")


def host_name(host: str) -> str:
    """The value of a Host header without its port, in lower case; empty if it is none."""
    match = HOST.fullmatch(host.strip().lower())
    return match[1] if match else ""


def separated(text: str) -> list[str]:
    """What stands between commas, without blanks and empty parts."""
    return [part.strip() for part in text.split(",") if part.strip()]


def networks(text: str) -> tuple[Network, ...]:
    """The networks in a list of proxies; an address is a network of one. Raises `ValueError`."""
    return tuple(_network(part) for part in separated(text) if part != UNIX)


def _network(text: str) -> Network:
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(
            f"{text[:100]!r} is no address and no network; write 192.0.2.7 or 10.0.0.0/8, or unix for the "
            "other end of a Unix socket"
        ) from None
    if found.prefixlen == 0:
        raise ValueError(f"{text!r} is every address, and any caller could pose as any other")
    return found


def origins(text: str) -> frozenset[str]:
    """The origins in a list, as browsers write them. Raises `ValueError`."""
    return frozenset(_origin(part) for part in separated(text))


def _origin(text: str) -> str:
    if text == "*":
        raise ValueError("'*' would let every page on the web read what is kept here; name each origin")
    match = _ORIGIN.fullmatch(text.lower())
    if match is None or int(match[3] or 0) > 65_535:
        raise ValueError(f"{text[:100]!r} is no origin; write https://films.example, without a path")
    scheme, host, port = match.groups()
    return f"{scheme}://{host}" if port in (None, PORTS[scheme]) else f"{scheme}://{host}:{port}"
