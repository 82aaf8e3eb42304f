"""Carriers on the GPU: the bytes of the reference, exponents and flags of rows included."""

from __future__ import annotations

import numpy as np
import pytest
from machine import assert_same, hostile, normal, qd, to_gpu, torch

FOLDED = [(name, carrier) for name in ("MXUF4", "MXFP4", "MXINT4") for carrier in ("e5m2", "e4m3")]
BF16 = ["UFP4_B", "MXUF4", "NVFP4", "NVINT4", "MXFP4", "MXINT4", "HIF4", "NVFP4_16x16"]
ODD = qd.format("ODD", qd.grid("odd", [3, -5, 1, 0, 7, -0.5, 2, 4]), [qd.level(32, "e8m0", rule="ocp")])
CASES = [*FOLDED, *((name, "bf16") for name in BF16), ("ODD", "e5m2"), ("ODD", "bf16")]
TORCH = {"bf16": torch.bfloat16, "e5m2": torch.float8_e5m2, "e4m3": torch.float8_e4m3fn}


def format_of(name: str):
    return ODD if name == "ODD" else qd.formats[name]


def converter(carrier: str):
    return qd.jit(lambda q: qd.to_carrier(q, carrier))


def check(function, q) -> None:
    got, wanted = function(q), function.reference(q)
    assert got.carrier == wanted.carrier
    for number, (a, b) in enumerate(zip(got.arrays, wanted.arrays, strict=True)):
        assert_same(a, b, ("values", "row_exponents", "overflow")[number])


def of_codes(fmt, codes, scales):
    """A tensor on the GPU with a code and a scale's byte for each block."""
    codes, scales = np.array(codes, np.uint8), np.array(scales, np.uint8)
    block = fmt.levels[0].cols
    packed = torch.from_numpy(np.repeat(codes | codes << 4, block // 2, axis=1)).cuda()
    bytes_ = torch.from_numpy(scales).cuda().view(torch.float8_e8m0fnu)
    return qd.QTensor(packed, [bytes_], fmt, (len(codes), codes.shape[1] * block))


@pytest.mark.parametrize("name, carrier", CASES)
@pytest.mark.parametrize("axis", [0, 1])
def test_values(name, carrier, axis):
    """Rows shorter than a tile, of odd numbers of blocks, of several tiles; narrow and wide spreads of scales."""
    function = converter(carrier)
    for shape in ((1, 64), (5, 96), (37, 13 * 64), (3, 9024), (65, 8192), (2, 16384 + 64)):
        for make in (normal, hostile):
            x = make(*shape)
            q = qd.quantize(
                to_gpu(x if axis == 1 else np.ascontiguousarray(x.T)), format_of(name), axis=axis, pad=True
            )
            check(function, q)


@pytest.mark.parametrize("name, carrier", CASES)
def test_types_and_places(name, carrier):
    q = qd.quantize(to_gpu(normal(4, 256)), format_of(name))
    c = converter(carrier)(q)
    assert c.values.is_cuda and c.values.dtype == TORCH[carrier] and c.values.shape == (4, q.stored)
    for rows in (c.row_exponents, c.overflow):
        assert rows is None if carrier == "bf16" else rows.dtype == torch.int32 and rows.shape == (4,)


@pytest.mark.parametrize("name, carrier", FOLDED)
def test_every_distance_of_scales(name, carrier):
    """Blocks 0 to 63 binades below the largest of their row, of each code: all tables, and what is flushed;
    the lowest row of scales ends before that."""
    fmt = qd.formats[name]
    for top in (254, 127, 20):
        scales = np.tile(np.clip(top - np.arange(64), 0, 254), (16, 1))
        codes = np.tile(np.arange(16)[:, None], (1, 64))
        q = of_codes(fmt, codes, scales)
        check(converter(carrier), q)
        assert converter(carrier)(q).overflow.any() or top == 20


@pytest.mark.parametrize("carrier", TORCH)
def test_nan_scales(carrier):
    rng = np.random.default_rng(3)
    scales = rng.integers(100, 130, (33, 40))
    scales[rng.random(scales.shape) < 0.2] = 255
    scales[-1] = 255
    check(converter(carrier), of_codes(qd.MXUF4, rng.integers(0, 16, scales.shape), scales))


@pytest.mark.parametrize("carrier", ["e5m2", "bf16"])
def test_out_and_blocked_scales(carrier):
    function = converter(carrier)
    q, other = (qd.quantize(to_gpu(make(150, 256)), "MXUF4") for make in (normal, hostile))
    out = function(other)
    places = [a.data_ptr() for a in out.arrays]
    assert function(q, out=out) is out and [a.data_ptr() for a in out.arrays] == places
    for a, b in zip(out.arrays, function.reference(q).arrays, strict=True):
        assert_same(a, b)
    check(function, q.to_scale_layout("blocked128x4"))


@pytest.mark.parametrize("carrier", ["e5m2", "bf16"])
def test_a_graph_gives_the_bytes_of_each_input(carrier):
    """Also flags of an input before: the word that atomics collect in is cleared by each replay."""
    fmt = qd.formats["MXUF4"]
    function, codes = converter(carrier), np.full((9, 64), 7)
    apart, near = (np.tile(200 - np.arange(64) * distance, (9, 1)) for distance in (2, 0))
    q = of_codes(fmt, codes, apart)
    function.warmup(q)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        c = function(q)
    for scales in (apart, near, apart):
        q.scales[0].view(torch.uint8).copy_(torch.from_numpy(scales.astype(np.uint8)))
        graph.replay()
        torch.cuda.synchronize()
        for a, b in zip(c.arrays, function.reference(q).arrays, strict=True):
            assert_same(a, b)


def test_quantized_and_converted_in_one_call():
    x = to_gpu(normal(64, 512))
    both = qd.jit(lambda x: qd.to_carrier(qd.quantize(x, "MXUF4")))
    got, wanted = both(x), converter("e5m2")(qd.quantize(x, "MXUF4"))
    for a, b in zip(got.arrays, wanted.arrays, strict=True):
        assert_same(a, b)
