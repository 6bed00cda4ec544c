"""Databases of every schema there has been, made by the code of then.

    uv run python -m tests.storage.older     # makes those that are missing in tests/storage/schemas

Needs the history of the repository: for each line of migrations that the main branch has had, the last code
with it is unpacked into a folder, and a service of it is used a little. Its database is kept. Some
migrations were put into the line later: a file says which of those before its newest one it is without.
"""

import contextlib
import lzma
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCHEMAS = Path(__file__).parent / "schemas"
VERSIONS = "app/storage/migrations/versions"
LIFE = """
from fastapi.testclient import TestClient
from app.main import app
client = TestClient(app)
def sent(path, **given):
    answer = client.post(path, **given)
    assert answer.is_success, answer.text
    return answer.json()
sent("/movies", json={"title": "A Film of Ours", "year": 2001, "genre": "Drama"})
sent("/ratings", json={"movie_id": 1, "user_id": 7, "score": 4.5})
sent("/ratings", json={"movie_id": 32, "user_id": 7, "score": 3})
sent("/ratings", json={"movie_id": 1, "user_id": 5, "score": 2.5})
sent("/recommender/rebuild")
client.post("/users", json={"name": "Ada"})
service = getattr(app.state, "service", None)
if service is not None:
    service.close()
"""


def git(*words: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, check=True).stdout


def migrations(commit: str) -> list[str]:
    names = git("ls-tree", "--name-only", commit, f"{VERSIONS}/").decode().split()
    return sorted(Path(name).name[:4] for name in names if Path(name).name[:4].isdecimal())


def commits() -> dict[str, str]:
    """Of each line of migrations that the main branch has had before today's, the last commit, by name."""
    found = dict[str, str]()
    lines = git("log", "--first-parent", "--reverse", "--format=%H", "HEAD", "--", "app").decode().split()
    today = migrations("HEAD")
    for commit in lines:
        there = migrations(commit)
        if there and there != today:
            without = [number for number in today if number < there[-1] and number not in there]
            found["-without-".join([there[-1], *without])] = commit
    return found


def make(name: str, commit: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        code, data, small = Path(scratch) / "code", Path(scratch) / "data", Path(scratch) / "small.db"
        code.mkdir()
        subprocess.run(["tar", "-x", "-C", str(code)], input=git("archive", commit, "app"), check=True)
        if not (code / "app" / "imports").exists():  # the first code lacks it, and LIFE imports nothing
            (code / "app" / "imports.py").write_text("formats = None\n")
        environment = os.environ | {"PYTHONPATH": str(code), "MATINEE_DATA_DIR": str(data)}
        environment["MATINEE_EMBEDDED_WORKER"] = "off"  # what is queued stays so
        subprocess.run([sys.executable, "-c", LIFE], cwd=code, env=environment, check=True)
        with closing(sqlite3.connect(data / "matinee.db")) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (name[:4],)
            connection.execute("VACUUM INTO ?", (str(small),))
        (SCHEMAS / f"{name}.db.xz").write_bytes(lzma.compress(small.read_bytes(), preset=9))


def main() -> None:
    for name, commit in commits().items():
        if not (SCHEMAS / f"{name}.db.xz").exists():
            print(name, commit[:8], flush=True)
            with contextlib.suppress(subprocess.CalledProcessError):  # it has said why
                make(name, commit)


if __name__ == "__main__":
    main()
