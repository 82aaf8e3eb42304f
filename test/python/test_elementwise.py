"""Elementwise code: the specification, tracing, and the fused kernels of the host."""

from __future__ import annotations

import functools
import re
from fractions import Fraction
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd
from hypothesis import given, settings
from hypothesis import strategies as st
from quadrille import _native

F32, BF16 = np.dtype(np.float32), np.dtype(ml_dtypes.bfloat16)
HOST = pytest.mark.compiler
NUMERICS_DOC = Path(__file__).parents[2] / "docs" / "numerics.md"
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-40, 3.4e38, 88.7, -103.9, 1.0], np.float32)


def same(got: np.ndarray, wanted: np.ndarray) -> bool:
    """Equal bytes, but for the sign and payload of a NaN."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    nan = np.isnan(got.astype(np.float32)) & np.isnan(wanted.astype(np.float32))
    bits = f"u{got.itemsize}"
    return got.dtype == wanted.dtype and bool(np.all(nan | (got.view(bits) == wanted.view(bits))))


def check(function, *args, **options):
    """The host's result of a jitted function, which is its interpreter's."""
    compiled = qd.jit(function, target="host", **options)
    got, wanted = compiled(*args), compiled.reference(*args)
    assert same(got, wanted)
    return got


# The functions, once more, from the words of docs/numerics.md.


def fl(x) -> Fraction:
    """Rounded to f32; a Fraction that is too large stays."""
    return Fraction(float(_round_to_f32(Fraction(x))))


def _round_to_f32(x: Fraction) -> np.float32:
    near = np.float32(float(x))  # rounded twice: one of its neighbours may be nearer
    near_and_neighbours = [near, np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))]
    even = lambda v: int(v.view(np.uint32)) % 2  # noqa: E731
    return min(near_and_neighbours, key=lambda v: (abs(Fraction(float(v)) - x), even(v)))


def fma(a, b, c) -> Fraction:
    return fl(a * b + c)


@functools.cache
def documented(name: str) -> list[Fraction]:
    """The hexadecimal constants of a function's paragraph, in order."""
    paragraph = re.search(rf"^- `{name}\(x\)`.*?(?=^- `|\n\n)", NUMERICS_DOC.read_text(), re.M | re.S)[0]
    return [Fraction(float.fromhex(text)) for text in re.findall(r"-?0x[0-9a-f.]+p[+-]\d+", paragraph)]


def poly(x, coefficients) -> Fraction:
    total = coefficients[0]
    for coefficient in coefficients[1:]:
        total = fma(total, x, coefficient)
    return total


def doc_exp(x: Fraction) -> Fraction:
    log2e, low, high, *coefficients = documented("exp")
    x, magic = min(max(x, Fraction(-104)), Fraction(89)), Fraction(3 << 22)
    n = fl(fma(x, log2e, magic) - magic)
    r = fma(n, low, fma(n, high, x))
    p = fl(fma(fl(r * r), poly(r, coefficients), r) + 1)
    half = int(n) // 2
    return fl(fl(p * Fraction(2) ** half) * Fraction(2) ** (int(n) - half))


def doc_tanh(x: Fraction) -> Fraction:
    a, square = abs(x), fl(x * x)
    small = fma(fl(a * square), poly(square, documented("tanh")), a)
    large = fl(1 - fl(2 / fl(doc_exp(fl(a + a)) + 1)))
    value = small if a < Fraction(5, 8) else large
    return -value if x < 0 else value


def doc_erf(x: Fraction) -> Fraction:
    constants, a = documented("erf"), abs(x)
    small = fl(a * poly(fl(x * x), constants[:7]))
    large = fl(1 - doc_exp(-poly(min(a, Fraction(4)), constants[7:])))
    value = small if a < 1 else large
    return -value if x < 0 else value


def doc_sigmoid(x: Fraction) -> Fraction:
    e = doc_exp(-abs(x))
    return fl((e if x < 0 else 1) / fl(1 + e))


