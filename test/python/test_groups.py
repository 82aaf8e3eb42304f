"""Groups of rows (a mixture's experts), each quantized along columns by itself."""

from __future__ import annotations

import os

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd
from hypothesis import given, settings
from hypothesis import strategies as st
from quadrille import storage
from test_two_grids import FORMATS as TWO_GRIDS

TARGET = os.environ.get("QUADRILLE_TEST_TARGET", "host")
KEY = qd.Key(7)
FLAT = [name for name, f in qd.formats.items() if f.block_rows == 1]


def interpreted(function):
    return qd.jit(function, target="interpret")


def compiled(function):
    return qd.jit(function, target=TARGET)


def normal(rows, cols, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, cols)) * np.exp2(rng.integers(-6, 7, (rows, 1)))
    return x.astype(dtype)


def offsets_of(sizes, dtype=np.int32):
    return np.concatenate([[0], np.cumsum(sizes)]).astype(dtype)


def slices(q, begin, end):
    """Codes and block scales of the stored positions [begin, end)."""
    yield q.codes[:, begin // 2 : end // 2]
    for level, scale in zip(q.format.levels, q.scales):
        if not level.is_tensor:
            per = level.cols * (8 if level.dtype == "e1" else 1)
            yield scale[:, begin // per : end // per]


def same(a, b):
    return all(np.array_equal(storage.bits(x), storage.bits(y)) for x, y in zip(a, b, strict=True))


SIZES = {"several": [20, 0, 1, 64, 0, 33], "one": [50], "one_empty": [0], "whole": [64, 128, 64]}


# The specification: each group as its own quantization.


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("n", [None, 32])
@pytest.mark.parametrize("name", [*qd.formats])
def test_each_group_is_quantized_by_itself(name, n, sizes):
    fmt = qd.formats[name]
    rht = qd.RHT(n, seed=1) if n and fmt.block_rows == 1 else None
    offsets = offsets_of(sizes)
    x = normal(offsets[-1] + 5, 40)  # five rows in no group
    amax = None
    if fmt.has_tensor_level:
        amax = interpreted(lambda x, o: qd.amax(x, rht=rht, axis=0, groups=o))(x, offsets)
        alone = [interpreted(lambda p: qd.amax(p, rht=rht, axis=0, pad=True))(p) for p in parts(x, offsets)]
        assert amax[0] == max([a[0] for a in alone], default=0)
    q = interpreted(lambda x, o: qd.quantize(x, name, axis=0, rht=rht, groups=o))(x, offsets)
    one = interpreted(lambda x, amax: qd.quantize(x, name, axis=0, rht=rht, pad=True, amax=amax))
    places = q.padded_offsets()
    begins = [p for p, size in zip(places, sizes) if size]
    for begin, part in zip(begins, parts(x, offsets), strict=True):
        alone = one(part, amax)
        assert same(slices(q, begin, begin + alone.stored), slices(alone, 0, alone.stored))
        if amax is not None:
            assert same([q.scales[-1]], [alone.scales[-1]])
    assert places[-1] == sum(storage.round_up(size, q._multiple) for size in sizes)
    rest = one(np.zeros((max(q.stored - places[-1], q._multiple), 40), np.float32), amax)
    assert same(slices(q, places[-1], q.stored), slices(rest, 0, q.stored - places[-1]))
    assert q.groups is offsets and q.shape == x.shape


def parts(x, offsets):
    return [x[a:b] for a, b in zip(offsets, offsets[1:]) if a < b]


def test_draws_are_numbered_by_where_elements_are_stored():
    """That of row c of the result and stored position p is base + c * stored + p."""
    offsets = offsets_of([20, 0, 37])
    x = normal(57, 24)
    noise = qd.stochastic(KEY, bits=8)
    f = interpreted(lambda x, o: qd.quantize(x, "UFP4_B", axis=0, rounding=noise, groups=o, index_base=160))
    q = f(x, offsets)
    placed = np.zeros((q.stored, 24), np.float32)
    placed[:20], placed[32:69] = x[:20], x[20:]
    plain = interpreted(lambda x: qd.quantize(x, "UFP4_B", axis=0, rounding=noise, index_base=160))(placed)
    assert list(q.padded_offsets()) == [0, 32, 32, 80] and q.stored == 96
    assert q.codes.tobytes() == plain.codes.tobytes() and same(q.scales, plain.scales)


@given(st.lists(st.integers(0, 40), max_size=9), st.sampled_from([1, 4, 16, 48, 256]), st.integers(0, 20))
def test_the_stored_length_is_enough_for_any_groups(sizes, multiple, more):
    length = sum(sizes) + more
    read, places = storage.group_table(offsets_of(sizes), length, multiple)
    assert np.array_equal(np.diff(read), sizes)
    assert places[-1] <= storage.grouped_length(length, len(sizes), multiple) <= length + len(sizes) * (multiple - 1)


def test_the_stored_length_is_reached():
    assert storage.grouped_length(4, 4, 16) == 64 == storage.group_table([0, 1, 2, 3, 4], 4, 16)[1][-1]


HOSTILE = {
    "beyond": ([0, 10, 1000], [0, 10, 50]),
    "decreasing": ([0, 30, 10, 40], [0, 30, 30, 40]),
    "negative": ([-7, -3, 20], [0, 0, 20]),
    "first": ([9, 20], [0, 20]),
    "extreme": ([0, 2**31 - 1, -(2**31), 3], [0, 50, 50, 50]),
    "none": ([0], [0]),
}


@pytest.mark.parametrize(("given_", "meant"), HOSTILE.values(), ids=HOSTILE)
def test_offsets_are_clamped(given_, meant):
    f = interpreted(lambda x, o: qd.quantize(x, "UFP4_B", axis=0, groups=o))
    x = normal(50, 8)
    a, b = (f(x, np.array(o, np.int32)) for o in (given_, meant))
    assert a.codes.tobytes() == b.codes.tobytes() and same(a.scales, b.scales)
    assert np.array_equal(a.padded_offsets(), b.padded_offsets())


@pytest.mark.parametrize("undo", [False, True])
def test_dequantize_gives_each_row_from_its_place(undo):
    rht = qd.RHT(16, seed=2)
    offsets = offsets_of([20, 0, 7, 33])
    x = normal(64, 24)
    q = interpreted(lambda x, o: qd.quantize(x, "UFP4_B", axis=0, rht=rht, groups=o))(x, offsets)
    y = interpreted(lambda q: qd.dequantize(q, undo_rht=undo))(q)
    one = interpreted(lambda x: qd.dequantize(qd.quantize(x, "UFP4_B", axis=0, rht=rht, pad=True), undo_rht=undo))
    alone = np.concatenate([one(part) for part in parts(x, offsets)])
    assert y.shape == x.shape and y[:60].tobytes() == alone.tobytes()
    assert y[60:].tobytes() == bytes(4 * 24 * 4)
    assert np.array_equal(interpreted(lambda q: qd.dequantize(q.T, undo_rht=undo))(q), y.T)


# What is refused.

X, OFFSETS = normal(48, 32), offsets_of([20, 28])


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: qd.quantize(X, "UFP4", groups=OFFSETS), qd.ArgumentError, "axis=0"),
        (lambda: qd.quantize(X, "UFP4", axis=0, groups=[0, 48]), qd.DTypeError, "int32 or int64"),
        (lambda: qd.quantize(X, "UFP4", axis=0, groups=OFFSETS.astype(np.float32)), qd.DTypeError, "int32 or int64"),
        (lambda: qd.quantize(X, "UFP4", axis=0, groups=OFFSETS[None]), qd.QuadrilleError, "groups"),
        (lambda: qd.quantize(X, "UFP4", axis=0, groups=OFFSETS[:0]), qd.ShapeError, "empty"),
        (lambda: qd.amax(X, groups=OFFSETS), qd.ArgumentError, "axis=0"),
        (lambda: grouped("NVFP4").to_torchao(), qd.UnsupportedError, "padded_offsets"),
        (lambda: qd.quantize(X, "UFP4").padded_offsets(), qd.ArgumentError, "no groups"),
    ],
)
def test_refusals(call, error, says):
    with pytest.raises(error, match=says):
        call()


