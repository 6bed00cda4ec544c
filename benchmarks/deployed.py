"""What `deploy/compose.yaml` describes, as processes of this machine: does it start, and do its work.

Services, commands, variables, health checks, order, networks and nginx's file are read from `deploy/` and
used as they are; `benchmarks/deployed_programs.py` says which programs stand in for which images. As
docs/deploy.md has it, the stores start, an account is made, and then the rest. Through the proxy, with TLS
and a key, it has to pass the first page of `benchmarks.cluster`.

    uv run --group deploy python -m benchmarks.deployed --json FILE
"""

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from benchmarks.cluster import run_pages
from benchmarks.cluster_site import Site
from benchmarks.deployed_files import DEPLOY, Service, services
from benchmarks.deployed_programs import Machine, program
from benchmarks.report import Report, arguments, note
from tests import certificates
from tests.server import free_port, poll

NAME = "localhost"
LOOK = 0.2
"""Seconds between two health checks here; the files' are made for years, not for a start."""
SLOWNESS = 4
"""All services share this machine: each may take so many times as long to start as Docker would wait."""
READS = 40


def values() -> dict[str, str]:
    """What `.env` has, by the command of docs/deploy.md."""
    document = (DEPLOY.parent / "docs" / "deploy.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^    (printf 'NAME=.+\n.+) > \.env$", document, re.MULTILINE)
    said = subprocess.run(["bash", "-c", line], check=True, capture_output=True, text=True).stdout
    return dict(row.split("=", 1) for row in said.splitlines()) | {"NAME": NAME}


class Deployment:
    """All of it. What is started is ended by `close`."""

    def __init__(self, folder: Path, report: Report) -> None:
        self.report, self.services = report, services(values())
        (folder / "certs").mkdir()
        cert, key = certificates.make(folder / "certs", "films")
        assert (Path(cert).name, Path(key).name) == ("films.crt", "films.key")
        self.trusted, self.outside = cert, {8443: free_port(), 8080: free_port()}
        self.machine = Machine(folder, self.services, self.outside)
        self.token = ""

    def named(self, name: str) -> Service:
        return self.machine.services[name]

    @property
    def ours(self) -> list[Service]:
        return [one for one in self.services if one.is_ours]

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.outside[8443]}"

    def client(self, **headers: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, verify=self.trusted, headers=headers, timeout=30)

    def up(self) -> None:
        """The stores, then an account and a key, then all that is ours and the proxy."""
        for service in self.services:
            if service.is_ours and not self.token:
                self._make_an_account(service)
            note(f"{service.name}: {service.image}")
            began = time.monotonic()
            self.machine.start(service)
            self._wait(service)
            seconds = time.monotonic() - began if service.health else None
            self.report.add(service=service.name, image=service.image, healthy_after_s=seconds)

    def _wait(self, service: Service) -> None:
        within = SLOWNESS * (service.health.patience if service.health else 15.0)
        poll(lambda: self.machine.is_healthy(service), within=within, every=LOOK)

    def _make_an_account(self, service: Service) -> None:
        """`docker compose run --rm api-1 user add Ann --role admin`, and a key for the client."""
        self._command(service, "user", "add", "Ann", "--role", "admin", "--password-stdin")
        made = self._command(service, "key", "add", "benchmark", "--owner", "Ann", "--role", "admin")
        self.token = made.strip()

    def _command(self, service: Service, *words: str) -> str:
        done = subprocess.run(
            program(service, *words),
            env=self.machine.environment(service),
            input=f"{secrets.token_hex(16)}\n",
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"matinee {' '.join(words)}: {done.stderr}")
        return done.stdout

    def restart(self, service: Service) -> None:
        self.machine.start(service)
        self._wait(service)

    def database_url(self) -> str:
        service = self.ours[0]
        return self.machine.here(service.environment["MATINEE_DATABASE_URL"], service)

    def close(self) -> None:
        self.machine.close()


def ask_as_a_stranger(deployment: Deployment, report: Report) -> None:
    """What the proxy and the door do with callers, by the files' own settings."""
    plain = f"http://{NAME}:{deployment.outside[8080]}/movies"
    with deployment.client() as stranger:
        led = httpx.get(plain).headers.get("location") == f"https://{NAME}/movies"
        report.at_least("http leads to https", float(led), 1)
        forged = stranger.get("/movies", headers={"X-Forwarded-For": "127.0.0.1"}).status_code
        report.at_least("who has no key is refused", float(forged == 401), 1)
    with deployment.client(Authorization=f"Bearer {deployment.token}") as client:
        foreign = client.get("/movies", headers={"Host": "evil.example"}).status_code
        report.at_least("a foreign name is refused", float(foreign == 421), 1)


def ask_beside_a_killed_process(deployment: Deployment, report: Report) -> None:
    """An API process is killed: the proxy asks the other one; it comes back by the same command."""
    killed = deployment.named("api-1")
    with deployment.client(Authorization=f"Bearer {deployment.token}") as client:
        deployment.machine.processes["api-1"].kill()
        failed = sum(client.get("/movies?limit=1").status_code != 200 for _ in range(READS))
        deployment.restart(killed)
        failed += sum(client.get("/movies?limit=1").status_code != 200 for _ in range(READS))
    report.at_most("reads that failed while an API process was gone", failed, 0)


def judge_logs(deployment: Deployment, report: Report) -> None:
    """Both API processes were asked, and took the proxy's word for who calls."""
    for name in ("api-1", "api-2"):
        lines = [line for line in deployment.machine.log(name).splitlines() if line.startswith("{")]
        callers = {json.loads(line).get("client") for line in lines} - {None}
        outside = callers - {deployment.named(name).address}
        report.at_least(f"{name} knows who calls", float(outside == {"127.0.0.1"}), 1)


def stop(deployment: Deployment, report: Report) -> None:
    """Each of ours ends by itself, within its time, and the proxy too."""
    for service in reversed(deployment.services):
        if service.name not in deployment.machine.processes:
            continue
        seconds = deployment.machine.stop(service)
        report.add(stopped=service.name, within_s=service.grace, seconds=seconds)
        if service.is_ours:
            report.at_least(f"{service.name} ends by itself", float(seconds is not None), 1)


def measure(deployment: Deployment, report: Report, rows: int) -> None:
    deployment.up()
    os.environ["SSL_CERT_FILE"] = deployment.trusted  # for our client, as an operator's would have it
    ask_as_a_stranger(deployment, report)
    processes = deployment.machine.processes
    workers = [one for one in deployment.ours if "worker" in one.command]
    handles: list[psutil.Process] = [processes[one.name] for one in workers]
    site = Site(deployment.url, deployment.database_url(), handles, token=deployment.token)
    run_pages(site, ["first"], rows, report)
    site.disconnect()
    for service in workers:
        if processes[service.name].poll() is not None:
            deployment.restart(service)
    ask_beside_a_killed_process(deployment, report)
    judge_logs(deployment, report)
    stop(deployment, report)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=400_000, help="of all files together")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended, too
    report, folder = Report("deployed"), Path(tempfile.mkdtemp(prefix="matinee-deployed-"))
    with contextlib.ExitStack() as stack:
        if not options.keep:
            stack.callback(lambda: subprocess.run(["rm", "-r", str(folder)], check=False))
        deployment = stack.enter_context(contextlib.closing(Deployment(folder, report)))
        measure(deployment, report, options.rows)
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
