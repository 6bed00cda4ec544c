"""The command line says in one line what the surroundings refuse."""

import errno
from typing import Any

import pytest

from app.cli import main


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "Make room"), (errno.EROFS, "cannot be written"), (errno.EACCES, "right")],
)
def test_a_worker_that_cannot_write_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, says: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr("app.tasks.worker.main", refuse)
    assert main(["worker"]) == 1
    shown = capsys.readouterr().err
    assert says in shown
    assert shown.count("\n") == 1


def test_a_fault_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.tasks.worker.main", lambda *_a, **_k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["worker"])
