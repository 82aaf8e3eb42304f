"""Errors: each names what is wrong, the user's line with a caret, and what would work."""

from __future__ import annotations

import inspect

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd

X = np.ones((32, 64), np.float32)


def located(error: qd.QuadrilleError, fragment: str) -> None:
    """The error points into this file, at a line with `fragment`, and prints it with a caret."""
    assert error.where.file == __file__
    line = inspect.getsource(inspect.getmodule(located)).splitlines()[error.where.line - 1]
    assert fragment in line
    text = str(error)
    assert f"{__file__}:{error.where.line}:{error.where.column}: " in text
    assert line in text
    caret = text.splitlines()[text.splitlines().index("  " + line) + 1]
    assert caret.index("^") - 2 == error.where.column - 1
    assert error.instead and f"instead: {error.instead}" in text


@pytest.mark.parametrize(
    "body",
    [
        lambda x: qd.quantize(x, "UFP4") if x else None,
        lambda x: [row for row in x],
        lambda x: float(x),
        lambda x: np.abs(x),
        lambda x: np.asarray(x),
        lambda x: x[0],
        lambda x: x @ x,
        lambda x: x**2,
        lambda x: qd.quantize(x, "UFP4") * 2.0,
        lambda x: x == x,
        lambda x: len(x),
        lambda x: range(x.shape[0]),
        lambda x: x.shape[0] // 2,
        lambda x: x.shape[0] == 32,
        lambda x: qd.quantize(x, "UFP4").codes,
        lambda x: max(x.shape),
    ],
)
def test_python_may_not_look_at_traced_values(body):
    with pytest.raises(qd.TraceError) as error:
        qd.jit(body)(X)
    located(error.value, "lambda x:")


