"""Elementwise code on the GPU: the bits of the specification, alone and fused into a quantization."""

from __future__ import annotations

import numpy as np
import pytest
from machine import DTYPES, ROUNDINGS, assert_same, check, hostile, normal, numbers, qd, to_gpu

FUNCTIONS = {name: getattr(qd, name) for name in "exp tanh erf sigmoid silu gelu sqrt floor ceil relu".split()}
FUNCTIONS["gelu_tanh"] = lambda x: qd.gelu(x, approximate="tanh")
RHT = qd.RHT(16, seed=6)


def every_exponent(dtype: str) -> np.ndarray:
    """Numbers of all signs and exponents of f32, special ones and ties of integers among them."""
    rng = np.random.default_rng(7)
    bits = rng.integers(0, 1 << 32, (64, 1024), np.uint32)
    bits[:, ::16] &= 0xFF800000  # powers of two, infinities, zeros
    x = bits.view(np.float32)
    x[:, 1::16] = rng.integers(-400, 400, x[:, 1::16].shape) / 4
    with np.errstate(all="ignore"):
        return x.astype(normal(1, 1, dtype).dtype)


@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, dtype):
    function = FUNCTIONS[name]
    for x in (every_exponent(dtype), hostile(37, 129, dtype), normal(37, 129, dtype)):
        check(qd.jit(lambda x: function(x)), to_gpu(x))
        check(qd.jit(lambda x: function(x).astype("f16")), to_gpu(x))


@pytest.mark.parametrize("dtype", list(DTYPES))
def test_arithmetic(dtype):
    @qd.jit
    def arithmetic(x, y):
        return x + y, x - y, x * y, x / y, -x, abs(x), qd.maximum(x, y), qd.minimum(x, y), 3.0 * x + 0.1

    x, y = every_exponent(dtype), every_exponent(dtype)[:, ::-1].copy()
    results, wanted = arithmetic(to_gpu(x), to_gpu(y)), arithmetic.reference(x, y)
    for number, (a, b) in enumerate(zip(results, wanted, strict=True)):
        assert_same(numbers(a), numbers(b), f"result {number}")


@pytest.mark.parametrize("rounding", ["even", "noise8"])
@pytest.mark.parametrize("shape", [(96, 256), (33, 80), (1, 16)])
def test_fused_into_quantization(shape, rounding):
    """SwiGLU and rows and columns of it, with a bias along rows and a factor of each row."""

    @qd.jit
    def fused(gate, up, bias, factor):
        y = (qd.silu(gate) * up + bias) * factor
        return qd.quantize(y, "UFP4_B", rht=RHT, rounding=ROUNDINGS[rounding])

    @qd.jit
    def both(gate, up):
        return qd.quantize_pair(qd.gelu(gate) * up, "UFP4_B", rht=RHT, rounding=ROUNDINGS[rounding], pad=True)

    rows, columns = shape
    gate, up = (to_gpu(normal(rows, columns, seed=seed)) for seed in (1, 2))
    bias, factor = to_gpu(normal(1, columns, "f32")), to_gpu(normal(rows, 1, "f32"))
    assert len(fused.explain(gate, up, bias, factor).kernels) == 1
    check(fused, gate, up, bias, factor)
    check(both, gate, up)
