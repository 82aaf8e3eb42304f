"""The peer in Triton: UFP4_B rows, its transform through the tensor cores, tuned over block sizes and warps."""

from __future__ import annotations

import triton
import triton.language as tl

CONFIGS = [triton.Config({"BLOCKS": b}, num_warps=w) for b in (32, 64, 128, 256, 512) for w in (1, 2, 4, 8)]


@triton.autotune(configs=CONFIGS, key=["count", "ROTATES"])
@triton.jit
def _kernel(x, rotation, codes, scales, count, ROTATES: tl.constexpr, BLOCKS: tl.constexpr):
    block = tl.program_id(0).to(tl.int64) * BLOCKS + tl.arange(0, BLOCKS)
    column = tl.arange(0, 16)
    inside = block < count
    y = tl.load(x + block[:, None] * 16 + column[None, :], mask=inside[:, None], other=0.0)
    if ROTATES:
        matrix = tl.load(rotation + column[:, None] * 16 + column[None, :])
        y = tl.dot(y, matrix) * 0.25
    else:
        y = y.to(tl.float32)
    scale = tl.maximum(tl.max(tl.abs(y), 1) / 1.75, 1.1754943508222875e-38)
    bits = scale.to(tl.int32, bitcast=True)
    bits = (bits + 0x3FFFF + ((bits >> 19) & 1)) >> 19 << 19
    reciprocal = tl.div_rn(1.0, bits.to(tl.float32, bitcast=True))
    t = y * reciprocal[:, None]
    magnitude = (tl.minimum(tl.abs(t), 1.75) * 4 + 12582912.0).to(tl.int32, bitcast=True) & 7
    code = magnitude | ((t.to(tl.int32, bitcast=True) >> 28) & 8)
    low, high = tl.split(tl.reshape(code, (BLOCKS, 8, 2)))
    byte = tl.arange(0, 8)
    tl.store(codes + block[:, None] * 8 + byte[None, :], (low | high << 4).to(tl.uint8), mask=inside[:, None])
    tl.store(scales + block, (bits >> 16).to(tl.int16), mask=inside)


@triton.jit
def empty(x):
    """What a launch costs by itself."""


def quantizer(torch, x, signs):
    """A function of a matrix like x to (codes, scales); `signs` is None or the transform's, on the GPU."""
    rotation = torch.ones(1, 1, device=x.device)
    while len(rotation) < 16:
        rotation = torch.cat([torch.cat([rotation, rotation], 1), torch.cat([rotation, -rotation], 1)], 0)
    if signs is not None:
        rotation = signs[:, None] * rotation
    rotation = rotation.to(x.dtype).contiguous()
    count = x.numel() // 16
    codes = torch.empty(count, 8, dtype=torch.uint8, device=x.device)
    scales = torch.empty(count, dtype=torch.int16, device=x.device)

    def quantize(matrix):
        grid = lambda meta: (triton.cdiv(count, meta["BLOCKS"]),)  # noqa: E731
        _kernel[grid](matrix, rotation, codes, scales, count, signs is not None)
        return codes, scales

    return quantize
