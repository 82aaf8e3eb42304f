"""QTensor: what it holds, files, and the layouts of other libraries."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd
from quadrille import interop
from quadrille.tensor import array_views
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

FIVE = qd.grid("five", [-1, -0.25, 0, 0.5, 1.25])
OWN = qd.format("OWN", FIVE, [qd.level((2, 16), "bf16", bits=4), qd.level("tensor", "f32", qmax=1024)])
FORMATS = [*qd.formats.values(), OWN]


def test_it_holds_documented_arrays(matrix):
    q = qd.quantize(matrix(40, 64), "NVFP4", axis=0, pad=True)
    assert (q.shape, q.axis, q.stored) == ((40, 64), 0, 48)
    assert q.codes.shape == (64, 24) and q.codes.dtype == np.uint8
    assert [s.shape for s in q.scales] == [(64, 3), (1,)]
    assert [s.dtype for s in q.scales] == [ml_dtypes.float8_e4m3fn, np.float32]
    assert q.nbytes == 64 * 24 + 64 * 3 + 4
    assert repr(q) == "QTensor(NVFP4[40,64], axis=0, stored=48)"


def test_one_bit_scales_are_packed(matrix):
    q = qd.quantize(matrix(8, 64), "HIF4")
    assert [(s.shape, s.dtype) for s in q.scales] == [((8, 2), np.uint8), ((8, 1), np.uint8), ((8, 1), np.uint8)]


def test_the_transpose_moves_nothing(matrix):
    q = qd.quantize(matrix(16, 32), "UFP4", rht=qd.RHT(16))
    assert q.T.codes is q.codes and q.T.shape == (32, 16) and q.T.axis == 0
    assert qd.bit_identical(q.T.T, q) and q.T.rht is q.rht


def test_the_constructor_checks(matrix):
    q = qd.quantize(matrix(16, 32), "UFP4")
    make = lambda **change: qd.QTensor(  # noqa: E731
        **({"codes": q.codes, "scales": q.scales, "format": q.format, "shape": q.shape} | change)
    )
    assert qd.bit_identical(make(), q)
    for change, error, says in [
        ({"codes": q.codes[:8]}, qd.ShapeError, "codes has shape (8, 16)"),
        ({"codes": q.codes.view(np.int8)}, qd.DTypeError, "codes is int8"),
        ({"scales": []}, qd.ArgumentError, "1 scale levels"),
        ({"scales": [q.scales[0].astype(np.float16)]}, qd.DTypeError, "scales[0] is float16"),
        ({"shape": (16, 32, 1)}, qd.ShapeError, "rank 2"),
        ({"shape": (16, 30)}, qd.ShapeError, "30 stored elements"),
        ({"shape": (16, 40), "stored": 32}, qd.ShapeError, "32 stored elements"),
        ({"axis": 3}, qd.ShapeError, "axis=3"),
        ({"rht": 16}, qd.ArgumentError, "rht is 16"),
        ({"format": "FP4"}, qd.ArgumentError, "'FP4' is not a format"),
    ]:
        with pytest.raises(error) as raised:
            make(**change)
        assert says in str(raised.value)


# Files.


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f.name)
def test_a_file_gives_the_tensor_back(tmp_path, matrix, fmt):
    rht = qd.RHT(16, seed=3) if fmt.block_rows == 1 else None
    q = qd.quantize(matrix(34, 70), fmt, rht=rht, axis=0, pad=True)
    q.save(tmp_path / "q.safetensors")
    assert qd.bit_identical(qd.load(tmp_path / "q.safetensors"), q)
    assert [p.name for p in tmp_path.iterdir()] == ["q.safetensors"]


def test_the_layout_of_a_file(tmp_path, matrix):
    rht = qd.RHT(16, seed=3)
    row, col = qd.quantize_pair(matrix(32, 64), "NVFP4", rht=rht, rounding=qd.stochastic(qd.Key(1)))
    qd.save(tmp_path / "pair.safetensors", (row, col))
    tensors = load_file(tmp_path / "pair.safetensors")
    with safe_open(tmp_path / "pair.safetensors", framework="numpy") as file:
        metadata = file.metadata()
    assert sorted(tensors) == sorted(p + n for p in ("", "column.") for n in ("codes", "scales.0", "scales.1"))
    assert tensors["codes"].dtype == tensors["scales.0"].dtype == np.uint8
    assert tensors["column.scales.1"].dtype == np.float32
    assert metadata["format"] == "NVFP4" and json.loads(metadata["shape"]) == [32, 64]
    assert metadata["axis"] == "1" and metadata["column.axis"] == "0"
    assert metadata["rht"] == "16" and metadata["signs"] == rht.sign_bits
    assert metadata["rounding"] == "stochastic<bits=8, rounds=7>"
    assert metadata["numerics_version"] == str(qd.NUMERICS_VERSION)
    pair = qd.load(tmp_path / "pair.safetensors")
    assert all(qd.bit_identical(a, b) for a, b in zip(pair, (row, col)))


def test_bf16_scales_are_16_bits(tmp_path, matrix):
    qd.quantize(matrix(16, 32), "UFP4_B").save(tmp_path / "q.safetensors")
    assert load_file(tmp_path / "q.safetensors")["scales.0"].dtype == np.uint16


def test_a_file_that_is_not_ours(tmp_path, matrix):
    path = tmp_path / "q.safetensors"
    path.write_bytes(b"nonsense")
    with pytest.raises(qd.FileError, match="not a safetensors file"):
        qd.load(path)
    qd.quantize(matrix(16, 32), "UFP4").save(path)
    tensors = load_file(path)
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    for change, drop, says in [
        ({"numerics_version": "0"}, (), "numerics_version 0"),
        ({"format": "FP5"}, (), "not a format"),
        ({"shape": "[16, 48]"}, (), "stored elements"),
        ({"axis": "5"}, (), "axis=5"),
        ({"signs": "0101"}, (), "no RHT of size 4"),
        ({}, ("scales.0",), "lacks 'scales.0'"),
        ({}, ("codes",), "lacks 'codes'"),
    ]:
        save_file({k: v for k, v in tensors.items() if k not in drop}, path, metadata=metadata | change)
        with pytest.raises(qd.FileError) as error:
            qd.load(path)
        assert says in str(error.value)
    with pytest.raises(FileNotFoundError):
        qd.load(tmp_path / "none.safetensors")


def test_a_file_holds_the_name_of_a_scale_rule(tmp_path, matrix):
    clip = qd.scale_rule(lambda b: abs(b).max() * 0.5)
    clip.name = "clip"
    q = qd.quantize(matrix(16, 32), qd.format("RULED", qd.e1m2, [qd.level(16, "f32", rule=clip)]))
    q.save(tmp_path / "q.safetensors")
    loaded = qd.load(tmp_path / "q.safetensors")
    assert loaded.format.rule.name == "clip"
    assert qd.dequantize(loaded).tobytes() == qd.dequantize(q).tobytes()
    with pytest.raises(qd.UnsupportedError, match="scale rule clip is a function"):
        qd.quantize(matrix(16, 32), loaded.format)


def test_a_failed_save_leaves_nothing(tmp_path, matrix):
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError):
        qd.quantize(matrix(16, 32), "UFP4").save(folder)
    with pytest.raises(qd.ArgumentError, match="cannot save"):
        qd.save(tmp_path / "q.safetensors", 3)
    assert list(tmp_path.iterdir()) == [folder]


# Other libraries.


@pytest.mark.parametrize("name", ["NVFP4", "MXFP4"])
@pytest.mark.parametrize("shape", [(128, 128), (40, 96), (130, 320)])
def test_scaled_mm_and_torchao_round_trip(matrix, name, shape):
    q = qd.quantize(matrix(*shape), name)
    exported = q.to_scaled_mm()
    assert exported.data is q.codes and exported.copied == {"scale"}
    assert exported.scale.size % 512 == 0
    assert qd.bit_identical(qd.from_scaled_mm(exported, q.shape), q)
    plain = q.to_torchao()
    assert not plain.copied and plain.scale is q.scales[0]
    assert qd.bit_identical(qd.from_torchao(plain, q.shape), q)


def test_the_blocked_layout_is_the_documented_one(matrix):
    q = qd.quantize(matrix(256, 128), "NVFP4")
    blocked, scale = q.to_scaled_mm().scale.view(np.uint8), q.scales[0].view(np.uint8)
    rng = np.random.default_rng(0)
    for r, c in zip(rng.integers(0, 256, 50), rng.integers(0, 8, 50)):
        tile = (r // 128) * 2 + c // 4
        assert blocked[tile * 512 + (r % 32) * 16 + (r % 128) // 32 * 4 + c % 4] == scale[r, c]


def test_transformer_engine_round_trip(matrix):
    q = qd.quantize(matrix(40, 96), "NVFP4")
    exported = q.to_te()
    assert exported.rowwise_data is q.codes and exported.rowwise_scale_inv.shape == (128, 8)
    assert exported.copied == {"rowwise_scale_inv", "amax_rowwise"}
    back = qd.from_te(exported, q.shape)
    assert back.codes is q.codes and np.array_equal(back.scales[0], q.scales[0])
    np.testing.assert_allclose(back.scales[1], q.scales[1], rtol=2.0**-22)


def test_formats_that_others_do_not_know_are_refused(matrix):
    for name in ("UFP4", "NVFP4_16x16", "NVINT4"):
        with pytest.raises(qd.UnsupportedError, match="no representation"):
            qd.quantize(matrix(16, 32), name).to_torchao()
    with pytest.raises(qd.UnsupportedError, match="tensor scale"):
        qd.quantize(matrix(16, 32), "MXFP4").to_te()
    with pytest.raises(AttributeError):
        interop.Exported({"a": 1}).b
    assert len(array_views(qd.quantize(matrix(16, 32), "UFP4"))) == 2
