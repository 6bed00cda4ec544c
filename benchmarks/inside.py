"""What logs, metrics and traces cost: CPU time of a server for GET /recommendations, with them and without.

    uv run python -m benchmarks.inside [--requests 20000] [--pairs 5] [--json FILE]

Three servers on one database are asked in turns: one whose layer for requests only gives an id, one as it is,
with its log in a file, and one with traces as well, which go to a receiver here. What is compared is the CPU
time of their processes, pair by pair. The requests of a pair go to them in turns, 500 at a time: what else a
machine does changes the time of a request within seconds, and so that of all three.
"""

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from pathlib import Path
from typing import Any

import psutil
from starlette.types import Message, Receive, Scope, Send

from app.api.edge.request_ids import request_id_of
from app.api.edge.requests import Requests
from app.config import Settings
from app.service import Service
from app.tasks.start import start
from app.tasks.worker import run_next
from benchmarks.report import Report, arguments

TURN = 500
"""Requests to one server before it is the turn of the next."""
MOST = 5.0
"""Percent of CPU time that logs and metrics may cost."""
OFF = "import app.api.edge as edge; from benchmarks.inside import Bare; edge.Requests = Bare; "
RUN = "import sys, uvicorn; uvicorn.run('app.main:app', port=int(sys.argv[1]), http='h11', loop='asyncio')"


class Bare(Requests):
    """Gives an id, and neither counts nor logs."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = request_id_of(scope["fields"].get(b"x-request-id", b""))
        scope["request_id"] = request_id.decode()
        scope["belongs"] = {}

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
            await send(message)

        await self.app(scope, receive, send_with_id)


class Sink(BaseHTTPRequestHandler):
    """Takes spans and forgets them."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class Target:
    """A server in a process of its own."""

    def __init__(self, folder: Path, name: str, port: int, code: str, **environment: str) -> None:
        self.name, self._port = name, port
        settings = {
            "MATINEE_DATA_DIR": str(folder / "data"),
            "MATINEE_EMBEDDED_WORKER": "off",
            "MATINEE_LOG_FORMAT": "json",
        }
        with (folder / f"{name}.log").open("wb") as log:
            self._process = psutil.Popen(
                [sys.executable, "-c", code + RUN, str(port)],
                env=os.environ | settings | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def ask(self, requests: int) -> float:
        """CPU seconds of the server for so many requests on one connection."""
        connection = self._connected()
        before = self._process.cpu_times()
        for number in range(requests):
            connection.request("GET", f"/recommendations/{1001 + number % 200}")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
        after = self._process.cpu_times()
        connection.close()
        return float(after.user + after.system - before.user - before.system)

    def _connected(self) -> http.client.HTTPConnection:
        deadline = time.monotonic() + 600
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            try:
                connection.connect()
                return connection
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)


def prepare(folder: Path) -> None:
    """A database with the sample and a model."""
    settings = Settings(data_dir=folder / "data", embedded_worker=False)
    service = Service(settings)
    for kind in ("import_ratings", "rebuild_model"):
        start(service.database, kind)
    while run_next(service.database, settings):
        pass
    service.close()


def compare(report: Report, targets: list[Target], requests: int, pairs: int) -> None:
    shares: dict[str, list[float]] = {target.name: [] for target in targets[1:]}
    for target in targets:
        target.ask(max(100, requests // 20))
    for pair in range(pairs):
        seconds = dict.fromkeys((target.name for target in targets), 0.0)
        for turn in range(ceil(requests / TURN)):
            for target in targets if turn % 2 == 0 else targets[::-1]:
                seconds[target.name] += target.ask(min(TURN, requests - turn * TURN))
        off = seconds[targets[0].name]
        for name, found in shares.items():
            found.append(100 * (seconds[name] / off - 1))
        us = {f"{name}_us": round(1e6 * spent / requests, 1) for name, spent in seconds.items()}
        report.add(pair=pair + 1, **dict(sorted(us.items())))
    report.at_most("logs and metrics, % of CPU, median", statistics.median(shares["on"]), MOST)
    report.add(traces_percent=round(statistics.median(shares["traces"]), 1))


def main() -> int:
    parser = arguments(__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--port", type=int, default=8_460, help="the first of three")
    options = parser.parse_args()
    report = Report("inside")
    sink = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{sink.server_port}"}
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), options.port
        prepare(folder)
        targets = [
            Target(folder, "off", port, OFF, MATINEE_LOG_LEVEL="WARNING"),
            Target(folder, "on", port + 1, ""),
            Target(folder, "traces", port + 2, "", **traces),
        ]
        try:
            compare(report, targets, options.requests, options.pairs)
        finally:
            for target in targets:
                target.close()
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
