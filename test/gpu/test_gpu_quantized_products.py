"""Products whose result is quantized: by the product's kernel, or after it, the same bits as in two calls."""

from __future__ import annotations

import pytest
from machine import qd, torch
from test_gpu_matmul import product, quantized

if torch.cuda.get_device_capability() < (9, 0):
    pytest.skip("products by wgmma need compute capability 9.0", allow_module_level=True)

# Few rows; a tile's; sums of parts of a long contraction; many tiles, whose kernel quantizes.
SHAPES = [(5, 128, 64), (17, 256, 96), (300, 384, 128), (64, 256, 4096), (1000, 1152, 64), (2048, 4096, 256)]


def same(fused, steps) -> None:
    assert torch.equal(fused.codes, steps.codes)
    for mine, wanted in zip(fused.scales, steps.scales, strict=True):
        assert torch.equal(mine, wanted)


CASES = [
    ("MXUF4", {}),
    ("MXFP4", {"rht": qd.RHT(16, seed=3)}),
    ("UFP4", {"rht": qd.RHT(128, seed=3)}),
    ("HIF4", {}),
    ("MXUF4", {"rounding": qd.stochastic(qd.Key(7))}),
    ("MXUF4", {"rht": qd.RHT(128, seed=3), "pad": True}),
]


@pytest.mark.parametrize("target,options", CASES)
@pytest.mark.parametrize("fmt", ["UFP4_B", "MXUF4"])
def test_shapes(fmt, target, options):
    fused = qd.jit(lambda a, b: qd.quantize(qd.matmul(a, b.T, dtype="bf16"), target, **options))
    for m, n, k in SHAPES:
        if options.get("pad"):
            n -= 24
        a, b = quantized(m, k, fmt), quantized(n, k, fmt, seed=1)
        same(fused(a, b), qd.quantize(product("bf16")(a, b), target, **options))


@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_types_and_epilogues(dtype):
    def layer(a, b, bias):
        return qd.maximum(qd.matmul(a, b.T, dtype=dtype, bias=bias), 0.0)

    a, b = quantized(700, 128, "NVFP4"), quantized(1408, 128, "NVFP4", seed=1)
    bias = torch.randn(1408, device="cuda")
    fused = qd.jit(lambda a, b, bias: qd.quantize(layer(a, b, bias), "MXUF4", rht=qd.RHT(16, seed=3)))
    same(fused(a, b, bias), qd.quantize(qd.jit(layer)(a, b, bias), "MXUF4", rht=qd.RHT(16, seed=3)))


def test_what_is_noted():
    """The largest magnitude and flags are those of the product, not of what lies beyond it in panels."""
    a, b = quantized(200, 64, "UFP4_B"), quantized(1000, 64, "UFP4_B", seed=1)

    def layer(a, b, largest, flags):
        y = qd.matmul(a, b.T, dtype="bf16")
        return qd.quantize(y, "MXUF4", pad=True, amax_out=largest, flags=flags)

    largest, flags = torch.zeros(1, device="cuda"), torch.zeros(1, dtype=torch.int32, device="cuda")
    fused = qd.jit(layer)(a, b, largest, flags)
    y = product("bf16")(a, b)
    same(fused, qd.quantize(y, "MXUF4", pad=True))
    assert float(largest) == float(y.abs().max()) and int(flags) == 0


def test_the_same_bits_again():
    a, b = quantized(2048, 512, "UFP4_B"), quantized(2048, 512, "UFP4_B", seed=1)
    fused = qd.jit(lambda a, b: qd.quantize(qd.matmul(a, b.T, dtype="bf16"), "MXUF4", rht=qd.RHT(16, seed=3)))
    first = fused(a, b)
    for _ in range(20):
        same(fused(a, b), first)