def doc_gelu(x: Fraction) -> Fraction:
    (root,) = documented("gelu")
    return fl(fl(x / 2) * fl(1 + doc_erf(fl(x * root))))


def doc_gelu_tanh(x: Fraction) -> Fraction:
    square, linear = documented("gelu_tanh")
    return fl(x * doc_sigmoid(fl(x * fma(fl(x * x), square, linear))))


DOCUMENTED = {
    "exp": doc_exp,
    "tanh": doc_tanh,
    "erf": doc_erf,
    "sigmoid": doc_sigmoid,
    "silu": lambda x: fl(x * doc_sigmoid(x)),
    "gelu": doc_gelu,
    "gelu_tanh": doc_gelu_tanh,
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_functions_are_what_the_document_says(name, rng):
    xs = (rng.standard_normal(60) * np.array([1, 5, 0.01])[:, None][rng.integers(0, 3, 60), 0]).astype(np.float32)
    got = _native.numerics.evaluate(name, xs)
    wanted = np.array([float(DOCUMENTED[name](Fraction(float(x)))) for x in xs], np.float32)
    np.testing.assert_array_equal(got, wanted)


# Arithmetic.


OPERATIONS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


@pytest.mark.parametrize("dtype", [F32, BF16, np.dtype(np.float16)])
@pytest.mark.parametrize("symbol", OPERATIONS)
def test_arithmetic_is_that_of_numpy_and_torch(matrix, symbol, dtype):
    """Of one type, each operation is the correctly rounded one: what NumPy, ml_dtypes and torch compute."""
    a, b = matrix(24, 40, dtype), matrix(24, 40, dtype)
    operation = OPERATIONS[symbol]
    got = qd.jit(lambda a, b: operation(a, b))(a, b)
    assert got.dtype == dtype and same(got, operation(a, b))
    torch = pytest.importorskip("torch")
    as_torch = [torch.from_numpy(x.astype(np.float32)).to(getattr(torch, str(dtype))) for x in (a, b)]
    np.testing.assert_array_equal(got.astype(np.float32), operation(*as_torch).float().numpy())


def test_types_of_results(matrix):
    x, y = matrix(16, 16), matrix(16, 16, np.float32)
    f = qd.jit(lambda x, y, s: (x + 1, x * s, x + y, -x, abs(y), x.astype("f16"), s * 2.0, x / qd.amax(y)))
    types = [np.dtype(BF16), BF16, F32, BF16, F32, np.dtype(np.float16), F32, F32]
    results = f(x, y, 0.5)
    assert [r.dtype for r in results] == types
    assert results[6].shape == (1, 1) and results[6][0, 0] == 1
    assert len(f.signatures()) == 1
    f(x, y, 7.0)
    assert len(f.signatures()) == 1, "a new number is no new signature"


@pytest.mark.parametrize(
    "shapes",
    [[(7, 9), (7, 1)], [(7, 9), (1, 9)], [(7, 9), (1, 1)], [(7, 1), (1, 9)], [(7, 9), (9,)], [(1, 9), (1, 9)]],
)
def test_shapes_repeat_as_in_numpy(shapes, rng):
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    got = qd.jit(lambda a, b: a * b)(a, b)
    np.testing.assert_array_equal(got, np.broadcast_to(a * b, got.shape))


def test_an_axis_that_is_longer_does_not_repeat(matrix):
    f = qd.jit(lambda a, b: a + b)
    a = matrix(4, 8)
    assert f(a, matrix(4, 8)).shape == (4, 8)
    with pytest.raises(qd.ShapeError, match="operands of add have lengths 4 and 5 along axis 0") as error:
        f(a, matrix(5, 8))
    assert "lambda a, b: a + b" in str(error.value)


def test_numbers_and_arrays_of_numpy_to_the_left(matrix):
    outside = matrix(1, 8, np.float32)
    x = matrix(4, 8, np.float32)
    got = qd.jit(lambda x: np.float32(2) * x + outside * x - np.int64(1))(x)
    np.testing.assert_array_equal(got, np.float32(2) * x + outside * x - np.float32(1))


@pytest.mark.parametrize("first", [0.0, -0.0, np.nan])
def test_maximum_and_minimum_of_zeros_and_nan(first):
    a, b = np.full((1, 4), first, np.float32), np.array([[0.0, -0.0, 1.0, np.nan]], np.float32)
    for function, extreme in ((qd.maximum, max), (qd.minimum, min)):
        got = function(a, b)
        for one, two, value in zip(a[0], b[0], got[0]):
            if np.isnan(one) or np.isnan(two):
                assert np.isnan(value)
            else:
                key = lambda v: (float(v), not np.signbit(v))  # noqa: E731
                wanted = extreme(one, two, key=key)
                assert value == wanted and np.signbit(value) == np.signbit(wanted)


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (lambda x, q: q + 1, qd.TraceError, "Python arithmetic on"),
        (lambda x, q: x + q, qd.DTypeError, "quantized"),
        (lambda x, q: x @ x, qd.TraceError, "this operator"),
        (lambda x, q: x**2, qd.TraceError, "this operator"),
        (lambda x, q: np.exp(x), qd.TraceError, "NumPy function"),
        (lambda x, q: x + "1", qd.DTypeError, "a str"),
        (lambda x, q: x + True, qd.DTypeError, "a bool"),
        (lambda x, q: x + np.ones((4, 16), np.float32), qd.ArgumentError, "made inside"),
        (lambda x, q: qd.gelu(x, approximate="sigmoid"), qd.ArgumentError, "approximate"),
        (lambda x, q: x.astype(np.int8), qd.DTypeError, "int8"),
    ],
)
def test_what_is_not_elementwise_arithmetic(matrix, body, kind, says):
    x = matrix(4, 16)
    with pytest.raises(kind, match=says) as error:
        qd.jit(body)(x, qd.quantize(x, "UFP4"))
    assert error.value.instead and error.value.where.file == __file__


