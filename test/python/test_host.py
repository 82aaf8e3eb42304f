"""Compiled for the host: the bits of the interpreter, for every format, rounding, transform and axis.

QUADRILLE_TEST_TARGET names another host level to test, such as host:avx2.
"""

from __future__ import annotations

import itertools
import os
import threading

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd
from quadrille import compiler

pytestmark = pytest.mark.compiler
TARGET = os.environ.get("QUADRILLE_TEST_TARGET", "host")
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
FLAT = [name for name, f in qd.formats.items() if f.block_rows == 1]


def compiled(function):
    return qd.jit(function, target=TARGET)


def assert_same(got, wanted, what=""):
    """Equal results of any structure: bytes of codes and scales, bytes of arrays."""
    if isinstance(got, qd.QTensor):
        assert qd.bit_identical(got, wanted), f"{what}: {_difference(got, wanted)}"
    elif isinstance(got, dict):
        for key in wanted:
            assert_same(got[key], wanted[key], f"{what} {key}")
    elif isinstance(got, (tuple, list)):
        for number, (a, b) in enumerate(zip(got, wanted, strict=True)):
            assert_same(a, b, f"{what} [{number}]")
    else:
        assert got.tobytes() == wanted.tobytes(), what


def _difference(got, wanted) -> str:
    parts = zip(("codes", "scales.0", "scales.1", "scales.2"), (got.codes, *got.scales), (wanted.codes, *wanted.scales))
    counts = [f"{name} {np.count_nonzero(a.view(np.uint8) != b.view(np.uint8))}/{a.nbytes}" for name, a, b in parts]
    return ", ".join(counts) + " bytes differ"


def quantize_cases():
    """Every rounding without a transform and with the smallest; larger ones, which take
    long to compile, with one rounding each, another for every format and size."""
    for number, (name, fmt) in enumerate(qd.formats.items()):
        for place, size in enumerate(SIZES if fmt.block_rows == 1 else [None]):
            names = [*ROUNDINGS]
            yield name, size, names if size in (None, 16) else [names[(number + place) % len(names)]]


@pytest.mark.parametrize(("name", "size", "roundings"), quantize_cases())
def test_quantize(matrix, name, size, roundings):
    rht = qd.RHT(size, seed=size) if size else None

    @compiled
    def f(x):
        return {
            (rounding, axis): qd.quantize(x, name, rht=rht, rounding=ROUNDINGS[rounding], axis=axis)
            for rounding, axis in itertools.product(roundings, (0, 1))
        }

    x = matrix(256, 512)
    assert_same(f(x), f.reference(x), name)


@pytest.mark.parametrize("rounding", [*ROUNDINGS])
@pytest.mark.parametrize("name", [*qd.formats])
def test_row_and_column_in_one_read(matrix, name, rounding):
    rht = qd.RHT(16, seed=1) if name in FLAT else None

    @compiled
    def f(x):
        return qd.quantize_pair(x, name, rht=rht, rounding=ROUNDINGS[rounding])

    x = matrix(128, 256)
    assert_same(f(x), f.reference(x), f"{name} {rounding}")


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("shape", [(1, 16), (3, 48), (17, 33), (100, 250), (1, 1), (257, 129)])
def test_odd_shapes_dtypes_and_strides(matrix, shape, dtype):
    @compiled
    def f(x):
        return [
            qd.quantize_pair(x, name, rht=rht, pad=True) for name in ("UFP4_B", "NVFP4") for rht in (None, qd.RHT(32))
        ]

    x = matrix(*shape, dtype)
    wide = np.zeros((2 * shape[0] + 1, 3 * shape[1] + 5), dtype)
    views = [
        x,
        np.asfortranarray(x),
        wide[1::2, 5::3],
        wide[-1::-2, : shape[1]][: shape[0]],
        wide[: shape[0], 2 : 2 + shape[1]],
    ]
    for view in views:
        view[...] = x
        assert_same(f(view), f.reference(x), f"{shape} {view.strides}")


@pytest.mark.parametrize("shape", [(0, 64), (64, 0), (0, 0)])
def test_empty_arrays(shape):
    @compiled
    def f(x):
        return qd.quantize(x, "UFP4_B"), qd.quantize(x, "NVFP4", axis=0), *qd.quantize_pair(x, "NVINT4")

    x = np.empty(shape, np.float32)
    results, expected = f(x), f.reference(x)
    assert_same(results, expected)
    for q in results:  # a tensor's scale is written, not found
        q.scales[-1].view(np.uint8)[...] = 0xA5
    assert_same(f(x, out=results), expected)


