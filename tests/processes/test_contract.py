"""The service does what its description says, and a client that is made from it works."""

import pytest

contract = pytest.importorskip("benchmarks.contract", reason="uv sync --group contract", exc_type=ImportError)


@pytest.mark.parametrize(
    "caller",
    ["admin", *(pytest.param(who, marks=pytest.mark.proof) for who in ("closed door", "viewer", "nobody"))],
)
def test_no_answer_is_undocumented(caller: str) -> None:
    role, closed = contract.CALLERS[caller]
    found = contract.examine(("fuzzing", "stateful"), examples=5, seed=1, role=role, closed=closed)
    assert found.failures == {}
    assert found.errors == []
    assert found.cases > 300
    if caller in ("admin", "closed door"):
        assert len([status for status in found.statuses if status < 500]) > 6
