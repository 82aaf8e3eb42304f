"""Where arrays lie: strides, alignments, sizes, `out`, workspaces, devices."""

from __future__ import annotations

import numpy as np
import pytest
from machine import DTYPES, assert_same, check, normal, qd, to_gpu, torch

RHT = qd.RHT(16, seed=0)


@qd.jit
def rows(x):
    return qd.quantize(x, "UFP4_B", rht=RHT)


@qd.jit
def columns(x):
    return qd.quantize(x, "MXFP4", axis=0)


@qd.jit
def scaled(x):
    return qd.quantize(x, "NVFP4", rht=RHT)


FUNCTIONS = [rows, columns, scaled]


def views(dtype: str):
    base = to_gpu(normal(256, 256, dtype))
    yield "transposed", base.T
    yield "steps", base[::2]
    yield "part of each row", base[:, 16:144]
    yield "misaligned rows", base[:, 1:129]
    yield "misaligned start", base.view(-1)[1 : 1 + 64 * 128].view(64, 128)
    yield "every other element", base[:, ::2]
    yield "one row repeated", base[:1, :128].expand(64, 128)
    yield "one column repeated", base[:, :1].expand(256, 128)


@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_any_strides(function, dtype):
    for name, x in views(dtype):
        assert_same(function(x), function.reference(x), name)
    check(function, to_gpu(normal(64, 129, dtype))[:, 1:])


@pytest.mark.parametrize("shape", [(0, 128), (128, 0), (0, 0)])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_empty(function, shape):
    x = torch.empty(shape, dtype=torch.bfloat16, device="cuda")
    check(function, x)


@pytest.mark.parametrize("count", [1, 2, 3, 15, 17, 31, 64, 127, 255, 1000])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_odd_counts(function, count):
    shape = (128, count) if function is columns else (count, 160)
    check(function, to_gpu(normal(*shape)))


def test_more_rows_than_a_grid_is_high():
    x = to_gpu(normal(70_001, 32))[:, :16]  # not dense: a program for each row
    check(rows, x)
    check(columns, to_gpu(normal(64, 70_001 * 2))[:, ::2])


def test_more_than_2_to_the_31_elements():
    free, _ = torch.cuda.mem_get_info()
    if free < 12 << 30:
        pytest.skip("needs 12 GiB of GPU memory")
    total, length = (1 << 31) + (1 << 20), 1 << 14
    x = torch.empty(total // length, length, dtype=torch.bfloat16, device="cuda").normal_()
    last = slice(-40, None)
    for f, part in ((rows, x[last]), (qd.jit(lambda x: qd.quantize(x, "MXUF4")), x[last])):
        q, wanted = f(x), f.reference(part)
        assert_same([a[last] for a in (q.codes, *q.scales)], [a for a in (wanted.codes, *wanted.scales)])
    tall = x.view(-1, 16)  # 2^27 rows of one block
    q, wanted = rows(tall), rows.reference(tall[last])
    assert_same(q.codes[last], wanted.codes)
    key = qd.Key(5)
    noisy = qd.jit(lambda x, base: qd.quantize(x, "UFP4_B", rounding=qd.stochastic(key), index_base=base))
    q = noisy(x, np.int64(0))
    wanted = noisy.reference(x[last], np.int64(total - 40 * length))
    assert_same(q.codes[last], wanted.codes)


def test_out():
    x = to_gpu(normal(64, 256))
    for function in FUNCTIONS:
        q = function(x)
        for part in (q.codes, *q.scales):
            part.view(torch.uint8).fill_(0xA5)
        assert function(x, out=q) is q
        assert_same(q, function.reference(x))
    wrong = [
        (torch.empty(64, 128, dtype=torch.uint8), "on host"),
        (torch.empty(64, 64, dtype=torch.uint8, device="cuda"), "shape"),
        (torch.empty(64, 128, dtype=torch.int32, device="cuda"), "int32"),
        (torch.empty(64, 256, dtype=torch.uint8, device="cuda")[:, ::2], "contiguous"),
        (torch.empty(64 * 128 + 1, dtype=torch.uint8, device="cuda")[1:].view(64, 128), "aligned"),
        (x.view(torch.uint8)[:16].view(64, 128), "shares memory"),
    ]
    q = rows(x)
    for codes, message in wrong:
        bad = qd.QTensor._make(codes, q.scales, q.format, q.shape, q.axis, q.rht, 256, "", "row_major")
        with pytest.raises(qd.QuadrilleError, match=message):
            rows(x, out=bad)


def test_workspace():
    x = to_gpu(normal(512, 1024))
    needed = scaled.explain(x).bytes["workspace"]
    assert needed > 0
    workspace = torch.empty(needed, dtype=torch.uint8, device="cuda")
    assert_same(scaled(x, workspace=workspace), scaled.reference(x))
    with pytest.raises(qd.ArgumentError, match="bytes at address"):
        scaled(x, workspace=workspace[: needed - 1])


def test_results_are_the_only_memory():
    x = to_gpu(normal(512, 1024))
    q = scaled(x)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    for _ in range(5):
        scaled(x, out=q)
    assert torch.cuda.memory_allocated() == before


def test_arrays_by_protocol():
    """An object of which only DLPack is known: results are DeviceArrays."""

    class Foreign:
        def __init__(self, tensor):
            self.tensor = tensor

        def __dlpack__(self, **options):
            return self.tensor.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.tensor.__dlpack_device__()

    for dtype in DTYPES.values():
        x = to_gpu(normal(64, 256)).to(dtype)
        q = scaled(Foreign(x))
        assert not isinstance(q.codes, torch.Tensor)
        assert_same(q, scaled.reference(x))
        assert_same(torch.from_dlpack(q.codes), scaled.reference(x).codes)


def test_every_device():
    for number in range(torch.cuda.device_count()):
        x = to_gpu(normal(64, 256), f"cuda:{number}")
        q = rows(x)
        assert q.codes.device.index == number
        assert_same(q, rows.reference(x))
    assert torch.cuda.current_device() == 0


def test_different_devices_are_an_error():
    with pytest.raises(qd.ArgumentError, match="different devices"):
        qd.quantize(to_gpu(normal(64, 256)), "NVFP4", amax=torch.ones(1))
    q = rows(to_gpu(normal(64, 256)))
    with pytest.raises(qd.ArgumentError, match="made for target 'host'"):
        qd.jit(lambda q: qd.dequantize(q), target="host")(q)