def test_special_values():
    x = np.zeros((64, 64), np.float32)
    x[0, 0], x[1, 3], x[2, 5] = np.nan, -np.inf, np.inf
    x[3, :], x[4, ::2], x[5, :] = 1e-40, -0.0, 3e38
    x[6, :], x[7, 0] = np.float32(2.0**-149), np.finfo(np.float32).max
    x[8:40] = np.float32(2.0) ** np.linspace(-149, 127, 32, dtype=np.float32)[:, None] * np.linspace(-2, 2, 64)

    @compiled
    def f(x):
        return [qd.quantize(x, name, axis=axis) for name in qd.formats for axis in (0, 1)]

    with np.errstate(over="ignore", invalid="ignore"):
        assert_same(f(x), f.reference(x))


def test_hadamard_amax_and_dequantize(matrix):
    rht = qd.RHT(64, seed=2)

    @compiled
    def f(x):
        q = qd.quantize(x, "UFP4", rht=rht)
        return {
            "hadamard": [qd.hadamard(x, rht, axis=axis) for axis in (0, 1)],
            "amax": [qd.amax(x), qd.amax(x, rht=rht), qd.amax(x, rht=rht, axis=0)],
            "dequantize": [qd.dequantize(q, dtype=dtype) for dtype in ("f32", "bf16", "f16")],
            "undone": qd.dequantize(q, undo_rht=True),
        }

    for x in (matrix(64, 128), matrix(192, 64, np.float32)):
        assert_same(f(x), f.reference(x))


@pytest.mark.parametrize("name", [*qd.formats])
def test_dequantize_of_every_format(matrix, name):
    q = [qd.quantize(matrix(48, 128), name, axis=axis, pad=True) for axis in (0, 1)]
    f = compiled(lambda q: qd.dequantize(q))
    for tensor in q:
        assert_same(f(tensor), f.reference(tensor), name)


def test_a_format_and_rules_of_the_users(matrix):
    thirds = qd.grid("thirds", [k / 3 for k in range(-8, 8)])

    @qd.scale_rule
    def four_over_six(block):
        amax = abs(block).max()

        def candidate(top):
            scale = qd.round_to_scale(amax / top)
            error = block - qd.round_to_grid(block / scale) * scale
            return scale, (error * error).sum()

        (six, error6), (four, error4) = candidate(6.0), candidate(4.0)
        return qd.where(error4 < error6, four, six)

    @qd.scale_rule
    def clip(block):
        return qd.minimum(abs(block).max(), 4 * qd.sqrt((block * block).sum() / 16)) / 1.75

    @qd.scale_rule
    def search(block):
        best, least = abs(block).max() / 1.75, None
        for step in range(8):
            scale = abs(block).max() * (1 - step / 16) / 1.75
            error = block - qd.round_to_grid(block / scale) * scale
            error = (error * error).sum()
            best = scale if least is None else qd.where(error < least, scale, best)
            least = error if least is None else qd.minimum(error, least)
        return best

    formats = [
        qd.format("THIRDS", thirds, [qd.level(16, "e4m3"), qd.level("tensor", "f32")]),
        qd.format(
            "NVFP4_46", qd.e2m1, [qd.level(16, "e4m3", rule=four_over_six), qd.level("tensor", "f32", qmax=1536)]
        ),
        qd.format("CLIP", qd.e1m2, [qd.level(16, "f32", rule=clip)]),
        qd.format("SEARCH", qd.e1m2, [qd.level(16, "bf16", rule=search, bits=5)]),
    ]
    x = matrix(64, 128)
    for fmt in formats:
        f = compiled(lambda x: qd.quantize_pair(x, fmt))
        assert_same(f(x), f.reference(x), fmt.name)


# Products.


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("name", FLAT)
def test_the_three_products_of_training(matrix, name, dtype):
    rht = qd.RHT(64, seed=6)

    @compiled
    def step(x, w, dy):
        q = lambda a, axis=1: qd.quantize(a, name, rht=rht, axis=axis)  # noqa: E731
        return (
            qd.matmul(q(x), q(w).T, dtype=dtype),
            qd.matmul(q(dy), q(w, 0), dtype=dtype),
            qd.matmul(q(dy, 0).T, q(x, 0), dtype=dtype),
        )

    x, w, dy = matrix(128, 256), matrix(192, 256), matrix(128, 192)
    for got, wanted in zip(step(x, w, dy), step.reference(x, w, dy)):
        assert got.dtype == wanted.dtype and got.shape == wanted.shape
        wanted = wanted.astype(np.float64)
        step_size = 2.0**-8 if dtype == "bf16" else 2.0**-20
        assert np.abs(got.astype(np.float64) - wanted).max() <= step_size * np.abs(wanted).max()