def test_scale_rules_share_the_functions(matrix):
    rule = qd.scale_rule(lambda block: qd.maximum(abs(block).max(), 0.5) / 1.75)
    fmt = qd.format("clipped", qd.e1m2, [qd.level("1x16", "bf16", rule=rule)])
    assert qd.quantize(matrix(4, 32), fmt).scales[0].astype(np.float32).min() >= 0.28


# The host.


FUNCTIONS = [qd.exp, qd.tanh, qd.erf, qd.sigmoid, qd.silu, qd.gelu, qd.relu, qd.sqrt, qd.floor, qd.ceil]


@HOST
def test_every_function_on_the_host(rng):
    x = np.concatenate([SPECIAL, rng.standard_normal(10 * 64 - len(SPECIAL)).astype(np.float32) * 8]).reshape(10, 64)

    def f(x):
        return tuple(function(x) for function in FUNCTIONS) + (qd.gelu(x, approximate="tanh"), -x, abs(x))

    compiled = qd.jit(f, target="host")
    for got, wanted in zip(compiled(x), compiled.reference(x), strict=True):
        assert same(got, wanted)


@HOST
@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(width=32), min_size=64, max_size=64))
def test_any_floats_on_the_host(values):
    x = np.array(values, np.float32).reshape(4, 16)
    check(_every_binary, x, x[::-1].copy())


def _every_binary(a, b):
    y = (a + b) * qd.maximum(a - b, qd.minimum(a, b) / 3.0)
    return y.astype("bf16") * qd.exp(b.astype("bf16"))


@HOST
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (64, 257), (5, 1024), (1, 4096), (300, 16)])
def test_operands_of_all_kinds_on_the_host(shape, rng):
    rows, cols = shape
    make = lambda *s, dtype=np.float32: rng.standard_normal(s).astype(dtype)  # noqa: E731
    check(
        lambda x, y, row, col, one, vector, s: (x * row + col) / one - y * vector * s,
        make(rows, cols, dtype=BF16),
        make(cols, rows, dtype=np.float16).T,
        make(1, cols),
        make(rows, 1),
        make(1, 1),
        make(cols),
        1.25,
    )