def grouped(name="UFP4_B", **options):
    return interpreted(lambda x, o: qd.quantize(x, name, axis=0, groups=o, **options))(X, OFFSETS)


def test_the_constructor_checks_groups():
    q = grouped()
    facts = {"axis": 0, "stored": q.stored}
    assert qd.bit_identical(qd.QTensor(q.codes, q.scales, q.format, q.shape, groups=q.groups, **facts), q)
    for groups, error in [
        (OFFSETS[:0], qd.ShapeError),
        (OFFSETS[None], qd.ShapeError),
        (offsets_of([1, 1, 1, 1]), qd.ShapeError),
        (OFFSETS.astype(np.float32), qd.DTypeError),
    ]:
        with pytest.raises(error, match="groups"):
            qd.QTensor(q.codes, q.scales, q.format, q.shape, groups=groups, **facts)


# Files, reports.


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_a_file_keeps_the_offsets(tmp_path, dtype):
    offsets = OFFSETS.astype(dtype)
    f = interpreted(lambda x, o: qd.quantize_pair(x, "NVFP4", rht=qd.RHT(16, seed=1), groups=o, pad=True))
    pair = f(X, offsets)
    pair[1].save(tmp_path / "column.safetensors")
    assert qd.bit_identical(qd.load(tmp_path / "column.safetensors"), pair[1])
    qd.save(tmp_path / "pair.safetensors", pair)
    row, column = qd.load(tmp_path / "pair.safetensors")
    assert qd.bit_identical(row, pair[0]) and qd.bit_identical(column, pair[1])
    assert row.groups is None and column.groups.dtype == dtype


