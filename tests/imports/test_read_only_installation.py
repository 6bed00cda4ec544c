"""Where nothing compiled can be kept on disk, imports and rebuilds compile for themselves."""

import importlib.util
from types import ModuleType

import numpy as np
import pytest
from numba.core.caching import CacheImpl

import app.imports.readers.fast
import app.recommender.conjugate_gradients


def loaded_again(module: ModuleType) -> ModuleType:
    """The module, as a process would load it now."""
    assert module.__file__ is not None
    spec = importlib.util.spec_from_file_location(f"{module.__name__}_again", module.__file__)
    assert spec is not None
    assert spec.loader is not None
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    return again


def test_what_is_compiled_needs_no_place_for_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    fast = loaded_again(app.imports.readers.fast)
    assert fast._digits(np.frombuffer(b"12,", np.uint8), 0) == (12, 2)
    assert loaded_again(app.recommender.conjugate_gradients).solve_short
