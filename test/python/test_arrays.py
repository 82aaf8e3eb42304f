"""Arrays of other libraries come in without a copy and go out in the same library."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import quadrille as qd
from quadrille import arrays


class Wrapped:
    """An object of which only DLPack is known."""

    def __init__(self, array, device=(1, 0)):
        self.array, self.device = array, device

    def __dlpack__(self, **_):
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return self.device


def address(array):
    return array.__array_interface__["data"][0]


def test_dlpack_shares_memory_and_strides():
    x = np.arange(64, dtype=np.float32).reshape(4, 16)
    for array in (x, x.T, x[::2, 1::3], x[1:, :5], x[:0]):
        view = arrays.view(Wrapped(array))
        assert view.shape == array.shape and view.dtype == array.dtype
        assert array.size == 0 or (address(view) == address(array) and view.strides == array.strides)
        np.testing.assert_array_equal(view, array)


def test_dlpack_keeps_the_memory_alive():
    view = arrays.view(Wrapped(np.full((8, 16), 3, np.float32)))
    np.empty((8, 16), np.float32).fill(7)
    assert (view == 3).all()


def test_dlpack_of_a_device_or_a_strange_type_is_an_error():
    x = np.ones((4, 16), np.float32)
    with pytest.raises(qd.UnsupportedError, match="DLPack device 7"):
        qd.quantize(Wrapped(x, (7, 0)), "UFP4")
    with pytest.raises(qd.DTypeError, match="type code 2 of 64 bits"):
        qd.quantize(Wrapped(x.astype(np.float64)), "UFP4")
    with pytest.raises(qd.DTypeError, match="float64"):
        qd.quantize(x.astype(np.float64), "UFP4")


def test_operations_take_dlpack(matrix):
    x = matrix(16, 32, np.float32)
    assert qd.bit_identical(qd.quantize(Wrapped(x), "UFP4"), qd.quantize(x, "UFP4"))


def test_big_endian_and_odd_strides_are_errors():
    x = np.ones((4, 16), np.float32)
    with pytest.raises(qd.DTypeError):
        qd.quantize(x.astype(">f4"), "UFP4")
    record = np.zeros((4, 16), np.dtype([("a", "<f4"), ("b", "u1")]))["a"]
    with pytest.raises(qd.ShapeError, match="strides"):
        qd.quantize(record, "UFP4")


# PyTorch.


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_torch_tensors_are_shared(torch, name):
    x = torch.randn(8, 32).to(getattr(torch, name))
    for tensor in (x, x.T, x[::2, :16], x.requires_grad_()):
        view = arrays.view(tensor)
        assert view.shape == tuple(tensor.shape) and address(view) == tensor.data_ptr()
        np.testing.assert_array_equal(view.astype(np.float32), tensor.detach().float().numpy())


@pytest.mark.parametrize("name", [*qd.formats])
def test_torch_in_torch_out(torch, name):
    x = torch.randn(64, 128, dtype=torch.bfloat16)
    q = qd.quantize(x, name)
    assert isinstance(q.codes, torch.Tensor) and q.codes.dtype == torch.uint8
    assert qd.bit_identical(q, qd.quantize(arrays.view(x), name))
    y = q.dequantize(dtype="bf16")
    assert isinstance(y, torch.Tensor) and y.dtype == torch.bfloat16
    types = {"f32": torch.float32, "bf16": torch.bfloat16, "e4m3": torch.float8_e4m3fn, "e8m0": torch.float8_e8m0fnu}
    assert [s.dtype for s in q.scales] == [types.get(l.dtype, torch.uint8) for l in q.format.levels]


def test_bfloat16_comes_through_dlpack(torch):
    x = torch.randn(8, 32, dtype=torch.bfloat16).T
    view = arrays.view(Wrapped(x))
    assert view.dtype == ml_dtypes.bfloat16 and address(view) == x.data_ptr()
    np.testing.assert_array_equal(view.astype(np.float32), x.float().numpy())


def test_torch_files_and_layouts(torch, tmp_path):
    q = qd.quantize(torch.randn(32, 64), "NVFP4")
    q.save(tmp_path / "q.safetensors")
    assert qd.bit_identical(qd.load(tmp_path / "q.safetensors"), q)
    exported = q.to_scaled_mm()
    assert isinstance(exported.scale, torch.Tensor) and exported.scale.dtype == torch.float8_e4m3fn
    assert qd.bit_identical(qd.from_scaled_mm(exported, q.shape), q)


@pytest.mark.parametrize("shape", [(32, 64), (130, 96)])
def test_torch_exports_have_numpys_bytes(torch, shape):
    x = torch.randn(*shape)
    ours, numpys = qd.quantize(x, "NVFP4").to_te(), qd.quantize(x.numpy(), "NVFP4").to_te()
    for name, value in ours.fields.items():
        assert isinstance(value, torch.Tensor)
        assert arrays.to_host(value).tobytes() == arrays.to_host(numpys.fields[name]).tobytes(), name
    back = qd.from_te(ours, shape)
    assert qd.bit_identical(back, qd.from_te(numpys, shape)) and back.scales[0].dtype == torch.float8_e4m3fn


def test_torch_out_and_mixed_inputs(torch):
    x = torch.randn(16, 32)
    y = torch.empty(16, 32)
    q = qd.quantize(x, "UFP4")
    assert qd.jit(lambda q: qd.dequantize(q))(q, out=y) is y
    np.testing.assert_array_equal(y.numpy(), qd.dequantize(q).numpy())
    mixed = qd.matmul(x.numpy().astype(ml_dtypes.bfloat16), q.T)
    assert isinstance(mixed, torch.Tensor)


def test_a_torch_tensor_of_a_device_is_an_error(torch):
    with pytest.raises(qd.UnsupportedError, match="meta"):
        qd.quantize(torch.empty(16, 32, device="meta"), "UFP4")