def test_metrics_are_of_what_groups_store():
    q = grouped("NVFP4")
    padded = np.zeros((q.padded_offsets()[-1], 32), np.float32)
    padded[:20], padded[32:60] = X[:20], X[20:]
    plain = interpreted(lambda x: qd.quantize(x, "NVFP4", axis=0))(padded)
    assert qd.metrics(X, q) == qd.metrics(padded, plain)


def test_repr_and_transpose_say_groups():
    q = grouped()
    assert "2 groups" in repr(q) and q.T.groups is q.groups and q.T.T.groups is q.groups
    assert not qd.bit_identical(q, q._with(groups=offsets_of([21, 27])))


# Compiled.

CASES = [
    ("UFP4", None, "even"),
    ("UFP4_B", 16, "noise8"),
    ("MXUF4", 128, "even"),
    ("NVFP4", 32, "noise4"),
    ("NVFP4_16x16", None, "even"),
    ("MXFP4", None, "zero"),
    ("HIF4", 16, "even"),
]
ROUNDINGS = {
    "even": qd.nearest_even,
    "zero": qd.toward_zero,
    "noise4": qd.stochastic(KEY, bits=4, rounds=10),
    "noise8": qd.stochastic(KEY, bits=8),
}


def case(name, n, rounding):
    rht = qd.RHT(n, seed=n) if n else None
    return compiled(lambda x, o: qd.quantize(x, name, axis=0, rht=rht, rounding=ROUNDINGS[rounding], groups=o))


PROGRAMS = {key: case(*key) for key in CASES}


def back(n):
    return compiled(lambda q: qd.dequantize(q, dtype="f32" if n else "bf16", undo_rht=n is not None))


DEQUANTIZED = {key: back(key[1]) for key in CASES}


