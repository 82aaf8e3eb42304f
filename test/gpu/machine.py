"""What the tests of this folder need of a machine, and how they compare.

They run on a machine with an NVIDIA GPU, from a build tree or an installed wheel:
`python -m pytest test/gpu` with PyTorch, NumPy, ml_dtypes and pytest. Elsewhere each module is
skipped. QUADRILLE_GPU_FULL=1 runs the whole product of the cases instead of a covering part.
"""

from __future__ import annotations

import os

import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no GPU tests: PyTorch is not installed")
if not torch.cuda.is_available():
    pytest.skip("no GPU tests: PyTorch sees no CUDA GPU on this machine", allow_module_level=True)

import quadrille as qd  # noqa: E402
from quadrille import arrays  # noqa: E402

FULL = os.environ.get("QUADRILLE_GPU_FULL", "0") not in ("", "0")
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
NUMPY = {"f32": np.float32, "bf16": ml_dtypes.bfloat16, "f16": np.float16}
KEY = qd.Key(20260620)
ROUNDINGS = {
    "even": qd.nearest_even,
    "away": qd.nearest_away,
    "zero": qd.toward_zero,
    "noise4": qd.stochastic(KEY, bits=4, rounds=10),
    "noise8": qd.stochastic(KEY, bits=8, rounds=7),
    "noise16": qd.stochastic(KEY, bits=16, rounds=7),
}
SIZES = [None, 16, 32, 64, 128, 256]


def to_gpu(x: np.ndarray, device="cuda"):
    """A tensor with the bits of x."""
    if x.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(x.view(np.int16)).view(torch.bfloat16).to(device)
    return torch.from_numpy(x).to(device)


def normal(rows: int, columns: int, dtype: str = "bf16", seed: int = 0) -> np.ndarray:
    """Normal numbers with a few outliers."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, columns)).astype(np.float32)
    x[rng.random(x.shape) < 0.02] *= 20
    return x.astype(NUMPY[dtype])


def hostile(rows: int, columns: int, dtype: str = "bf16", seed: int = 1) -> np.ndarray:
    """Runs of subnormal, huge, special, tied and zero numbers, in places that differ from row to row."""
    rng = np.random.default_rng(seed)
    info = ml_dtypes.finfo(NUMPY[dtype])
    tiny, huge = float(info.smallest_subnormal), float(info.max)
    kinds = [
        lambda n: tiny * rng.integers(-9, 10, n),
        lambda n: huge * rng.uniform(-1, 1, n),
        lambda n: rng.choice([1.0, -2.0, np.nan, np.inf, -np.inf], n, p=[0.48, 0.48, 0.02, 0.01, 0.01]),
        lambda n: rng.integers(-28, 29, n) / 8,  # ties of every grid
        lambda n: rng.choice([0.0, -0.0], n),
        lambda n: np.ldexp(rng.uniform(-2, 2, n), rng.integers(-20, 10, n)),
        lambda n: np.full(n, 448.0 * 6),
        lambda n: rng.choice([tiny, huge, 0.0], n),
    ]
    flat = np.empty(rows * columns, np.float64)
    for start in range(0, flat.size, 16):
        count = min(16, flat.size - start)
        flat[start : start + count] = kinds[rng.integers(len(kinds))](count)
    with np.errstate(over="ignore"):
        return flat.reshape(rows, columns).astype(np.float32).astype(NUMPY[dtype])


def on_host(value):
    """Arrays and QTensors as NumPy arrays; other structures part by part."""
    if isinstance(value, qd.QTensor):
        return [arrays.to_host(a) for a in (value.codes, *value.scales)]
    if isinstance(value, (tuple, list)):
        return [on_host(part) for part in value]
    return arrays.to_host(value)


def assert_same(got, wanted, what: str = "") -> None:
    """Equal bytes of all arrays."""
    if isinstance(wanted, (list, tuple)) or isinstance(wanted, qd.QTensor):
        got, wanted = (on_host(v) if not isinstance(v, list) else v for v in (got, wanted))
        for number, (a, b) in enumerate(zip(got, wanted, strict=True)):
            assert_same(a, b, f"{what}[{number}]")
        return
    a, b = arrays.to_host(got), arrays.to_host(wanted)
    assert (a.shape, a.dtype) == (b.shape, b.dtype), what
    a, b = (np.ascontiguousarray(v).reshape(-1).view(np.uint8) for v in (a, b))
    wrong = np.flatnonzero(a != b)
    if wrong.size:
        first = wrong[0]
        places = f"{wrong.size} of {a.size} bytes differ, the first is {first}: {a[first]:#x}, not {b[first]:#x}"
        raise AssertionError(f"{what}: {places}")


def numbers(value) -> np.ndarray:
    """A plain result with one NaN for all: of numbers, in contrast to scales, no rule says which NaN."""
    x = arrays.to_host(value)
    return np.where(np.isnan(x), np.array(np.nan, x.dtype), x)


def check(function, *args) -> None:
    """A jitted function gives on the GPU what the reference gives."""
    got, wanted = function(*args), function.reference(*args)
    if not isinstance(wanted, (qd.QTensor, tuple)):
        got, wanted = numbers(got), numbers(wanted)
    assert_same(got, wanted, function.__name__)
