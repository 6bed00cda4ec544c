"""The service does what its description says, and a client that is made from it works."""

import pytest

from app.user import Role

contract = pytest.importorskip("benchmarks.contract", reason="uv sync --group contract", exc_type=ImportError)


@pytest.mark.parametrize("role", [Role.ADMIN, None], ids=["admin", "nobody"])
def test_no_answer_is_undocumented(role: Role | None) -> None:
    found = contract.examine(("fuzzing", "stateful"), examples=12, seed=1, role=role)
    assert found.failures == {}
    assert found.errors == []
    assert found.cases > 600
    if role:
        assert len([status for status in found.statuses if status < 500]) > 6