def test_bias_and_accumulator(matrix):
    f = compiled(lambda x, w, bias, acc: qd.matmul(qd.quantize(x, "UFP4_B"), w.T, bias=bias, acc=acc, dtype="f32"))
    x, w = matrix(33, 64), qd.quantize(matrix(47, 64), "UFP4_B")
    bias, acc = matrix(1, 47, np.float32)[0], matrix(33, 47, np.float32)
    wanted = f.reference(x, w, bias, acc)
    np.testing.assert_allclose(f(x, w, bias, acc), wanted, rtol=1e-5, atol=1e-4)
    assert f(x, w, bias, acc, out=acc) is acc
    np.testing.assert_allclose(acc, wanted, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("block", [4, 8])
def test_products_of_lengths_that_16_does_not_divide(matrix, block):
    """In the f32 carrier, as no integer holds this grid."""
    fmt = qd.format("SHORT", qd.grid("thirds", [0, 1, 2, 3, -1, -2, -3, 0.3]), [qd.level(block, "e8m0", rule="ocp")])
    f = compiled(lambda x, w: qd.matmul(qd.quantize(x, fmt), qd.quantize(w, fmt).T, dtype="f32"))
    for length in (8, 24, 40):
        x, w = matrix(13, length), matrix(7, length)
        np.testing.assert_allclose(f(x, w), f.reference(x, w), rtol=1e-5, atol=1e-4)


# Compiling.


def test_a_thousand_row_counts_compile_at_most_four_kernels(matrix):
    f = compiled(lambda x: qd.quantize(x, "UFP4"))
    x = matrix(1000, 64)
    wanted = f.reference(x)
    before = len(compiler._cache)
    for rows in range(1, 1001):
        assert np.array_equal(f(x[:rows]).codes, wanted.codes[:rows])
    assert len(compiler._cache) - before <= 4


def test_a_new_sign_vector_compiles_nothing(matrix):
    f = compiled(lambda x, rht: qd.quantize(x, "UFP4", rht=rht))
    x = matrix(32, 64)
    f(x, qd.RHT(16, seed=0))
    before = len(compiler._cache)
    for seed in range(1, 20):
        rht = qd.RHT(16, seed=seed)
        assert_same(f(x, rht), f.reference(x, rht))
    assert len(compiler._cache) == before


def test_explain_names_kernels(matrix):
    @compiled
    def layer(x, w):
        return qd.matmul(qd.quantize(x, "UFP4_B"), qd.quantize(w, "UFP4_B").T)

    report = layer.explain(matrix(16, 32), matrix(16, 32))
    assert report.kernels and all("layer" in kernel["name"] for kernel in report.kernels)
    assert all(kernel["name"] in report.text for kernel in report.kernels)
    with pytest.raises(qd.CompileError, match="max_kernels=0"):
        qd.jit(layer.function, target=TARGET, max_kernels=0)(matrix(16, 32), matrix(16, 32))


@pytest.mark.parametrize("target", [TARGET, "sm_90a", "gfx942"])
def test_every_stage_is_there_for_every_target(target):
    f = compiled(lambda x: qd.quantize(x, "UFP4_B", rht=qd.RHT(16)))
    texts = {s: f.lower(qd.spec("bf16[M,8192]"), target=target, stage=s) for s in ("quad", "tile", "llvm", "asm")}
    assert "quad.kernel" in texts["quad"] and "tile." in texts["tile"] and "define" in texts["llvm"]
    marks = {"sm_90a": ".target sm_90a", "gfx942": "gfx942"}
    assert marks.get(target, ".text") in texts["asm"]


def test_an_unknown_target_is_an_error(matrix):
    with pytest.raises(qd.QuadrilleError, match="sm_10"):
        qd.jit(lambda x: qd.quantize(x, "UFP4"), target="sm_10")(matrix(16, 32))
    with pytest.raises(qd.QuadrilleError):
        qd.jit(lambda x: qd.quantize(x, "UFP4"), target="sm_90a")(matrix(16, 32))


def test_threads_compile_and_run_together(matrix):
    x = matrix(512, 256)
    functions = [compiled(lambda x, name=name: qd.quantize(x, name, rht=qd.RHT(16))) for name in FLAT[:4]]
    wanted = [f.reference(x) for f in functions]
    wrong = []

    def work(i):
        wrong.extend(i for _ in range(20) if not qd.bit_identical(functions[i % 4](x), wanted[i % 4]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (qd.quantize(x, "UFP4"), qd.quantize(x, "UFP4")),
        lambda x: (lambda q: (q, q.T))(qd.quantize(x, "UFP4")),
        lambda x: (qd.quantize(x, "UFP4"), *qd.quantize_pair(x, "UFP4")),
        lambda x: (qd.amax(x), qd.amax(x)),
    ],
    ids=["equal", "transposed", "pair", "amax"],
)
def test_what_is_returned_twice_is_there_twice(f):
    x = np.random.default_rng(0).standard_normal((64, 96), np.float32)
    function = qd.jit(f)
    for mine, theirs in zip(function(x), function.reference(x)):
        for a, b in zip(getattr(mine, "scales", [mine]), getattr(theirs, "scales", [theirs])):
            assert a.tobytes() == b.tobytes()
        assert not hasattr(mine, "codes") or qd.bit_identical(mine, theirs)
