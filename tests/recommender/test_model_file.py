import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.recommender.als import TrainSettings, train
from app.recommender.interactions import Interactions
from app.serving.model_file import CorruptModel, from_bytes, load, save, to_bytes
from tests.recommender.ratings import items_for, random_ratings

MODEL = train(random_ratings(20, 30, 200), TrainSettings(factors=4, sweeps=2))
DATA = to_bytes(MODEL)
ITEMS = items_for(random_ratings(20, 30, 200), movies=12, width=5)
BLENDED = replace(MODEL, items=ITEMS)
BLENDED_DATA = to_bytes(BLENDED)


def test_a_model_comes_back_as_it_was(tmp_path: Path) -> None:
    checksum = save(MODEL, tmp_path / "model.npz")
    back = load(tmp_path / "model.npz", checksum, version=7, created_at=3.5)
    for name in ("movie_ids", "factors", "gram", "user_gram", "support", "counts"):
        assert (getattr(back, name) == getattr(MODEL, name)).all()
        assert getattr(back, name).dtype == getattr(MODEL, name).dtype
    assert (back.objective, back.settings) == (MODEL.objective, MODEL.settings)
    assert (back.version, back.created_at) == (7, 3.5)
    assert to_bytes(back) == DATA
    assert [file.name for file in tmp_path.iterdir()] == ["model.npz"]


def test_a_model_without_movies_comes_back() -> None:
    empty = train(Interactions.from_arrays([], [], []))
    assert from_bytes(to_bytes(empty)).factors.shape == (0, 64)


@given(st.integers(0, len(DATA) - 1))
def test_a_file_cut_short_is_refused(length: int) -> None:
    with pytest.raises(CorruptModel, match="rebuild"):
        from_bytes(DATA[:length])


def test_item_weights_come_back_as_they_were() -> None:
    back = from_bytes(BLENDED_DATA).items
    assert back is not None
    for name in ("movie_ids", "columns", "values"):
        assert (getattr(back, name) == getattr(ITEMS, name)).all()
        assert getattr(back, name).dtype == getattr(ITEMS, name).dtype
    assert back.share == 0.5
    assert to_bytes(from_bytes(BLENDED_DATA)) == BLENDED_DATA


def test_a_file_from_before_item_weights_serves_the_factors_alone() -> None:
    with np.load(io.BytesIO(DATA)) as file:
        arrays = dict(file)
    header = json.loads(arrays["header"].tobytes()) | {"format": 1}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    target = io.BytesIO()
    np.savez(target, **arrays)
    old = from_bytes(target.getvalue())
    assert old.items is None
    assert (
        old.preferences(MODEL.movie_ids[:3], [5, 4, 3]) == MODEL.preferences(MODEL.movie_ids[:3], [5, 4, 3])
    ).all()


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(DATA) - 1), st.integers(1, 255), st.sampled_from([DATA, BLENDED_DATA]))
@example(
    DATA.index(b"PK\x01\x02") + 8, 1, DATA
)  # says "encrypted": the reader of zip files raises RuntimeError
@example(DATA.index(b"PK\x01\x02") + 8, 32, DATA)  # says "patched": NotImplementedError
def test_a_changed_byte_is_refused_or_changes_nothing(place: int, change: int, data: bytes) -> None:
    damaged = bytearray(data)
    damaged[place] ^= change
    try:
        model = from_bytes(bytes(damaged))
    except CorruptModel:
        return
    assert to_bytes(model) == data


def test_a_file_with_any_changed_byte_is_not_even_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checksum, path = save(MODEL, tmp_path / "model.npz"), tmp_path / "model.npz"
    monkeypatch.setattr("app.serving.model_file.from_bytes", lambda *_a, **_k: pytest.fail("parsed"))
    for place in range(0, len(DATA), 7):
        damaged = bytearray(DATA)
        damaged[place] ^= 1 + place % 255
        path.write_bytes(damaged)
        with pytest.raises(CorruptModel, match="rebuild"):
            load(path, checksum)


def test_a_checksum_of_another_file_is_refused(tmp_path: Path) -> None:
    save(MODEL, tmp_path / "model.npz")
    with pytest.raises(CorruptModel, match=r"model\.npz is not the file that was saved"):
        load(tmp_path / "model.npz", "0" * 64)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gram": np.ones(3)}, "gram has shape"),
        ({"factors": np.full_like(MODEL.factors, np.nan)}, "finite"),
        ({"movie_ids": MODEL.movie_ids[::-1]}, "ascending"),
        ({"items": replace(ITEMS, columns=ITEMS.columns + 9)}, "a column is outside 0 to 11"),
        ({"items": replace(ITEMS, columns=ITEMS.columns - 1)}, "a column is outside"),
        ({"items": replace(ITEMS, values=ITEMS.values[:, 1:])}, "values have shape"),
        ({"items": replace(ITEMS, values=ITEMS.values * np.float32("inf"))}, "finite"),
        ({"items": replace(ITEMS, movie_ids=ITEMS.movie_ids + 1000)}, "movies of the model"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(CorruptModel, match=reason):
        from_bytes(to_bytes(replace(MODEL, **change)))


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    save(MODEL, tmp_path / "model.npz")
    broken = replace(MODEL, settings={"made by": object()})
    with pytest.raises(TypeError):
        save(broken, tmp_path / "model.npz")
    assert (tmp_path / "model.npz").read_bytes() == DATA
