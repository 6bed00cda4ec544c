"""With the door closed: who is on this machine, and what is missing for all others."""

from starlette.types import Scope

from app import network
from app.api.edge.proxies import PassedOn
from app.config import Settings
from app.errors import AppError, Forbidden

USER_ADD = "on the machine that it runs on, `matinee user add NAME --role admin`"


def refusal_of_strangers(scope: Scope, settings: Settings) -> AppError | None:
    """Why a caller is not let in, and all that is missing, if it is not on this machine."""
    passed_on: PassedOn | None = scope.get("passed_on")
    if passed_on is None and _is_here(scope):
        return None
    missing = "; ".join(f"({number}) {step}" for number, step in enumerate(_steps(scope, settings), 1))
    by = f", and a proxy passed this request on (header {passed_on.header[:50]})" if passed_on else ""
    return Forbidden(f"This service is open to its own machine only{by}. To open it: {missing}.")


def _steps(scope: Scope, settings: Settings) -> list[str]:
    """What is missing, of the account and of the settings."""
    passed_on: PassedOn | None = scope.get("passed_on")
    host = passed_on.host if passed_on else scope["fields"].get(b"host", b"").decode("latin-1")
    name = network.host_name(host)
    wanted = []
    if passed_on is None and network.is_local(settings.host) and not _is_reached(scope):
        wanted.append("MATINEE_HOST=0.0.0.0")
    names = network.host_names(settings.allowed_hosts)
    if name and name not in names and network.address(network.bare(name)) is None:
        wanted.append(f"{name[:100]} in MATINEE_ALLOWED_HOSTS")
    if passed_on and not passed_on.is_trusted:
        wanted.append(f"{passed_on.proxy[:50]}, the address of the proxy, in MATINEE_TRUSTED_PROXIES")
    return [USER_ADD, f"restart it with {' and '.join(wanted)}"] if wanted else [USER_ADD]


def _is_reached(scope: Scope) -> bool:
    """Whether the server listens at an address that other machines reach."""
    address = network.address(scope["server"][0]) if scope.get("server") else None
    return address is not None and not address.is_loopback


def _is_here(scope: Scope) -> bool:
    client = scope.get("client")
    if client is None:  # a Unix socket has a path, and no port
        return is_in_process(scope) or bool(scope.get("server") and scope["server"][1] is None)
    address = network.address(client[0])
    return is_in_process(scope) if address is None else address.is_loopback


def is_in_process(scope: Scope) -> bool:
    """Whether the caller is a client in this process, such as TestClient.

    A server on a socket names the address that it is bound to, or the path of a Unix socket; a client that
    calls the application without a socket names the host of its URL.
    """
    server = scope.get("server")
    if server is None or "/" in server[0] or network.address(server[0]) is not None:
        return False
    return server[1] is not None or scope.get("client") is not None  # a Unix socket has neither
