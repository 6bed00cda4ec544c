"""Files of movie factors: what is read back, and what is refused in which words."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import Invalid
from app.recommender import als
from app.serving import factor_file
from tests.recommender.ratings import tastes

pyarrow = pytest.importorskip("pyarrow", reason="uv sync --group columns")
parquet = pytest.importorskip("pyarrow.parquet")

MOST = 10_000_000
OBJECTIVE = {"unobserved": 0.2, "regularization": 0.1}


def npz(path: Path, **changed: Any) -> Path:
    arrays: dict[str, Any] = {
        "movie_ids": np.array([5, 2, 9]),
        "factors": np.arange(6.0).reshape(3, 2),
        "objective": json.dumps(OBJECTIVE),
    }
    np.savez(path, **{name: value for name, value in (arrays | changed).items() if value is not None})
    return path


@pytest.mark.parametrize("name", ["f.npz", "f.parquet"])
def test_the_factors_of_a_model_are_read_back(tmp_path: Path, name: str) -> None:
    model = als.train(tastes(60), als.TrainSettings(factors=16, sweeps=2))
    factor_file.write(tmp_path / name, model)
    found = factor_file.read(tmp_path / name, MOST)
    assert (found.movie_ids == model.movie_ids).all()
    assert (found.factors == model.factors).all()
    assert found.objective == model.objective
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_movies_come_in_any_order_and_numbers_in_any_precision(tmp_path: Path) -> None:
    found = factor_file.read(npz(tmp_path / "f.npz"), MOST)
    assert found.movie_ids.tolist() == [2, 5, 9]
    assert found.factors.tolist() == [[2, 3], [0, 1], [4, 5]]
    assert (found.objective.unobserved, found.objective.regularization) == (0.2, 0.1)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"movie_ids": None}, "it lacks .*movie_ids"),
        ({"objective": None}, "it lacks .*objective"),
        ({"movie_ids": np.array([5, 5, 9])}, "there twice"),
        ({"movie_ids": np.array([-1, 5, 9])}, "outside the range"),
        ({"movie_ids": np.array([1.0, 5, 9])}, "not whole numbers"),
        ({"movie_ids": np.array([1, 5])}, r"not \[M\] and \[M, k\]"),
        ({"factors": np.zeros((3, 600))}, "512 are the most"),
        ({"factors": np.full((3, 2), np.nan)}, "not a finite number"),
        ({"factors": np.full((3, 2), 1e300)}, "not a finite number"),
        ({"factors": np.array([[object()] * 2] * 3)}, "allow_pickle|Object arrays"),
        ({"objective": "{"}, "not a JSON object"),
        ({"objective": json.dumps({"unobserved": 0.2})}, "does not say regularization"),
        ({"objective": json.dumps(OBJECTIVE | {"alpha": 1})}, "has 'alpha'; it may have unobserved"),
        ({"objective": json.dumps(OBJECTIVE | {"linear": -1})}, "linear of its objective is -1"),
        ({"objective": json.dumps(OBJECTIVE | {"unobserved": True})}, "unobserved of its objective is True"),
        ({"objective": '{"unobserved": NaN, "regularization": 1}'}, "unobserved of its objective is nan"),
        ({"factors": np.zeros((3, 500)), "other": np.zeros(10_000_000)}, "more than 10,000,000 bytes"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_what_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(Invalid, match=words):
        factor_file.read(npz(tmp_path / "f.npz", **changed), MOST)


@pytest.mark.parametrize("data", [b"", b"movie,factor\n1,2\n", b"PK\x03\x04cut", b"PAR1cutoff"])
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(Invalid, match="f cannot be used as movie factors: it is"):
        factor_file.read(tmp_path / "f", MOST)


def test_parquet_needs_one_length_of_lists_and_its_objective(tmp_path: Path) -> None:
    ids, lists = pyarrow.array([1, 2]), pyarrow.array([[1.0, 2.0], [3.0]])
    table = pyarrow.table({"movie_id": ids, "factors": lists})
    parquet.write_table(table, tmp_path / "f")
    with pytest.raises(Invalid, match="it lacks 'objective'"):
        factor_file.read(tmp_path / "f", MOST)
    stated = table.replace_schema_metadata({"objective": json.dumps(OBJECTIVE)})
    parquet.write_table(stated, tmp_path / "f")
    with pytest.raises(Invalid, match="not all of one length"):
        factor_file.read(tmp_path / "f", MOST)
    parquet.write_table(stated.select(["movie_id"]), tmp_path / "f")
    with pytest.raises(Invalid, match="it lacks 'column factors'"):
        factor_file.read(tmp_path / "f", MOST)
