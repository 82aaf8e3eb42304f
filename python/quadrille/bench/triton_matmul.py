"""Triton's product of MXFP4 operands (tl.dot_scaled), as a peer."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _kernel(a, b, sa, sb, c, M, N, K: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    row, col = tl.program_id(1) * BM + tl.arange(0, BM), tl.program_id(0) * BN + tl.arange(0, BN)
    packed, blocks = tl.arange(0, BK // 2), tl.arange(0, BK // 32)
    a += row[:, None] * (K // 2) + packed[None, :]
    b += col[None, :] * (K // 2) + packed[:, None]
    sa += row[:, None] * (K // 32) + blocks[None, :]
    sb += col[:, None] * (K // 32) + blocks[None, :]
    acc = tl.zeros((BM, BN), dtype=tl.float32)
    for _ in range(0, K, BK):
        acc = tl.dot_scaled(tl.load(a), tl.load(sa), "e2m1", tl.load(b), tl.load(sb), "e2m1", acc)
        a += BK // 2
        b += BK // 2
        sa += BK // 32
        sb += BK // 32
    tl.store(c + row[:, None] * N + col[None, :], acc.to(tl.bfloat16))


def product(a, scales_a, b, scales_b, out):
    """out (bf16, M x N) of codes (uint8, rows x K / 2) and e8m0 scales (uint8, rows x K / 32); multiples of 128."""
    (m, n), k = out.shape, a.shape[1] * 2
    _kernel[(n // 128, m // 128)](a, b, scales_a, scales_b, out, m, n, k, 128, 128, 128, num_warps=8, num_stages=3)
    return out
