"""What holds of host programs for any shape and any values: bits of the interpreter, writes
inside of the results only, products within the bound of their accumulation."""

from __future__ import annotations

import os

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.compiler
TARGET = os.environ.get("QUADRILLE_TEST_TARGET", "host")
FLAT = [name for name, f in qd.formats.items() if f.block_rows == 1]


def compiled(function):
    return qd.jit(function, target=TARGET)


padded_pair = compiled(lambda x: qd.quantize_pair(x, "NVFP4", rht=qd.RHT(16, seed=3), pad=True))
padded_row = compiled(lambda x: qd.quantize(x, "HIF4", pad=True))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_shape_any_bits(data):
    """All bit patterns of bf16 are inputs: infinities, NaNs with payloads, subnormals."""
    rows, cols = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 300))
    words = np.random.default_rng(data.draw(st.integers(0, 2**32))).integers(0, 2**16, (rows, cols), np.uint16)
    if data.draw(st.booleans()):  # finite: without the all-ones exponent
        words &= ~np.uint16(0x4000)
    x = words.view(ml_dtypes.bfloat16)
    with np.errstate(all="ignore"):
        for f in (padded_pair, padded_row):
            got, wanted = f(x), f.reference(x)
            pairs = zip(got, wanted) if isinstance(got, tuple) else [(got, wanted)]
            assert all(qd.bit_identical(a, b) for a, b in pairs)


def guarded(array):
    """A writable copy between guards, and a function that checks these."""
    guard = 4096
    memory = np.full(array.nbytes + 2 * guard, 0xA5, np.uint8)
    inside = memory[guard : guard + array.nbytes].view(array.dtype).reshape(array.shape)

    def check():
        assert (memory[:guard] == 0xA5).all() and (memory[guard + array.nbytes :] == 0xA5).all()

    return inside, check


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", [*qd.formats])
def test_nothing_is_written_outside_of_the_results(matrix, name, axis):
    f = compiled(lambda x: qd.quantize(x, name, axis=axis, pad=True))
    x = matrix(83, 331)
    wanted = f.reference(x)
    arrays, checks = zip(*(guarded(np.asarray(a)) for a in (wanted.codes, *wanted.scales)))
    out = qd.QTensor(arrays[0], arrays[1:], name, x.shape, axis=axis, stored=wanted.stored)
    f(x, out=out)
    assert qd.bit_identical(out, wanted)
    for check in checks:
        check()


def test_dequantize_writes_the_logical_shape_only(matrix):
    q = qd.quantize(matrix(37, 83), "UFP4_B", pad=True)
    out, check = guarded(np.zeros((37, 83), np.float32))
    f = compiled(lambda q: qd.dequantize(q))
    f(q, out=out)
    assert np.array_equal(out, f.reference(q))
    check()


@pytest.mark.parametrize("name", ["UFP4_B", "NVFP4", "MXFP4"])
def test_row_and_column_together_are_each_alone(matrix, name):
    x = matrix(96, 160)
    alone = [compiled(lambda x, axis=axis: qd.quantize(x, name, axis=axis))(x) for axis in (1, 0)]
    together = compiled(lambda x: qd.quantize_pair(x, name))(x)
    assert all(qd.bit_identical(a, b) for a, b in zip(alone, together))


@pytest.mark.parametrize(("name", "dtype"), [*((name, "f32") for name in FLAT), ("UFP4_B", "bf16")])
def test_products_are_within_the_bound_of_f32_accumulation(matrix, name, dtype):
    """|y - Y| <= gamma(K + 2) * sum |a| |b| and one rounding of the result, in all orientations."""
    x, w, dy = matrix(64, 256), matrix(128, 256), matrix(64, 128)
    # Operands from the interpreter, so that the product alone is compiled.
    rows = [qd.quantize(a, name) for a in (x, w, dy)]
    columns = [qd.quantize(a, name, axis=0) for a in (x, w, dy)]
    product = compiled(lambda a, b: qd.matmul(a, b, dtype=dtype))
    for a, b in ((rows[0], rows[1].T), (rows[2], columns[1]), (columns[2].T, columns[0])):
        y = product(a, b).astype(np.float64)
        a, b = qd.dequantize(a).astype(np.float64), qd.dequantize(b).astype(np.float64)
        exact, magnitude = a @ b, np.abs(a) @ np.abs(b)
        terms = (a.shape[1] + 2) * 2.0**-24
        bound = terms / (1 - terms) * magnitude
        if dtype == "bf16":
            bound += 2.0**-8 * (np.abs(exact) + bound)
        assert (np.abs(y - exact) <= bound).all()
