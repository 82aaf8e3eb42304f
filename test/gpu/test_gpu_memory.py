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
    check(qd.jit(lambda x: qd.quantize_pair(x, "UFP4_B", rht=RHT)), x)
    check(qd.jit(lambda x: qd.amax(x, rht=RHT)), x)
    check(qd.jit(lambda x: qd.hadamard(x, RHT)), x)
    check(qd.jit(lambda q: qd.dequantize(q)), function(x))


@pytest.mark.parametrize("count", [1, 2, 3, 15, 17, 31, 64, 127, 255, 1000])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_odd_counts(function, count):
    shape = (128, count) if function is columns else (count, 160)
    check(function, to_gpu(normal(*shape)))


def test_more_rows_than_a_grid_is_high():
    x = to_gpu(normal(70_001, 32))[:, :16]  # not dense: a program for each row
    check(rows, x)
    check(columns, to_gpu(normal(64, 70_001 * 2))[:, ::2])


TOTAL, LENGTH = (1 << 31) + (1 << 20), 1 << 14
LAST = slice(-48, None)


@pytest.fixture(scope="module")
def huge():
    """More than 2^31 elements."""
    free, _ = torch.cuda.mem_get_info()
    if free < 16 << 30:
        pytest.skip("needs 16 GiB of GPU memory")
    yield torch.empty(TOTAL // LENGTH, LENGTH, dtype=torch.bfloat16, device="cuda").normal_()
    torch.cuda.empty_cache()


def lines(q, part=LAST):
    """Some lines of codes and scales of one row, across the quantized axis."""
    return [a[part] for a in (q.codes, *q.scales)]


def test_rows_of_more_than_2_to_the_31_elements(huge):
    for f in (rows, qd.jit(lambda x: qd.quantize(x, "MXUF4"))):
        assert_same(lines(f(huge)), lines(f.reference(huge[LAST])))
    tall = huge.view(-1, 16)  # 2^27 rows of one block
    assert_same(lines(rows(tall)), lines(rows.reference(tall[LAST])))
    apart = huge[::4096]  # whose neighbours are 2^26 elements apart
    check(rows, apart)
    check(qd.jit(lambda x: qd.quantize(x, "UFP4_B", axis=0, pad=True)), apart)


def test_columns_of_more_than_2_to_the_31_elements(huge):
    pair = qd.jit(lambda x: qd.quantize_pair(x, "UFP4_B", rht=RHT))
    wanted = pair.reference(huge[:, LAST])[1]
    assert_same(lines(columns(huge)), lines(columns.reference(huge[:, LAST])))
    row, column = pair(huge)
    assert_same(lines(column), lines(wanted))
    assert_same(lines(row), lines(rows.reference(huge[LAST])))


def test_draws_of_more_than_2_to_the_31_elements(huge):
    key = qd.Key(5)
    noisy = qd.jit(lambda x, base: qd.quantize(x, "UFP4_B", rounding=qd.stochastic(key), index_base=base))
    wanted = noisy.reference(huge[LAST], np.int64(TOTAL - 48 * LENGTH))
    assert_same(lines(noisy(huge, np.int64(0))), lines(wanted))


def test_back_from_more_than_2_to_the_31_elements(huge):
    for axis, part in ((1, (LAST,)), (0, (slice(None), LAST))):
        values, wanted = (
            qd.dequantize(qd.quantize(x, "UFP4_B", rht=RHT, axis=axis), dtype="bf16") for x in (huge, huge[part].cpu())
        )
        assert_same(values[part], wanted)
        del values
    huge[-1, -1] = 1000.0
    assert_same(qd.amax(huge), np.full(1, 1000, np.float32))


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
