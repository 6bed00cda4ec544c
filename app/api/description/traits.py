"""What a route is, as far as its answers depend on it: read from what its endpoint declares."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app.api import etags, idempotency
from app.api.edge.compression import COMPRESSED
from app.api.edge.limits import LIMITED
from app.api.edge.manners import SAFE_METHODS, Manner, manner_of
from app.api.edge.routes import types_of
from app.api.edge.rules import PUBLIC, Rule, rule_of


@dataclass(frozen=True, slots=True)
class Traits:
    """`reads_body`: the edge receives one, of any route that may change something.

    `once`: it takes an idempotency key. `tagged`: its response has an ETag. `chooses`: it minds Accept.
    """

    rule: Rule
    manner: Manner
    reads_body: bool
    has_path: bool
    once: bool
    tagged: bool
    headers: frozenset[str]
    pages: bool
    chooses: bool

    @property
    def compresses(self) -> bool:
        return self.manner in COMPRESSED

    @property
    def conditional(self) -> bool:
        """Whether it changes what has an ETag, if that is as it was."""
        return "if-match" in self.headers

    @property
    def limited(self) -> bool:
        return self.manner in LIMITED

    @property
    def probes(self) -> bool:
        return self.manner is Manner.PROBES

    @property
    def open_to_all(self) -> bool:
        """From every address, and without a credential."""
        return self.rule.anywhere and self.rule.role is None


def traits_of(route: APIRoute) -> Traits:
    (method,) = route.methods or {""}
    found = list(_dependants(route.dependant))
    calls = [one.call for one in found]
    queries = {field.alias for one in found for field in one.query_params}
    headers = frozenset(field.alias.lower() for one in found for field in one.header_params)
    has_path = bool(route.param_convertors)
    return Traits(
        rule=rule_of(route.dependencies) or PUBLIC.dependency,
        manner=manner_of(route.endpoint, method),
        reads_body=method not in SAFE_METHODS,
        has_path=has_path,
        once=any(call is idempotency.once for call in calls),
        tagged=any(etags.is_tagged(call) for call in calls),
        headers=headers,
        pages="cursor" in queries,
        chooses=bool(types_of(route)),
    )


def _dependants(dependant: Dependant) -> Iterator[Any]:
    yield dependant
    for one in dependant.dependencies:
        yield from _dependants(one)
