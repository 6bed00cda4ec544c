"""An S3 server of the test run's own, from a wheel: it checks signatures, and keeps objects as files."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "matinee", "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests"}
BUCKET = "films"
START_TIMEOUT = 30


class S3Server:
    """One bucket. It listens at the same port after it was killed and started again."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="matinee-s3-"))
        (self.folder / BUCKET).mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead a client here."""
        return KEYS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}", "AWS_REGION": "us-east-1"}

    def start(self) -> None:
        for left in self.folder.rglob("*.tmp"):  # of a kill within a write; it would refuse that key for ever
            left.unlink()
        names = ("NANIO_ACCESS_KEY", "NANIO_SECRET_KEY")
        keys = dict(zip(names, KEYS.values(), strict=True))
        where = ("--data-dir", str(self.folder), "--host", "127.0.0.1", "--port", str(self.port))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nanio", "serve", *where],
            env=os.environ | keys,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.02)
