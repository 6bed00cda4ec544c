"""Imports point one way; only some modules know a framework or a driver."""

import ast
from collections.abc import Iterator
from pathlib import Path

import app

ROOT = Path(app.__file__).parent
LAYERS = (  # each may import from itself and from what stands behind it
    ("app.main",),
    ("app.cli",),
    ("app.demo",),
    ("app.server",),
    ("app.console",),
    ("app.listening",),
    ("app.api", "app.web"),
    ("app.service",),
    ("app.serving",),
    ("app.newcomers", "app.heavy"),
    ("app.tasks",),
    ("app.imports", "app.recommender"),
    ("app.repository",),
    ("app.storage",),
    ("app.tasks.task", "app.movies", "app.ratings", "app.sample", "app.client"),
    ("app.retry_client", "app.config", "app.compilation", "app.deadline", "app.descriptors"),
    ("app.errors", "app.outcome", "app.arrays", "app.process"),
)
ONLY_IN = {
    "fastapi": ("app.main", "app.api", "app.web"),
    "starlette": ("app.main", "app.api", "app.web"),
    "uvicorn": ("app.demo", "app.server"),
    "sqlite3": ("app.storage",),
    "psycopg": ("app.storage",),
    "redis": ("app.storage",),
    "alembic": ("app.storage",),
    "numba": ("app.compilation",),
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def layer(name: str) -> int | None:
    """The layer with the longest prefix of this name."""
    found = [
        (len(prefix), number)
        for number, prefixes in enumerate(LAYERS)
        for prefix in prefixes
        if within(name, prefix)
    ]
    return max(found)[1] if found else None


def test_every_module_has_a_layer() -> None:
    assert [name for name, _ in modules() if name != "app" and layer(name) is None] == []


def test_imports_point_one_way() -> None:
    wrong = []
    for name, tree in modules():
        mine = layer(name)
        for target in imported(tree):
            theirs = layer(target) if within(target, "app") else None
            if mine is not None and theirs is not None and theirs < mine:
                wrong.append(f"{name} imports {target}")
    assert wrong == []


def test_siblings_of_a_layer_do_not_import_each_other() -> None:
    pairs = {("app.imports", "app.recommender"), ("app.recommender", "app.imports")}
    wrong = [
        f"{name} imports {target}"
        for name, tree in modules()
        for target in imported(tree)
        for mine, theirs in pairs
        if within(name, mine) and within(target, theirs)
    ]
    assert wrong == []


def test_frameworks_and_drivers_stay_where_they_belong() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, tree in modules()
        for target in imported(tree)
        for library, homes in ONLY_IN.items()
        if within(target, library) and not any(within(name, home) for home in homes)
    ]
    assert wrong == []