@pytest.mark.compiler
@pytest.mark.parametrize("key", CASES, ids=str)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_groups(key, data):
    """Any offsets, of any order and sign, any shape: the bits of the reference."""
    rows, cols = data.draw(st.integers(1, 150)), data.draw(st.integers(1, 70))
    count = data.draw(st.integers(0, 9))
    offsets = data.draw(st.lists(st.integers(-20, rows + 30), min_size=count + 1, max_size=count + 1))
    if data.draw(st.booleans()):
        offsets = sorted(offsets)
    offsets = np.array(offsets, data.draw(st.sampled_from([np.int32, np.int64])))
    x = normal(rows, cols, data.draw(st.integers(0, 99)), data.draw(st.sampled_from([np.float32, ml_dtypes.bfloat16])))
    f, g = PROGRAMS[key], DEQUANTIZED[key]
    q, wanted = f(x, offsets), f.reference(x, offsets)
    assert qd.bit_identical(q, wanted)
    assert g(q).tobytes() == g.reference(wanted).tobytes()


@pytest.mark.compiler
@pytest.mark.parametrize("make", [np.asfortranarray, lambda x: np.repeat(x, 2, axis=1)[:, ::2]])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_any_strides(make, dtype):
    x = make(normal(130, 70, dtype=dtype))
    offsets = offsets_of([33, 0, 17, 61])
    f = PROGRAMS[CASES[0]]
    assert qd.bit_identical(f(x, offsets), f.reference(x, offsets))
    spread = np.repeat(offsets, 3)[::3]
    assert spread.strides[0] != spread.itemsize
    assert qd.bit_identical(f(x, spread), f.reference(x, offsets))


@pytest.mark.compiler
@pytest.mark.parametrize("fmt", TWO_GRIDS, ids=lambda f: f.name)
def test_formats_of_two_grids(fmt):
    f = compiled(lambda x, o: qd.quantize(x, fmt, axis=0, groups=o))
    x, offsets = normal(150, 40), offsets_of([33, 0, 17, 61])
    q, wanted = f(x, offsets), f.reference(x, offsets)
    assert qd.bit_identical(q, wanted)
    assert qd.dequantize(q).tobytes() == interpreted(lambda q: qd.dequantize(q))(wanted).tobytes()


@pytest.mark.compiler
@pytest.mark.parametrize("shape", [(0, 24), (24, 0), (0, 0)])
def test_empty_matrices(shape):
    x, offsets = np.zeros(shape, np.float32), offsets_of([0, 0, 7])
    for key in CASES:
        q, wanted = PROGRAMS[key](x, offsets), PROGRAMS[key].reference(x, offsets)
        assert qd.bit_identical(q, wanted) and DEQUANTIZED[key](q).shape == shape


@pytest.mark.compiler
def test_nothing_is_read_or_written_outside():
    """Offsets far out of range, results between guards."""
    f = PROGRAMS[CASES[0]]
    x = normal(70, 37)
    for offsets in ([0, 2**31 - 1, -(2**31), 5], [-(2**31), 60, 2**31 - 1]):
        offsets = np.array(offsets, np.int32)
        wanted = f.reference(x, offsets)
        memory = [np.full(a.nbytes + 8192, 0xA5, np.uint8) for a in (wanted.codes, *wanted.scales)]
        inner = [m[4096:-4096].view(a.dtype).reshape(a.shape) for m, a in zip(memory, (wanted.codes, *wanted.scales))]
        facts = {"axis": 0, "stored": wanted.stored, "groups": offsets}
        out = qd.QTensor(inner[0], inner[1:], "UFP4", x.shape, **facts)
        assert f(x, offsets, out=out) is out and qd.bit_identical(out, wanted)
        assert all((m[:4096] == 0xA5).all() and (m[-4096:] == 0xA5).all() for m in memory)


@pytest.mark.compiler
def test_out_has_the_groups_of_the_call():
    f = PROGRAMS[CASES[0]]
    out = f(X, OFFSETS)
    other = offsets_of([1, 47])
    f(X, other, out=out)
    assert out.groups is other and qd.bit_identical(out, f.reference(X, other))
    plain = compiled(lambda x: qd.quantize(x, "UFP4", axis=0, pad=True))
    with pytest.raises(qd.QuadrilleError):
        plain(X, out=out)


