"""The methods of each path, with manner and rule, read once from the routes of the application."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, get_args, get_origin

from fastapi import params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute, Mount

from app.api.edge import rules
from app.api.edge.manners import Manner, manner_of
from app.api.edge.rules import Rule


class Declared(NamedTuple):
    """What an endpoint declares of itself, at a path with the names of its parameters.

    `query`: its query parameters, and whether each may be there more than once; None: any, as at a page, to
    which people come with parameters of others. `types`: the media types of its responses; none: any.
    """

    manner: Manner
    rule: Rule
    path: str
    query: Mapping[str, bool] | None = None
    types: tuple[str, ...] = ()


Methods = Mapping[str, Declared]

UNKNOWN = "none"
"""The path of what matches no route."""


class RouteTable:
    """Finds the methods of a path. A literal path takes precedence over a pattern that it matches."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._exact: dict[str, dict[str, Declared]] = {}
        self._patterns: dict[str, dict[str, tuple[re.Pattern[str], dict[str, Declared]]]] = {}
        self._mounts: dict[str, Methods] = {}  # folders of files
        for context in iter_route_contexts(list(routes)):
            if context.path is None:
                continue
            if isinstance(context.original_route, Mount):
                self._mounts[f"{context.path}/"] = {"GET": Declared(Manner.READS, rules.FILES, context.path)}
            else:
                rule = rules.rule_of(rules.dependencies_of(context)) or rules.UNKNOWN
                manners = {name: manner_of(context.endpoint, name) for name in context.methods or ()}
                more = (context.path, _query(context.original_route), types_of(context.original_route))
                found = {name: Declared(manner, rule, *more) for name, manner in manners.items()}
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
        return next((files for mount, files in self._mounts.items() if path.startswith(mount)), None)


def _first_part(path: str) -> str:
    return path[1:].partition("/")[0]


def _query(route: Any) -> Mapping[str, bool] | None:
    if not isinstance(route, APIRoute) or not route.include_in_schema:
        return None
    given = (one for one in get_flat_params(route.dependant) if isinstance(one.field_info, params.Query))
    return {one.alias: _is_list(one.field_info.annotation) for one in given}


def _is_list(annotation: Any) -> bool:
    return any(get_origin(one) is list for one in (annotation, *get_args(annotation)))


def types_of(route: Any) -> tuple[str, ...]:
    """The media types of the responses of a route; none: any."""
    if not isinstance(route, APIRoute) or not route.include_in_schema or route.status_code == 204:
        return ()
    response_class: Any = getattr(route.response_class, "value", route.response_class)
    found = [response_class.media_type] if response_class.media_type else []
    for status, described in route.responses.items():
        if str(status).startswith("2"):
            found += described.get("content", {})
    return tuple(dict.fromkeys(found))
