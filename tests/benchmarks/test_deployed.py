"""What `benchmarks.deployed` reads in the files of deploy/ is what Docker would."""

from pathlib import Path

import pytest

pytest.importorskip("yaml", reason="uv sync --group deploy")

from benchmarks.deployed_files import Service, here, services

VALUES = dict.fromkeys(("NAME", "POSTGRES_PASSWORD", "SECRET_KEY", "STORE_KEY", "STORE_SECRET"), "x" * 32)


@pytest.fixture
def found() -> dict[str, Service]:
    return {one.name: one for one in services(VALUES)}


def test_a_service_starts_after_those_that_it_depends_on(found: dict[str, Service]) -> None:
    order = list(found)
    for name, service in found.items():
        assert all(order.index(other) < order.index(name) for other in service.after)
    assert found["api-2"].after["api-1"] == "service_healthy"


def test_a_container_has_what_the_image_and_the_service_say(found: dict[str, Service]) -> None:
    api, worker = found["api-1"], found["worker-1"]
    assert api.command == ["matinee", "serve"]
    assert worker.command == ["matinee", "worker"]
    assert api.environment["MATINEE_DATA_DIR"] == "/data"
    assert api.environment["MATINEE_STORE"] == "s3://matinee"
    assert api.mounts == {"/data": "api-1", "/tmp": "tmpfs"}  # noqa: S108
    assert api.health is not None
    assert (api.health.interval, api.health.timeout, api.health.patience) == (10, 3, 69)
    assert worker.health is None
    assert (api.grace, worker.grace) == (10, 30)


def test_every_service_has_an_address_of_its_own(found: dict[str, Service]) -> None:
    assert len({one.address for one in found.values()}) == len(found)
    assert found["api-1"].address == "127.28.90.21"


def test_names_and_paths_are_those_of_this_machine(found: dict[str, Service], tmp_path: Path) -> None:
    others = {"postgres": "127.28.90.101", "garage": "127.28.90.102"}

    def shown(text: str) -> str:
        return here(text, found["api-1"], tmp_path, others)

    url = "postgresql://matinee:garage@postgres/matinee"
    assert shown(url) == "postgresql://matinee:garage@127.28.90.101/matinee"
    assert shown("http://garage:3900") == "http://127.28.90.102:3900"
    assert shown("garage") == "garage"
    volume, memory = tmp_path / "volumes" / "api-1", tmp_path / "memory" / "api-1"
    assert shown("/data and /tmp/numba") == f"{volume} and {memory}/numba"
    assert shown("/database") == "/database"
    assert shown("0.0.0.0") == found["api-1"].address  # noqa: S104