@pytest.mark.compiler
def test_pairs_amax_flags_layouts():
    """Of elementwise code: rows without groups, columns with, the words, blocked scales."""
    x = normal(100, 48)
    x[3, 5] = np.inf
    offsets = offsets_of([30, 0, 50])

    @compiled
    def f(x, offsets, amax_out, flags):
        row, column = qd.quantize_pair(
            x * 2.0, "NVFP4", rht=qd.RHT(16, seed=1), groups=offsets, amax_out=(None, amax_out), flags=flags,
            scale_layout="blocked128x4",
        )  # fmt: skip
        rotated = qd.amax(x, rht=qd.RHT(16, seed=1), axis=0, groups=offsets)
        return row, column, rotated, qd.amax(x, axis=0, groups=offsets)

    words = [(np.zeros(1, np.float32), np.zeros(1, np.int32)) for _ in range(2)]
    got, wanted = f(x, offsets, *words[0]), f.reference(x, offsets, *words[1])
    assert qd.bit_identical(got[0], wanted[0]) and qd.bit_identical(got[1], wanted[1])
    assert all(a.tobytes() == b.tobytes() for a, b in zip((*got[2:], *words[0]), (*wanted[2:], *words[1])))
    assert words[0][1][0] & qd.Flags.NON_FINITE


@pytest.mark.compiler
def test_rows_in_no_group_do_not_count():
    x = normal(100, 32)
    x[60:] = 1e6
    offsets = offsets_of([30, 30])
    f = compiled(lambda x, o: (qd.quantize(x, "NVFP4", axis=0, groups=o), qd.amax(x, axis=0, groups=o)))
    q, amax = f(x, offsets)
    assert amax[0] == np.abs(x[:60]).max() and qd.bit_identical(q, f.reference(x, offsets)[0])


@pytest.mark.compiler
def test_captured_offsets_and_a_tensor_of_the_same_function():
    f = compiled(lambda x: qd.dequantize(qd.quantize(x, "UFP4_B", axis=0, groups=OFFSETS)) * 2.0)
    assert f(X).tobytes() == f.reference(X).tobytes()


@pytest.mark.compiler
@pytest.mark.parametrize("groups", [OFFSETS, None], ids=["groups", "padded"])
def test_products_with_more_rows_than_the_result_has_are_refused(groups):
    q = qd.quantize(X[:41] if groups is None else X, "UFP4_B", axis=0, groups=groups, pad=True)
    w = qd.quantize(normal(32, 64), "UFP4_B", axis=0)
    with pytest.raises(qd.QuadrilleError, match="padded tensor"):
        compiled(lambda q, w: qd.matmul(qd.dequantize(q, dtype="bf16"), w))(q, w)
    # Of a tensor of the same function the number of rows is known.
    f = compiled(lambda x, w: qd.matmul(qd.dequantize(qd.quantize(x, "UFP4", axis=0, groups=OFFSETS)), w, dtype="f32"))
    assert np.allclose(f(X, w), f.reference(X, w), rtol=1e-3, atol=1e-3)


@pytest.mark.compiler
@pytest.mark.parametrize("target", ["sm_90a", "gfx942"])
@pytest.mark.parametrize("key", CASES[1:4], ids=str)
def test_gpu_targets_compile(target, key):
    f = PROGRAMS[key]
    text = f.lower(qd.spec("bf16[T,C%16]"), qd.spec("i32[N]"), target=target, stage="asm")
    assert "quantize_column_groups" in text and "quantize_column\n" in text or "quantize_column:" in text


@pytest.mark.compiler
def test_columns_that_memory_runs_along_compile_for_gpus():
    f = PROGRAMS[CASES[0]]
    assert f.lower(np.asfortranarray(X), OFFSETS, target="sm_90a", stage="object")
