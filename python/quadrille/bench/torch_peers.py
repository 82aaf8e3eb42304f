"""What PyTorch users have without a 4-bit compiler: dequantization and fake quantization in tensor operations."""

from __future__ import annotations

import functools

import quadrille as qd


def dequantized_product(torch, fmt: str):
    """f(codes, scales, codes, scales): bf16 product of unpacked operands of a format of one level.

    Compiled: the unpacking is one kernel for each operand, the product is cuBLAS's.
    """
    grid = qd.formats[fmt].grid
    values = torch.tensor(list(grid.values), device="cuda", dtype=torch.bfloat16)

    def unpack(codes, scales):
        index = torch.stack([codes & 15, codes >> 4], dim=-1).int().flatten(1)
        blocks = values[index].unflatten(1, (scales.shape[1], -1))
        return (blocks * scales.to(torch.bfloat16).unsqueeze(-1)).flatten(1)

    return torch.compile(lambda a, sa, b, sb: unpack(a, sa) @ unpack(b, sb).T)


def _hadamard(torch, n: int):
    h = torch.ones(1, 1)
    while h.shape[0] < n:
        h = torch.cat([torch.cat([h, h], 1), torch.cat([h, -h], 1)])
    signs = torch.randint(0, 2, (n,)) * 2.0 - 1
    return (signs[:, None] * h / n**0.5).to("cuda", torch.bfloat16)


def _fake_quantized(torch, x, *, hadamard, power_of_two: bool, noise: bool):
    """x along its rows: rotated, then rounded to the uniform grid of -7 .. 7 and back, in bf16."""
    rows = (x.unflatten(1, (-1, hadamard.shape[0])) @ hadamard).float()
    scale = (rows.abs().amax(-1, keepdim=True) / 7).clamp_min(1e-30)
    if power_of_two:
        scale = torch.exp2(torch.ceil(torch.log2(scale)))
    t = rows / scale
    t = torch.floor(t + torch.rand_like(t)) if noise else torch.round(t)
    return (t.clamp(-7, 7) * scale).to(torch.bfloat16).flatten(1)


def fake_linear(torch, fmt: str):
    """f(x, w, dy): the three products of a linear layer with all operands fake-quantized, noise on dy.

    The recipe of the packed one beside it: a transform of 32 on both operands, whose blocks have
    scales that are f32 (the paper's) or powers of two (MX).
    """
    named = qd.formats[fmt]
    quantized = functools.partial(
        _fake_quantized, torch, hadamard=_hadamard(torch, 32), power_of_two=named.levels[0].dtype == "e8m0"
    )

    def linear(x, w, dy):
        xr, wr, dyr = quantized(x, noise=False), quantized(w, noise=False), quantized(dy, noise=True)
        xc, wc, dyc = quantized(x.T, noise=False), quantized(w.T, noise=False), quantized(dy.T, noise=True)
        return xr @ wr.T, dyr @ wc.T, dyc @ xc.T

    return linear
