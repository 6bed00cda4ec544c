"""What an operator gets: files that their programs accept, settings that exist, commands that start."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from app.cli.commands import _parser
from app.config import Settings
from tests import certificates

DEPLOY = Path(__file__).parents[1] / "deploy"
DOCUMENT = DEPLOY.parent / "docs" / "deploy.md"
SETTINGS = {f"MATINEE_{row.name.upper()}" for row in fields(Settings)}
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")


def program(name: str) -> str:
    """One of the dependency group `deploy`, or of the system."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (uv sync --group deploy)")
    return found


def accepts(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def documents() -> Iterator[Any]:
    """Every document of the YAML files."""
    yaml = pytest.importorskip("yaml")
    for path in (DEPLOY / "compose.yaml", *KUBERNETES):
        yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


def nodes(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, dict):
        yield document
    for inner in document.values() if isinstance(document, dict) else document:
        if isinstance(inner, dict | list):
            yield from nodes(inner)


def test_every_setting_that_a_file_names_exists() -> None:
    paths = [path for path in DEPLOY.rglob("*") if path.is_file()] + [DOCUMENT]
    named = {name for path in paths for name in re.findall(r"MATINEE_[A-Z_]+\b", path.read_text("utf-8"))}
    assert len(named) > 10
    assert named <= SETTINGS


def test_values_of_settings_fit() -> None:
    """Also that of a Secret, once its places are filled in."""
    given: list[dict[str, str]] = []
    for document in documents():
        for node in nodes(document):
            found = {name: str(value) for name, value in node.items() if str(name).startswith("MATINEE_")}
            given += [found] if found else []
    assert len(given) >= 3
    for one in given:
        texts = {name: re.sub(r"\$\{\w+:\?[^}]*\}", "a" * 40, text) for name, text in one.items()}
        Settings.from_environment(texts, warn=False)


def commands() -> Iterator[list[str]]:
    for document in documents():
        for node in nodes(document):
            if node.get("image", "").startswith("matinee"):
                yield node.get("args") or node.get("command") or ["serve"]
    for unit in UNITS:
        (line,) = re.findall(
            r"^ExecStart=/opt/matinee/bin/matinee (.+)$", unit.read_text("utf-8"), re.MULTILINE
        )
        yield line.split()
    (line,) = re.findall(r"^CMD \[(.+)\]$", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    yield line.replace('"', "").split(", ")


def test_every_command_is_one_of_ours() -> None:
    found = {_parser().parse_args(command).name for command in commands()}
    assert found == {"serve", "worker"}


def test_the_proxy_is_trusted_and_finds_the_processes() -> None:
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    addresses = re.findall(r"ipv4_address: ([\d.]+)", compose)
    (trusted,) = re.findall(r"MATINEE_TRUSTED_PROXIES: (\S+)", compose)
    asked = re.findall(r"server ([\d.]+):8000[ ;]", (DEPLOY / "nginx" / "nginx.conf").read_text("utf-8"))
    assert addresses == [trusted, *asked]


def test_containers_may_write_to_a_volume_of_their_own_and_to_memory_alone() -> None:
    compose, *others = documents()
    ours = {name: one for name, one in compose["services"].items() if one["image"] == "matinee"}
    assert len(ours) == 4
    for name, service in ours.items():
        assert service["read_only"]
        places = (service["volumes"], [place[:4] for place in service["tmpfs"]])
        assert places == ([f"{name}:/data"], ["/tmp"])  # noqa: S108
        assert name in compose["volumes"]
    containers = [
        node for one in others for node in nodes(one) if str(node.get("image")).startswith("matinee")
    ]
    assert len(containers) == 2
    for container in containers:
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}  # noqa: S108


def test_the_store_has_the_bucket_and_the_key_that_is_asked_for() -> None:
    compose, *others = documents()
    asked, garage = compose["services"]["api-1"]["environment"], compose["services"]["garage"]
    given = garage["environment"]
    assert asked["MATINEE_STORE"] == f"s3://{given['GARAGE_DEFAULT_BUCKET']}"
    assert asked["AWS_ACCESS_KEY_ID"] == given["GARAGE_DEFAULT_ACCESS_KEY"]
    assert asked["AWS_SECRET_ACCESS_KEY"] == given["GARAGE_DEFAULT_SECRET_KEY"]
    assert garage["healthcheck"]["test"][-1] == given["GARAGE_DEFAULT_BUCKET"]
    said = tomllib.loads((DEPLOY / "garage" / "garage.toml").read_text(encoding="utf-8"))["s3_api"]
    assert asked["AWS_ENDPOINT_URL"].endswith(f"//garage:{said['api_bind_addr'].rpartition(':')[2]}")
    assert asked["AWS_REGION"] == said["s3_region"]
    names = {name for one in others for name in {**one.get("data", {}), **one.get("stringData", {})}}
    assert {name for name in asked if name.startswith("AWS_")} <= names


def test_the_image_has_the_libraries_that_its_settings_need() -> None:
    """An extra for each scheme of an address, as the errors of a process without it say."""
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', (DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
    addresses = next(documents())["services"]["api-1"]["environment"].values()
    schemes = {"postgresql://": "postgres", "redis://": "redis", "s3://": "s3"}
    needed = {extra for scheme, extra in schemes.items() if any(one.startswith(scheme) for one in addresses)}
    assert needed == set(extras.split(","))


def test_the_document_makes_every_variable_of_compose() -> None:
    (line,) = re.findall(
        r"^    (printf 'NAME=.+\n.+) > \.env$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE
    )
    made = subprocess.run(["bash", "-c", line], check=True, capture_output=True, text=True).stdout
    values = dict(row.split("=", 1) for row in made.splitlines())
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    assert set(values) == set(re.findall(r"\$\{(\w+):\?", compose))
    assert re.fullmatch(r"GK[0-9a-f]{24}", values["STORE_KEY"])  # what Garage takes
    assert re.fullmatch(r"[0-9a-f]{64}", values["STORE_SECRET"])
    assert len(values["SECRET_KEY"]) >= 32
    assert len(set(values.values())) == len(values)


def test_hadolint_accepts_the_dockerfile() -> None:
    accepts(program("hadolint"), str(DEPLOY / "Dockerfile"))


def test_compose_fits_its_schema() -> None:
    accepts(
        program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml")
    )


def test_kubernetes_takes_the_manifests() -> None:
    accepts(program("kubernetes-validate"), "--strict", *map(str, KUBERNETES))


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_nginx_takes_its_file(tmp_path: Path) -> None:
    text = (DEPLOY / "nginx" / "nginx.conf").read_text(encoding="utf-8")
    cert, key = certificates.make(tmp_path)
    for there, here in (
        ("/etc/nginx/certs/films.crt", cert),
        ("/etc/nginx/certs/films.key", key),
        ("/tmp/", f"{tmp_path}/"),  # noqa: S108
    ):
        assert there in text
        text = text.replace(there, here)
    (tmp_path / "nginx.conf").write_text(text)
    accepts(str(NGINX), "-t", "-q", "-c", str(tmp_path / "nginx.conf"))


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace("/opt/matinee/bin/matinee", sys.executable)
        (tmp_path / unit.name).write_text(text.replace("User=matinee", "User=root"))
    done = subprocess.run(
        [analyze, "verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS)],
        check=False,
        capture_output=True,
        text=True,
    )
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "matinee" in line]
    assert (done.returncode, ours) == (0, []), done.stderr  # what it does not know it says, and goes on
