"""What `deploy/compose.yaml` and `deploy/Dockerfile` say, for a machine without containers.

A service gets an address of its own in 127.0.0.0/8, and so keeps the ports that the files name; a folder of a
container is one below the folder of the run.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[1] / "deploy"
OURS = "matinee"
"""The image that the Dockerfile makes."""
SUBNET = "172.28.90."
"""Of the addresses in the files; here they begin with `HERE`."""
HERE = "127.28.90."


@dataclass(frozen=True)
class Health:
    """A check of a service, as Docker runs it: seconds between two, for one, and at the start."""

    test: list[str]
    interval: float
    timeout: float
    start_period: float
    retries: int

    @property
    def patience(self) -> float:
        """Seconds after which Docker calls a service unhealthy that has never passed."""
        return self.start_period + self.retries * (self.interval + self.timeout)


@dataclass(frozen=True)
class Service:
    """`mounts`: by the path in the container, what is there: the name of a volume, or a path in deploy/."""

    name: str
    image: str
    command: list[str]
    environment: dict[str, str]
    mounts: dict[str, str]
    health: Health | None
    after: dict[str, str]
    address: str
    grace: float
    ports: list[str] = field(default_factory=list)

    @property
    def is_ours(self) -> bool:
        return self.image == OURS


def services(values: Mapping[str, str]) -> list[Service]:
    """In the order in which they start. `values`: of the variables in `.env`."""
    text = interpolated((DEPLOY / "compose.yaml").read_text(encoding="utf-8"), values)
    written = yaml.safe_load(text)["services"]
    taken, image = iter(range(101, 255)), Image.read()
    found = {name: _service(name, row, image, taken) for name, row in written.items()}
    return [found[name] for name in _started(found)]


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """The text of a file of Compose. Raises `KeyError` for a variable that has no value."""
    return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: values[found[1]], text).replace(SUBNET, HERE)


@dataclass(frozen=True)
class Image:
    """What the last stage of the Dockerfile gives a container."""

    environment: dict[str, str]
    entrypoint: list[str]
    command: list[str]
    health: Health

    @classmethod
    def read(cls) -> "Image":
        text = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
        last = re.split(r"^FROM ", text, flags=re.MULTILINE)[-1]
        lines = [line.partition(" ") for line in last.splitlines()]
        said = {word: rest for word, _, rest in lines if word.isupper()}
        environment = dict(pair.split("=", 1) for pair in shlex.split(said["ENV"]))
        options, _, test = said["HEALTHCHECK"].partition("CMD ")
        given = {name.replace("-", "_"): value for name, value in re.findall(r"--([a-z-]+)=(\S+)", options)}
        health = _health({"test": ["CMD", *json.loads(test)], **given})
        return cls(environment, json.loads(said["ENTRYPOINT"]), json.loads(said["CMD"]), health)


def _service(name: str, row: dict[str, Any], image: Image, taken: Iterator[int]) -> Service:
    is_ours, networks = row["image"] == OURS, row.get("networks", [])
    inside = networks.get("inside") or {} if isinstance(networks, dict) else {}
    after = row.get("depends_on", {})
    if isinstance(after, list):
        after = {one: {"condition": "service_started"} for one in after}
    own = {key: str(value) for key, value in row.get("environment", {}).items()}
    command = row.get("command") or (image.command if is_ours else [])
    return Service(
        name=name,
        image=row["image"],
        command=(image.entrypoint if is_ours else []) + [str(word) for word in command],
        environment=(image.environment if is_ours else {}) | own,
        mounts=_mounts(row),
        health=_health_of(row.get("healthcheck"), image.health if is_ours else None),
        after={one: row["condition"] for one, row in after.items()},
        address=inside.get("ipv4_address") or f"{HERE}{next(taken)}",
        grace=_seconds(row.get("stop_grace_period", "10s")),
        ports=row.get("ports", []),
    )


def _mounts(row: dict[str, Any]) -> dict[str, str]:
    kept = [one.split(":")[:2] for one in row.get("volumes", [])]
    memory = [one.split(":")[0] for one in row.get("tmpfs", [])]
    return {target: source for source, target in kept} | dict.fromkeys(memory, "tmpfs")


def _health_of(written: dict[str, Any] | None, of_image: Health | None) -> Health | None:
    if written is None:
        return of_image
    return None if written.get("disable") else _health(written)


def _health(written: dict[str, Any]) -> Health:
    kind, *test = written["test"]
    assert kind == "CMD", "a shell is in none of the images"
    interval, timeout, start = (
        _seconds(written.get(name, default))
        for name, default in (("interval", "30s"), ("timeout", "30s"), ("start_period", "0s"))
    )
    return Health(test, interval, timeout, start, int(written.get("retries", 3)))


def _seconds(text: str) -> float:
    (number, unit) = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"ms": 0.001, "s": 1.0, "m": 60.0}[unit]


def _started(found: Mapping[str, Service]) -> list[str]:
    """Names, each after those that it depends on."""
    order: list[str] = []

    def add(name: str) -> None:
        for other in found[name].after:
            add(other)
        if name not in order:
            order.append(name)

    for name in found:
        add(name)
    return order


def here(text: str, service: Service, folder: Path, others: Mapping[str, str]) -> str:
    """A value or file of a container as it is on this machine: names of services and paths.

    `folder`: of the run; `others`: the addresses of the services by their names.
    """
    names = "|".join(map(re.escape, others))
    text = re.sub(rf"(?<=[/@])({names})(?=[:/])", lambda found: others[found[1]], text).replace(SUBNET, HERE)
    if service.mounts:
        targets = "|".join(map(re.escape, sorted(service.mounts, key=len, reverse=True)))
        pattern = rf"(?<![\w.-])({targets})(?=[/;\s\"']|$)"
        text = re.sub(pattern, lambda found: str(place(service, found[1], folder)), text)
    return text.replace("0.0.0.0", service.address)  # noqa: S104


def place(service: Service, target: str, folder: Path) -> Path:
    """Where this machine has what is mounted at a path of the container."""
    source = service.mounts[target]
    if source.startswith("./"):
        return folder / "certs" if source == "./certs" else DEPLOY / source
    where = folder / ("memory" if source == "tmpfs" else "volumes")
    return where / (service.name if source == "tmpfs" else source)
