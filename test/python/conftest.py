"""Shared fixtures. Without a compiler the tests that need one are skipped with a line that says so."""

from __future__ import annotations

import fake_cuda
import fake_hip
import ml_dtypes
import numpy as np
import pytest
from quadrille import _core

fake_cuda.install()
fake_hip.install()


def pytest_configure(config):
    config.addinivalue_line("markers", "compiler: needs a build with the compiler (QUADRILLE_BUILD_COMPILER=ON)")
    config.addinivalue_line("markers", "capability: needs a build with the capability tables")


def pytest_collection_modifyitems(items):
    missing = {
        "compiler": None if hasattr(_core, "runtime") else "the compiler is not built (QUADRILLE_BUILD_COMPILER=OFF)",
        "capability": None if hasattr(_core, "targets") else "the capability tables are not built",
    }
    for item in items:
        for marker, reason in missing.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def rng():
    return np.random.default_rng(20260620)


@pytest.fixture
def matrix(rng):
    """matrix(rows, cols, dtype) of normal numbers with a few outliers."""

    def make(rows, cols, dtype=ml_dtypes.bfloat16):
        x = rng.standard_normal((rows, cols)).astype(np.float32)
        x[rng.random((rows, cols)) < 0.02] *= 20
        return x.astype(dtype)

    return make
