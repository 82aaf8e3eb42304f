"""Quantized tensors of a GPU as other libraries hold them: nothing leaves the GPU."""

from __future__ import annotations

import pytest
from machine import assert_same, normal, qd, to_gpu, torch
from quadrille import interop

SHAPE = (130, 192)  # scales are padded both ways


def both(name: str, axis: int = 1):
    """A tensor on the GPU and the same on the host, torch's too."""
    x = to_gpu(normal(*(SHAPE if axis == 1 else SHAPE[::-1])))
    return qd.quantize(x, name, axis=axis), qd.quantize(x.cpu(), name, axis=axis)


@pytest.mark.parametrize("axis", [1, 0])
@pytest.mark.parametrize(
    "name, to, back",
    [
        ("NVFP4", interop.to_scaled_mm, interop.from_scaled_mm),
        ("MXFP4", interop.to_scaled_mm, interop.from_scaled_mm),
        ("NVFP4", interop.to_torchao, interop.from_torchao),
        ("MXFP4", interop.to_torchao, interop.from_torchao),
        ("NVFP4", interop.to_te, interop.from_te),
    ],
)
def test_exports_have_the_bytes_of_the_hosts(name, to, back, axis):
    ours, hosts = both(name, axis)
    exported, wanted = to(ours), to(hosts)
    assert exported.copied == wanted.copied
    for field, value in exported.fields.items():
        if value is not None:
            assert value.is_cuda, field
            assert_same(value, wanted.fields[field], field)
    again = back(exported, ours.shape, axis=axis)
    assert all(part.is_cuda for part in (again.codes, *again.scales))
    assert_same(again.codes, ours.codes)
    assert_same(again.scales[0], ours.scales[0])


@pytest.mark.parametrize("name", ["MXUF4", "NVFP4", "NVINT4", "MXFP4", "MXINT4"])
@pytest.mark.parametrize("shape", [(1, 32), (128, 128), (130, 96), (1000, 4096)])
def test_scale_layouts(name, shape):
    ours, hosts = (qd.quantize(x, name) for x in (to_gpu(normal(*shape)), to_gpu(normal(*shape), "cpu")))
    blocked = ours.to_scale_layout("blocked128x4")
    assert_same(blocked, hosts.to_scale_layout("blocked128x4"))
    assert_same(blocked.to_scale_layout("row_major"), ours)
    assert_same(qd.quantize(to_gpu(normal(*shape)), name, scale_layout="blocked128x4"), blocked)
    assert_same(qd.dequantize(blocked), qd.dequantize(hosts))


@pytest.mark.skipif(
    torch.cuda.get_device_capability() < (10, 0) or not hasattr(torch, "float4_e2m1fn_x2"),
    reason="torch._scaled_mm of 4-bit operands needs a Blackwell GPU",
)
def test_a_product_of_torch_takes_our_operands():
    (a, host_a), (b, host_b) = (both("MXFP4") for _ in range(2))
    left, right = a.to_scaled_mm(), b.to_scaled_mm()
    got = torch._scaled_mm(
        left.data.view(torch.float4_e2m1fn_x2), right.data.view(torch.float4_e2m1fn_x2).t(),
        scale_a=left.scale, scale_b=right.scale, out_dtype=torch.bfloat16,
    )  # fmt: skip
    wanted = qd.dequantize(host_a).double() @ qd.dequantize(host_b).double().t()
    torch.testing.assert_close(got.cpu().double(), wanted, rtol=2**-7, atol=1e-2)