@HOST
def test_strides_on_the_host(matrix):
    x = matrix(80, 96, np.float32)
    for view in (x[::2, 8:72], x.T[:64], x[:, ::3], x[::-1]):
        check(lambda a, b: a * 2.0 + b, view, np.ascontiguousarray(view))


@HOST
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("fmt", ["UFP4_B", "NVFP4", "NVFP4_16x16", "HIF4"])
def test_quantize_computes_what_it_reads(matrix, fmt, axis):
    """The elementwise code is in the quantize's kernel, unless an amax reads it too."""
    rht = None if fmt == "NVFP4_16x16" else qd.RHT(16, seed=3)

    @qd.jit(target="host")
    def f(gate, up):
        return qd.quantize(qd.silu(gate) * up, fmt, rht=rht, axis=axis)

    gate, up = matrix(64, 128), matrix(64, 128)
    assert qd.bit_identical(f(gate, up), f.reference(gate, up))
    kernels = [k["name"] for k in f.explain(gate, up).kernels]
    if qd.formats[fmt].has_tensor_level:
        assert len(kernels) == 4 and "another use" in f.explain(gate, up, verbose=True).text
    else:
        assert len(kernels) == 1 and "map_quantize" in kernels[0]


@HOST
def test_padding_is_zero_whatever_the_function_of_zero(matrix):
    @qd.jit(target="host")
    def f(x):
        y = qd.exp(x)
        return qd.quantize(y, "UFP4", rht=qd.RHT(32, seed=1), pad=True), qd.quantize(y, "UFP4", axis=0, pad=True)

    x = matrix(37, 53)
    for got, wanted in zip(f(x), f.reference(x), strict=True):
        assert qd.bit_identical(got, wanted)
    assert len(f.explain(x).kernels) == 1


@HOST
def test_swiglu_in_one_read(matrix):
    @qd.jit(target="host")
    def f(gate, up):
        rht = qd.RHT(16, seed=3)
        return qd.quantize_pair(qd.silu(gate) * up, "UFP4_B", rht=rht)

    gate, up = matrix(96, 160), matrix(96, 160)
    results = f(gate, up)
    for got, wanted in zip(results, f.reference(gate, up), strict=True):
        assert qd.bit_identical(got, wanted)
    h = qd.silu(gate) * up  # unfused: silu of a bf16 matrix is bf16, and so is NumPy's product
    for got, wanted in zip(results, qd.quantize_pair(h, "UFP4_B", rht=qd.RHT(16, seed=3)), strict=True):
        assert qd.bit_identical(got, wanted)
    assert [k["name"] for k in f.explain(gate, up).kernels] == ["f_map_quantize_pair"]


# Epilogues.


def operands(matrix, m, n, k, fmt="MXUF4"):
    return qd.quantize(matrix(m, k), fmt), qd.quantize(matrix(n, k), fmt)


@HOST
@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16"])
@pytest.mark.parametrize("fmt", ["MXUF4", "UFP4_B", "NVFP4"])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (37, 65), (170, 300)])
def test_an_epilogue_equals_its_parts(matrix, fmt, dtype, m, n):
    x, w = operands(matrix, m, n, 64, fmt)
    gate, row, col, bias = matrix(m, n), matrix(1, n, np.float32), matrix(m, 1), matrix(1, n, np.float16)[0]

    def epilogue(y, gate, row, col, bias, s):
        return qd.silu(y * s + bias) * gate / qd.maximum(abs(row), 0.1) - col

    @qd.jit(target="host")
    def fused(x, w, gate, row, col, bias, s):
        return epilogue(qd.matmul(x, w.T, dtype=dtype), gate, row, col, bias, s)

    @qd.jit(target="host")
    def product(x, w):
        return qd.matmul(x, w.T, dtype=dtype)

    parts = qd.jit(epilogue, target="host")
    rest = (gate, row, col, bias, 0.75)
    assert same(fused(x, w, *rest), parts(product(x, w), *rest))
    kernels = [k["name"] for k in fused.explain(x, w, *rest).kernels]
    assert kernels == ["fused_matmul_pack_lhs", "fused_matmul_pack_rhs", "fused_matmul"]


