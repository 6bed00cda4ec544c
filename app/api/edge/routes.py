"""The methods of each path, with manner and rule, read once from the routes of the application."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Mount

from app.api.edge import rules
from app.api.edge.manners import Manner, by_method, manner_of
from app.api.edge.rules import Rule


class Declared(NamedTuple):
    """What an endpoint declares of itself."""

    manner: Manner
    rule: Rule


Methods = Mapping[str, Declared]

FILES: Methods = {method: Declared(by_method(method), rules.FILES) for method in ("GET", "HEAD")}
"""The methods of a mounted folder of files."""


class RouteTable:
    """Finds the methods of a path. A literal path takes precedence over a pattern that it matches."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._exact: dict[str, dict[str, Declared]] = {}
        self._patterns: dict[str, dict[str, tuple[re.Pattern[str], dict[str, Declared]]]] = {}
        self._mounts: tuple[str, ...] = ()
        for context in iter_route_contexts(list(routes)):
            if isinstance(context.original_route, Mount):
                self._mounts += (f"{context.path}/",)
            elif context.path is not None:
                rule = rules.rule_of(rules.dependencies_of(context)) or rules.UNKNOWN
                manners = {name: manner_of(context.endpoint, name) for name in context.methods or ()}
                found = {name: Declared(manner, rule) for name, manner in manners.items()}
                self._methods_at(context.path, context.path_regex).update(found)

    def _methods_at(self, path: str, pattern: re.Pattern[str]) -> dict[str, Declared]:
        if "{" not in path:
            return self._exact.setdefault(path, {})
        return self._patterns.setdefault(_first_part(path), {}).setdefault(path, (pattern, {}))[1]

    def resources(self) -> Iterator[tuple[str, Methods]]:
        """Every path or pattern, as written in the code, with its methods."""
        yield from self._exact.items()
        for patterns in self._patterns.values():
            yield from ((written, methods) for written, (_, methods) in patterns.items())

    def methods(self, path: str) -> Methods | None:
        """The methods of the resource at `path`; None if there is none."""
        if (found := self._exact.get(path)) is not None:
            return found
        for pattern, methods in self._patterns.get(_first_part(path), {}).values():
            if pattern.match(path):
                return methods
        return FILES if path.startswith(self._mounts) else None


def _first_part(path: str) -> str:
    return path[1:].partition("/")[0]
