"""The peers in Triton: UFP4_B of rows, of columns and of both in one read. Transforms go through the tensor cores;
tiles, warps and the order of programs are tuned for each kernel."""

from __future__ import annotations

import itertools

import triton
import triton.language as tl

ROWS = [triton.Config({"BLOCKS": b}, num_warps=w) for b in (32, 64, 128, 256, 512) for w in (1, 2, 4, 8)]
TILES = [
    triton.Config({"HEIGHT": height, "WIDTH": width, "DOWNWARDS": downwards}, num_warps=warps)
    for (height, width), warps, downwards in itertools.product(
        [(64, 64), (64, 128), (128, 32), (128, 64), (256, 32), (256, 64)], (2, 4, 8), (False, True)
    )
    if height * width <= 64 * 32 * warps  # a lane has registers for so many elements
]
MULTIPLE = 256  # of tiles: both sides of a matrix are one


@triton.jit
def _quantize(x, rotation, ROTATES: tl.constexpr):
    """Bytes of codes [n, 8] and bits of scales [n] of blocks x [n, 16]."""
    if ROTATES:
        i = tl.arange(0, 16)
        y = tl.dot(x, tl.load(rotation + i[:, None] * 16 + i[None, :])) * 0.25
    else:
        y = x.to(tl.float32)
    scale = tl.maximum(tl.max(tl.abs(y), 1) / 1.75, 1.1754943508222875e-38)
    bits = scale.to(tl.int32, bitcast=True)
    bits = (bits + 0x3FFFF + ((bits >> 19) & 1)) >> 19 << 19
    reciprocal = tl.div_rn(1.0, bits.to(tl.float32, bitcast=True))
    t = y * reciprocal[:, None]
    magnitude = (tl.minimum(tl.abs(t), 1.75) * 4 + 12582912.0).to(tl.int32, bitcast=True) & 7
    code = magnitude | ((t.to(tl.int32, bitcast=True) >> 28) & 8)
    low, high = tl.split(tl.reshape(code, (x.shape[0], 8, 2)))
    return (low | high << 4).to(tl.uint8), (bits >> 16).to(tl.int16)


@triton.autotune(configs=ROWS, key=["count", "ROTATES"])
@triton.jit
def _rows(x, rotation, codes, scales, count, ROTATES: tl.constexpr, BLOCKS: tl.constexpr):
    block = tl.program_id(0).to(tl.int64) * BLOCKS + tl.arange(0, BLOCKS)
    inside = block < count
    y = tl.load(x + block[:, None] * 16 + tl.arange(0, 16)[None, :], mask=inside[:, None], other=0.0)
    byte, bits = _quantize(y, rotation, ROTATES)
    tl.store(codes + block[:, None] * 8 + tl.arange(0, 8)[None, :], byte, mask=inside[:, None])
    tl.store(scales + block, bits, mask=inside)


@triton.jit
def _store(tile, rotation, codes, scales, across, along, length, ROTATES: tl.constexpr):
    """Quantizes a tile along its second axis; its first element is (across, along) in a result of rows of `length`."""
    HEIGHT: tl.constexpr = tile.shape[0]
    WIDTH: tl.constexpr = tile.shape[1]
    byte, bits = _quantize(tl.reshape(tile, (HEIGHT * WIDTH // 16, 16)), rotation, ROTATES)
    row = (across + tl.arange(0, HEIGHT)).to(tl.int64)[:, None]
    column = along // 2 + tl.arange(0, WIDTH // 2)[None, :]
    tl.store(codes + row * (length // 2) + column, tl.reshape(byte, (HEIGHT, WIDTH // 2)))
    column = along // 16 + tl.arange(0, WIDTH // 16)[None, :]
    tl.store(scales + row * (length // 16) + column, tl.reshape(bits, (HEIGHT, WIDTH // 16)))


@triton.autotune(configs=TILES, key=["rows", "columns", "ROTATES", "BOTH"])
@triton.jit
def _tiles(x, rotation, row_codes, row_scales, codes, scales, rows, columns, ROTATES: tl.constexpr, BOTH: tl.constexpr,
           HEIGHT: tl.constexpr, WIDTH: tl.constexpr, DOWNWARDS: tl.constexpr):  # fmt: skip
    program = tl.program_id(0)
    if DOWNWARDS:
        r, c = program % (rows // HEIGHT) * HEIGHT, program // (rows // HEIGHT) * WIDTH
    else:
        r, c = program // (columns // WIDTH) * HEIGHT, program % (columns // WIDTH) * WIDTH
    row, column = (r + tl.arange(0, HEIGHT)).to(tl.int64), c + tl.arange(0, WIDTH)
    tile = tl.load(x + row[:, None] * columns + column[None, :])
    if BOTH:
        _store(tile, rotation, row_codes, row_scales, r, c, columns, ROTATES)
    _store(tl.trans(tile), rotation, codes, scales, c, r, rows, ROTATES)


@triton.jit
def empty(x):
    """What a launch costs by itself."""


def _rotation(torch, x, signs):
    """Signs and the Hadamard matrix without its factor, exact in x's type."""
    rotation = torch.ones(1, 1, device=x.device)
    while len(rotation) < 16:
        rotation = torch.cat([torch.cat([rotation, rotation], 1), torch.cat([rotation, -rotation], 1)], 0)
    if signs is not None:
        rotation = signs[:, None] * rotation
    return rotation.to(x.dtype).contiguous()


def quantizer(torch, x, signs, axes: tuple[int, ...]):
    """A function of a matrix like x to a (codes, scales) for each axis: rows are axis 1, columns axis 0.

    `signs` is None or the transform's, on the GPU. Sides of x are multiples of MULTIPLE, unless `axes` is (1,).
    """
    rows, columns = x.shape
    if axes != (1,) and (rows % MULTIPLE or columns % MULTIPLE):
        raise ValueError(f"{rows} x {columns} is not made of whole tiles of {MULTIPLE}")
    rotation, rotates = _rotation(torch, x, signs), signs is not None
    count = x.numel() // 16
    results = {
        axis: (
            torch.empty(count, 8, dtype=torch.uint8, device=x.device),
            torch.empty(count, dtype=torch.int16, device=x.device),
        )
        for axis in axes
    }

    def quantize(matrix):
        if axes == (1,):
            grid = lambda meta: (triton.cdiv(count, meta["BLOCKS"]),)  # noqa: E731
            _rows[grid](matrix, rotation, *results[1], count, rotates)
        else:
            grid = lambda meta: (rows // meta["HEIGHT"] * (columns // meta["WIDTH"]),)  # noqa: E731
            of_rows = results.get(1, results[0])  # not written unless asked for
            _tiles[grid](matrix, rotation, *of_rows, *results[0], rows, columns, rotates, 1 in axes)
        return [results[axis] for axis in axes]

    return quantize
