"""Every example of the description is what a service answers, and every header that it names comes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.api.description import examples
from tests.api.conversation import Conversation, held, masked

OF_LONG_ANSWERS = {"Content-Encoding", "Vary"}
"""Headers that come where the answer is long, which is seen once."""
RARE = {"RequestTimeout", "Conflict", "ServerError", "Unavailable", "StorageFull"}
"""Refusals that take a slow client, an overload or a fault: those have tests of their own."""


@pytest.fixture(scope="module")
def conversation(tmp_path_factory: pytest.TempPathFactory) -> Conversation:
    return held(tmp_path_factory.mktemp("conversation"))


@pytest.fixture(scope="module")
def operations(conversation: Conversation) -> dict[str, Any]:
    paths = conversation.document["paths"].values()
    return {operation["operationId"]: operation for item in paths for operation in item.values()}


def test_a_service_answers_what_the_examples_say(conversation: Conversation) -> None:
    written, asked = examples.recorded(), conversation.examples
    assert written.keys() == asked.keys(), "uv run python -m tests.api.conversation"
    for operation, calls in asked.items():
        assert masked(written[operation]) == masked(calls), operation


def test_every_operation_has_an_answer_and_every_refusal_an_example(
    conversation: Conversation, operations: dict[str, Any]
) -> None:
    asked = {
        name: {call["response"]["status"] for call in calls} for name, calls in conversation.examples.items()
    }
    lacking = [name for name in operations if not any(status < 300 for status in asked.get(name, ()))]
    assert lacking == [], "give each a line in tests/api/calls.py"
    common = conversation.document["components"]["responses"].items()
    lacking = [name for name, one in common if not any("examples" in c for c in one["content"].values())]
    assert set(lacking) == RARE


def test_every_header_that_is_described_was_seen(
    conversation: Conversation, operations: dict[str, Any]
) -> None:
    unseen = [
        one
        for one in _described(operations)
        if one[2] not in OF_LONG_ANSWERS and one[2].lower() not in conversation.headers.get(one[:2], set())
    ]
    assert unseen == []
    components = conversation.document["components"]
    every = set().union(*conversation.headers.values())
    assert [name for name in components["headers"] if name.lower() not in every] == []


def _described(operations: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(operation, status, header) of every answer that is no refusal."""
    for name, operation in operations.items():
        for status, response in operation["responses"].items():
            if status < "4":
                yield from ((name, status, header) for header in response["headers"])


def test_the_examples_are_in_the_document(conversation: Conversation, operations: dict[str, Any]) -> None:
    for name, calls in examples.recorded().items():
        for call in calls:
            response = operations[name]["responses"].get(str(call["response"]["status"]))
            assert response is not None, (
                f"{name} does not say that it can answer {call['response']['status']}"
            )


def test_nothing_secret_and_nothing_of_a_machine_is_in_the_examples() -> None:
    text = Path(examples.FILE).read_text(encoding="utf-8")
    assert not re.search(r"/tmp|/work|/home|/root", text)  # noqa: S108
    assert set(re.findall(r"eyJ[^\"]*|matinee_[0-9a-f]{17,}", text)) <= {"eyJhbGciOiJI..."}