def test_control_flow_points_at_the_condition():
    @qd.jit
    def f(x):
        if qd.amax(x) > 1:
            return qd.quantize(x, "UFP4")
        return qd.quantize(x, "MXFP4")

    with pytest.raises(qd.TraceError) as error:
        f(X)
    located(error.value, "if qd.amax(x) > 1:")
    assert error.value.where.column == 12


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda: qd.quantize(np.ones((4, 4, 16), np.float32), "UFP4"), qd.ShapeError, "rank 3 (4x4x16)"),
        (lambda: qd.quantize(np.ones(16, np.float32), "UFP4"), qd.ShapeError, "rank 1"),
        (lambda: qd.quantize(X.astype(np.float64), "UFP4"), qd.DTypeError, "float64"),
        (lambda: qd.quantize(X.astype(np.int8), "UFP4"), qd.DTypeError, "int8"),
        (lambda: qd.quantize([[1.0]], "UFP4"), qd.DTypeError, "x is a list"),
        (lambda: qd.quantize(X, "UFP5"), qd.ArgumentError, "'UFP5' is not a format"),
        (lambda: qd.quantize(X, "UFP4", axis=2), qd.ShapeError, "axis=2"),
        (lambda: qd.quantize(X[:, :40], "UFP4"), qd.ShapeError, "length 40, not a multiple of 16"),
        (lambda: qd.quantize(X[:, :48], "UFP4", rht=qd.RHT(32)), qd.ShapeError, "multiple of 32"),
        (lambda: qd.quantize(X, "UFP4", rht=16), qd.ArgumentError, "rht is 16"),
        (lambda: qd.quantize(X, "NVFP4_16x16", rht=qd.RHT(16)), qd.ArgumentError, "16 rows"),
        (lambda: qd.quantize(X, "UFP4", rounding=qd.stochastic()), qd.ArgumentError, "without a key"),
        (lambda: qd.quantize(X, qd.recipes.UFP4.dgrad[0]), qd.ArgumentError, "without a key"),
        (lambda: qd.quantize(X, "UFP4", rounding="even"), qd.ArgumentError, "rounding is"),
        (lambda: qd.quantize(X, "UFP4", amax=qd.amax(X)), qd.ArgumentError, "no tensor scale"),
        (lambda: qd.quantize(X, "NVFP4", amax=3.0), qd.ShapeError, "amax is"),
        (lambda: qd.quantize(X, "NVFP4", amax=np.ones(2, np.float32)), qd.ShapeError, "amax has 2"),
        (lambda: qd.quantize(X, "UFP4", index_base=0.5), qd.DTypeError, "index_base"),
        (lambda: qd.quantize(X, "UFP4", groups=[1]), qd.ArgumentError, "groups="),
        (lambda: qd.quantize(X, "UFP4", flags=X), qd.DTypeError, "flags is"),
        (lambda: qd.quantize(X, "UFP4", amax_out=np.zeros(2, np.float32)), qd.ShapeError, "amax_out is"),
        (lambda: qd.quantize(qd.quantize(X, "UFP4"), "UFP4"), qd.DTypeError, "already quantized"),
        (lambda: qd.quantize_pair(X), qd.ArgumentError, "needs a format"),
        (lambda: qd.hadamard(X, None), qd.ArgumentError, "rht is None"),
        (lambda: qd.hadamard(X, qd.RHT(128)), qd.ShapeError, "multiple of 128"),
        (lambda: qd.dequantize(X), qd.DTypeError, "not a quantized tensor"),
        (lambda: qd.dequantize(qd.quantize(X, "UFP4"), undo_rht=True), qd.ArgumentError, "not transformed"),
        (lambda: qd.dequantize(qd.quantize(X, "UFP4"), dtype="f64"), qd.DTypeError, "f64"),
        (lambda: qd.prepare(X), qd.DTypeError, "not a quantized tensor"),
        (lambda: qd.prepare(qd.quantize(X, "UFP4"), side="left"), qd.ArgumentError, "side='left'"),
        (lambda: qd.prepare(qd.quantize(X, "UFP4"), other="UFP5"), qd.ArgumentError, "UFP5"),
        (lambda: qd.matmul(X, X.T), qd.DTypeError, "neither operand"),
        (lambda: qd.matmul(q("UFP4"), q("UFP4")), qd.ShapeError, "quantized along axis 1, but axis 0"),
        (lambda: qd.matmul(q("UFP4"), q("MXFP4").T), qd.ShapeError, "blocks of 16 (UFP4) and b of 32 (MXFP4)"),
        (lambda: qd.matmul(q("UFP4", rht=qd.RHT(16)), q("UFP4").T), qd.ArgumentError, "b has no RHT"),
        (lambda: qd.matmul(X, q("UFP4", rht=qd.RHT(16)).T), qd.ArgumentError, "a of matmul has no RHT"),
        (lambda: qd.matmul(X[:, :32], q("UFP4").T), qd.ShapeError, "32 columns and b has 64 rows"),
        (lambda: qd.matmul(X, q("UFP4").T, bias=X), qd.ShapeError, "bias is"),
        (lambda: qd.matmul(X, q("UFP4").T, bias=X[0]), qd.ShapeError, "bias has 64 elements, not 32"),
        (lambda: qd.matmul(X, q("UFP4").T, acc=X[:, :32]), qd.DTypeError, "acc is f32, the result bf16"),
        (lambda: qd.matmul(X, q("UFP4").T, acc=X, dtype="f32"), qd.ShapeError, "acc has length 64"),
        (lambda: qd.matmul(X, q("UFP4").T, accum="double"), qd.ArgumentError, "accum='double'"),
        (lambda: qd.jit(3), qd.ArgumentError, "not a function"),
        (lambda: qd.jit(lambda x: 3)(X), qd.ArgumentError, "returns no traced value"),
        (lambda: qd.jit(lambda x: x)(X), qd.ArgumentError, "returns its argument"),
        (lambda: qd.jit(lambda x: qd.quantize(np.ones((16, 16)), "UFP4"))(X), qd.ArgumentError, "made inside"),
        (lambda: qd.jit(lambda x: qd.quantize(x, "UFP4")).lower(X, stage="ptx"), qd.ArgumentError, "stage 'ptx'"),
        (lambda: qd.jit(lambda x: qd.quantize(x, "UFP4"))({1: {2}}), qd.DTypeError, "x is a set"),
        (lambda: qd.jit(q)(X, workspace=X), qd.UnsupportedError, "workspace= is not"),
        (lambda: qd.metrics(X, X), qd.DTypeError, "q is a"),
        (lambda: qd.metrics(X[:16], q("UFP4")), qd.ShapeError, "x has shape"),
    ],
)
def test_wrong_arguments(call, kind, says):
    with pytest.raises(kind) as error:
        call()
    assert says in str(error.value)
    assert error.value.where.file == __file__


def q(name, **options):
    return qd.quantize(X, name, **options)


def test_builtin_exceptions_keep_their_meaning():
    for own, builtin in [
        (qd.ShapeError, ValueError),
        (qd.ArgumentError, ValueError),
        (qd.DTypeError, TypeError),
        (qd.TraceError, TypeError),
        (qd.UnsupportedError, NotImplementedError),
        (qd.CompileError, RuntimeError),
        (qd.FileError, ValueError),
    ]:
        assert issubclass(own, builtin) and issubclass(own, qd.QuadrilleError)


def test_a_shape_error_of_a_call_points_at_the_operation():
    @qd.jit
    def f(x):
        return qd.quantize(x, "UFP4")  # here

    f(X)
    with pytest.raises(qd.ShapeError) as error:
        f(np.ones((32, 40), ml_dtypes.bfloat16))
    located(error.value, "# here")
    assert "pad=True" in error.value.instead


@pytest.mark.skipif(hasattr(qd._core, "runtime"), reason="this build has a compiler")
def test_without_a_compiler_nothing_falls_back_silently():
    with pytest.raises(qd.UnsupportedError, match="no runtime") as error:
        qd.jit(lambda x: qd.quantize(x, "UFP4"), target="host")(X)
    assert "QUADRILLE_INTERPRET=1" in str(error.value)
