"""Documents name what is there, and the code is written in the words of docs/architecture.md."""

import ast
import functools
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import app

APP = Path(app.__file__).parent
ROOT = APP.parent
MAP = ROOT / "docs" / "architecture.md"

BANNED = (
    r"\bnewcomers?\b",
    r"\b(some|any|no)body\b|\bwhoever\b",
    r"\bfor the moment\b",
    r"\banew\b",
    r"\btold\b",
    r"\bbehind\b",
    r"\bby so much\b",
    r"^answers?\b|\b(it|that|which|who|and) answers\b",
    r"\bfilms?\b",
)
"""Regular expressions, whatever the case: words that have a plainer or a technical one."""


def named(text: str) -> Iterator[str]:
    """The paths in a text: those in the drawing of the map, in backticks, and in links."""
    drawing = text.split("```")[1].splitlines()[2:]
    for line in drawing:
        names = line.strip().split("  ")[0].split()
        yield from (f"app/{name}" for name in names if re.fullmatch(r"\w+(\.py|/)", name))
    yield from re.findall(r"`((?:app|tests|docs|benchmarks)/[\w./-]+)`", text)
    yield from (f"docs/{link}" for link in re.findall(r"\]\(([\w./-]+)\)", text))


def test_every_path_on_the_map_exists() -> None:
    paths = set(named(MAP.read_text(encoding="utf-8")))
    assert {"app/api/", "app/config.py", "docs/tasks.md"} <= paths
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_every_package_is_on_the_map() -> None:
    paths = set(named(MAP.read_text(encoding="utf-8")))
    packages = {f"app/{path.name}/" for path in APP.iterdir() if (path / "__init__.py").exists()}
    modules = {f"app/{path.name}" for path in APP.glob("*.py")} - {"app/__init__.py"}
    assert packages | modules <= paths


@functools.cache
def prose(path: Path) -> list[tuple[int, str]]:
    """The comments and docstrings of a module, also those after a constant, with their lines."""
    return list(_prose(path))


def _prose(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.lineno, str(node.value.value)
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string.lstrip("# ")


@pytest.mark.parametrize("pattern", BANNED)
def test_the_code_keeps_to_the_words(pattern: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in sorted(APP.rglob("*.py"))
        for line, text in prose(path)
        if re.search(pattern, text, re.IGNORECASE | re.MULTILINE)
    ]
    assert wrong == []


def test_documents_are_wrapped() -> None:
    """Tables and what is printed by a program aside."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in documents
        if path.name != "CHANGELOG.md"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 120 and not line.startswith(("|", "    "))
    ]
    assert wrong == []
