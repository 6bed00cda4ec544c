"""Imports point one way; only some modules know a framework or a driver."""

import ast
from collections.abc import Iterator
from pathlib import Path

import app
import app.kinds
from app.tasks.kinds import names

ROOT = Path(app.__file__).parent
LAYERS = (  # packages and modules of `app`; each may import from its own layer and from those after it
    ("main",),
    ("cli",),
    ("api", "web"),
    ("service",),
    ("kinds",),
    ("checks",),
    ("backups", "transfers"),
    ("dumps", "exports", "people", "players"),
    ("serving", "imports"),
    ("tasks",),
    ("repository",),
    ("spark",),
    ("storage",),
    ("recommender",),
    ("movie", "rating", "mark", "task", "user", "sample", "client", "client_answers", "client_calls"),
    (
        "retry_client",
        "config",
        "setting_values",
        "traces",
        "titles",
        "spelling",
        "brief",
        "compilation",
        "deadline",
        "descriptors",
    ),
    ("errors", "logs", "measures", "network", "outcome", "arrays", "process", "threads"),
)
ONLY_IN = {
    "fastapi": ("app.main", "app.api", "app.web"),
    "starlette": ("app.main", "app.api", "app.web"),
    "uvicorn": ("app.cli",),
    "sqlite3": ("app.storage",),
    "psycopg": ("app.storage",),
    "redis": ("app.storage",),
    "obstore": ("app.storage",),
    "alembic": ("app.storage",),
    "pyarrow": ("app.storage",),
    "pyspark": ("app.spark.job",),
    "sqlalchemy.dialects": ("app.storage",),
    "numba": ("app.compilation",),
    "llvmlite": ("app.compilation",),
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


def layer(name: str) -> int:
    """Of a module or of something in it."""
    part = name.split(".")[1]
    return next(number for number, parts in enumerate(LAYERS) if part in parts)


def test_every_package_and_module_has_a_layer() -> None:
    parts = {name.split(".")[1] for name, _ in modules() if name != "app"}
    assert parts == {part for parts in LAYERS for part in parts}


def test_imports_point_one_way() -> None:
    wrong = []
    for name, tree in modules():
        for target in imported(tree):
            if name != "app" and target.startswith("app.") and layer(target) < layer(name):
                wrong.append(f"{name} imports {target}")
    assert wrong == []


def test_siblings_of_a_layer_do_not_import_each_other() -> None:
    pairs = {("app.imports", "app.serving"), ("app.serving", "app.imports")}
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


def test_what_differs_between_engines_is_a_method_of_the_engine() -> None:
    """Nothing asks for the name of an engine, but migrations, which stay as they were written.

    `engine_of` goes by the scheme of the URL, and refuses what it does not know.
    """
    names = [
        f"{name}, line {node.lineno}"
        for name, tree in modules()
        for node in ast.walk(tree)
        if not within(name, "app.storage.migrations")
        and isinstance(node, ast.Attribute)
        and (node.attr in ("get_backend_name", "drivername") or _is_dialect(node, name))
    ]
    assert names == []


def _is_dialect(node: ast.Attribute, module: str) -> bool:
    """`.dialect` outside of storage, `.dialect.name` anywhere."""
    if within(module, "app.storage"):
        return node.attr == "name" and isinstance(node.value, ast.Attribute) and node.value.attr == "dialect"
    return node.attr == "dialect"


def test_the_machinery_of_tasks_names_no_kind() -> None:
    named = [
        f"{name} names {node.value}"
        for name, tree in modules()
        if within(name, "app.tasks") or name == "app.task"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in names()
    ]
    assert named == []
