"""Data, roundings and comparisons of the tests that hold a target to the reference."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import quadrille as qd
from quadrille import arrays

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
