"""What a benchmark found: a table to read, a JSON file to keep, and bars that hold or do not."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("matinee", "numpy", "numba", "scipy", "implicit", "irspack", "fastapi", "uvicorn", "sqlalchemy")


@dataclass(frozen=True)
class Bar:
    """A figure and what it must reach; `target` reads like ">= 3"."""

    name: str
    value: float
    target: str
    holds: bool


@dataclass
class Report:
    """Rows of one or more tables, distinguished by their columns, and the bars that they must clear."""

    name: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)

    def add(self, **row: Any) -> None:
        self.rows.append(row)

    def at_least(self, name: str, value: float, target: float) -> None:
        self.bars.append(Bar(name, float(f"{value:.4g}"), f">= {target:g}", value >= target))

    def at_most(self, name: str, value: float, target: float) -> None:
        self.bars.append(Bar(name, float(f"{value:.4g}"), f"<= {target:g}", value <= target))

    def as_json(self) -> dict[str, Any]:
        return {
            "benchmark": self.name,
            "machine": machine(),
            "versions": versions(),
            "rows": self.rows,
            "bars": [asdict(bar) for bar in self.bars],
        }

    def finish(self, path: Path | None) -> int:
        """Print it all, write the JSON file if one is wanted; 1 if a bar does not hold, for the shell."""
        print(self.text())
        if path:
            path.write_text(json.dumps(self.as_json(), indent=2, default=float) + "\n")
        return int(not all(bar.holds for bar in self.bars))

    def text(self) -> str:
        facts = machine()
        machinery = f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gb']} GB"
        head = f"{self.name}: {machinery}, Python {facts['python']}, load {facts['load']}"
        tables: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for row in self.rows:
            tables.setdefault(tuple(row), []).append(row)
        parts = [head, *(table(rows) for rows in tables.values())]
        if self.bars:
            parts.append(table([asdict(bar) | {"holds": "yes" if bar.holds else "NO"} for bar in self.bars]))
        return "\n\n".join(parts)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of the same keys in aligned columns, numbers to the right."""
    lines = [list(rows[0])] + [[_cell(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    numeric = [isinstance(value, int | float) for value in rows[0].values()]
    sides = [">" if number else "<" for number in numeric]
    return "\n".join(
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(line, sides, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def machine() -> dict[str, Any]:
    names = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def arguments(description: str | None, **options: Any) -> argparse.ArgumentParser:
    """A parser with `--json`, to which a benchmark adds its own; `options` go to `ArgumentParser`."""
    parser = argparse.ArgumentParser(description=description, **options)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write machine, versions, rows and bars"
    )
    return parser


def own_peak() -> int:
    """Peak memory of this process in KB; getrusage would count what its parent had when it forked."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0])


def note(text: str) -> None:
    """Say what goes on, beside the tables."""
    print(text, file=sys.stderr, flush=True)


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
