"""What the calls of every resource need: a request of the client, and its answer as the promised type."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import quote
from uuid import uuid4

import httpx

from app.client_answers import json_list, json_object
from app.retry_client import RetryPolicy

Answer = TypeVar("Answer")


class Calls:
    """`app.client.MatineeClient` sends; the types of answers are not checked, but that they are objects."""

    _http: httpx.Client

    def _call(self, func: Callable[[], httpx.Response], policy: RetryPolicy | None = None) -> httpx.Response:
        raise NotImplementedError

    def _get(self, path: str, params: dict[str, Any] | None = None) -> httpx.Response:
        return self._call(lambda: self._http.get(path, params=params))

    def _change(
        self,
        method: str,
        path: str,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> httpx.Response:
        """A change, with an idempotency key: `key`, or one of its own."""
        sent = {"Idempotency-Key": key or str(uuid4()), **(headers or {})}
        return self._call(lambda: self._http.request(method, path, headers=sent, **options))

    def _read(self, _: type[Answer], path: str, /, **params: Any) -> Answer:
        return cast(Answer, json_object(self._get(path, given(params))))

    def _listed(self, _: type[Answer], path: str, /, **params: Any) -> list[Answer]:
        """One page; `cursor` is in the Link header of the one before it."""
        found = json_list(self._get(path, given(params)), dict, "a list of JSON objects")
        return cast(list[Answer], found)

    def _changed(
        self, _: type[Answer], method: str, path: str, key: str | None = None, /, **options: Any
    ) -> Answer:
        return cast(Answer, json_object(self._change(method, path, key, **options)))


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def segment(text: str) -> str:
    """As a part of a path."""
    return quote(text, safe="")