@HOST
def test_epilogue_operands_of_any_strides(matrix):
    x, w = operands(matrix, 40, 50, 32)
    gate = matrix(120, 100)
    fused = qd.jit(lambda x, w, g: qd.matmul(x, w.T, dtype="f32") * g, target="host")
    y = qd.jit(lambda x, w: qd.matmul(x, w.T, dtype="f32"), target="host")(x, w)
    for view in (gate[::3, ::2], gate[:50, :40].T, gate[39::-1, 10:60], np.ascontiguousarray(gate[:40, :50])):
        assert same(fused(x, w, view), y * view.astype(np.float32))


@HOST
def test_swiglu_of_two_products(matrix):
    """The gate is a product of its own; the other's kernel does the rest."""
    rht = qd.RHT(16, seed=1)

    @qd.jit(target="host")
    def mlp(x, gate, up):
        q = qd.quantize(x, "UFP4_B", rht=rht)
        g = qd.matmul(q, qd.quantize(gate, "UFP4_B", rht=rht).T)
        u = qd.matmul(q, qd.quantize(up, "UFP4_B", rht=rht).T)
        return qd.quantize_pair(qd.silu(g) * u, "UFP4_B", rht=rht)

    @qd.jit(target="host")
    def products(x, gate, up):
        q = qd.quantize(x, "UFP4_B", rht=rht)
        return tuple(qd.matmul(q, qd.quantize(w, "UFP4_B", rht=rht).T) for w in (gate, up))

    x, gate, up = matrix(48, 64), matrix(96, 64), matrix(96, 64)
    g, u = products(x, gate, up)
    for got, wanted in zip(mlp(x, gate, up), qd.quantize_pair(qd.silu(g) * u, "UFP4_B", rht=rht), strict=True):
        assert qd.bit_identical(got, wanted)
    report = mlp.explain(x, gate, up, verbose=True)
    assert [k["name"] for k in report.kernels if "map" in k["name"]] == []
    assert "quantizes the product in a kernel of its own" in report.text


@HOST
def test_a_product_with_another_use_is_not_fused_and_says_so(matrix):
    x, w = operands(matrix, 16, 16, 32)

    @qd.jit(target="host")
    def f(x, w):
        y = qd.matmul(x, w.T, dtype="f32")
        return y, qd.relu(y)

    y, positive = f(x, w)
    np.testing.assert_array_equal(positive, np.maximum(y, 0))
    assert "the product that it reads has another use" in f.explain(x, w, verbose=True).text
    with pytest.raises(qd.CompileError, match="more than max_kernels=3"):
        qd.jit(f.function, target="host", max_kernels=3)(x, w)


@HOST
def test_acc_and_bias_come_before_the_epilogue(matrix):
    x, w = operands(matrix, 20, 24, 32)
    bias, acc = matrix(1, 24, np.float32)[0], matrix(24, 20, np.float32).T
    fused = qd.jit(lambda x, w, b, c: qd.relu(qd.matmul(x, w.T, dtype="f32", bias=b, acc=c)), target="host")
    plain = qd.jit(lambda x, w, b, c: qd.matmul(x, w.T, dtype="f32", bias=b, acc=c), target="host")
    np.testing.assert_array_equal(fused(x, w, bias, acc), np.maximum(plain(x, w, bias, acc), 0))
    np.testing.assert_array_equal(plain(x, w, bias, acc), plain(x, w, bias, np.ascontiguousarray(acc)))


@HOST
@pytest.mark.parametrize("target", ["sm_90a", "gfx942"])
def test_elementwise_code_lowers_for_gpus(target):
    f = qd.jit(lambda g, u: qd.quantize(qd.silu(g) * u, "UFP4_B", rht=qd.RHT(16, seed=0)))
    text = f.lower(qd.spec("bf16[M,8192]"), qd.spec("bf16[M,8192]"), target=target, stage="asm")
    assert "map_quantize_row" in text
