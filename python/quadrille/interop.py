"""Quantized tensors as other libraries hold them, and back.

Each `to_*` returns an :class:`Exported`: named arrays in q's framework, with a
set that says which of them are copies; the others share q's memory. All take
two formats: NVFP4 (1x16 E4M3 and a tensor
scale) and MXFP4 (1x32 E8M0). q's RHT, if any, stays applied to the data.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import numpy as np

from . import arrays, storage
from .errors import ArgumentError, UnsupportedError
from .formats import NAMED, Format
from .tensor import QTensor

#: E2M1's and E4M3's maxima: what NVFP4 maps a tensor's amax to.
_NVFP4_RANGE = 6.0 * 448.0


@dataclass(frozen=True)
class Exported:
    """Arrays by name (also attributes), and the names of those that are copies."""

    fields: dict[str, object] = field(default_factory=dict)
    copied: frozenset[str] = frozenset()

    def __getattr__(self, name: str):
        try:
            return self.__dict__["fields"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __repr__(self) -> str:
        parts = [f"{name}{' (copy)' if name in self.copied else ''}" for name in self.fields]
        return f"<exported {', '.join(parts)}>"


def _parts(q: QTensor, what: str, scale_layout: str = storage.ROW_MAJOR):
    """(codes, block scales in a layout, tensor scale or None) of a format that others know."""
    if q.groups is not None:
        raise UnsupportedError(f"{what} is given no groups", instead="q.codes and q.scales with q.padded_offsets()")
    nvfp4 = [(l.block, l.dtype) for l in q.format.levels] == [("1x16", "e4m3"), ("tensor", "f32")]
    mxfp4 = [(l.block, l.dtype) for l in q.format.levels] == [("1x32", "e8m0")]
    if [g.name for g in q.format.grids] != ["e2m1"] or not (nvfp4 or mxfp4):
        raise UnsupportedError(f"{what} has no representation of {q.format.name}", instead="NVFP4 or MXFP4")
    q = q.to_scale_layout(scale_layout)
    return q.codes, q.scales[0], q.scales[1] if nvfp4 else None


def to_scaled_mm(q: QTensor) -> Exported:
    """Operand of torch._scaled_mm: data, scale (blocked 128x4; a copy unless q has it so), global_scale.

    data: uint8 [other, stored/2]; view it as torch.float4_e2m1fn_x2. The product must be
    multiplied by both operands' global_scale (f32 of shape (1,); None for MXFP4).
    """
    codes, scale, tensor_scale = _parts(q, "torch._scaled_mm", storage.BLOCKED)
    copied = frozenset() if q.scale_layout == storage.BLOCKED else frozenset({"scale"})
    return Exported({"data": codes, "scale": scale.reshape(-1), "global_scale": tensor_scale}, copied)


def from_scaled_mm(exported: Exported, shape, *, axis: int = -1, rht=None) -> QTensor:
    """The QTensor that `to_scaled_mm` exported, with row-major scales, which are a copy."""
    fmt = NAMED["NVFP4" if exported.global_scale is not None else "MXFP4"]
    rows, bytes_ = exported.data.shape
    blocked = storage.buffers(fmt, rows, bytes_ * 2, storage.BLOCKED)[1].shape
    if exported.scale.shape != (blocked[0] * blocked[1],):
        raise ArgumentError(
            f"the scales of {rows} x {bytes_ * 2} elements have shape {tuple(exported.scale.shape)}",
            instead=f"({blocked[0] * blocked[1]},)",
        )
    scale = exported.scale.reshape(blocked)
    q = _import(fmt, exported.data, scale, exported.global_scale, shape, axis, rht, storage.BLOCKED)
    return q.to_scale_layout(storage.ROW_MAJOR)


def to_torchao(q: QTensor) -> Exported:
    """Fields of torchao's NVFP4Tensor or MXTensor: qdata, scale, per_tensor_scale; no copies."""
    codes, scale, tensor_scale = _parts(q, "torchao")
    return Exported({"qdata": codes, "scale": scale, "per_tensor_scale": tensor_scale})


def from_torchao(exported, shape, *, axis: int = -1, rht=None) -> QTensor:
    """A QTensor of an object with qdata, scale (row-major) and per_tensor_scale; no copies."""
    tensor_scale = getattr(exported, "per_tensor_scale", None)
    fmt = NAMED["NVFP4" if tensor_scale is not None else "MXFP4"]
    return _import(fmt, exported.qdata, exported.scale, tensor_scale, shape, axis, rht)


def to_te(q: QTensor) -> Exported:
    """Fields of Transformer Engine's NVFP4Tensor: rowwise_data, rowwise_scale_inv, amax_rowwise.

    The scales are copied, padded with zeros to 128 rows and 4 columns. TE keeps the tensor's
    amax where this project keeps amax / 2688: it is recomputed, and may differ in its last bit.
    """
    codes, scale, tensor_scale = _parts(q, "Transformer Engine")
    if tensor_scale is None:
        raise UnsupportedError("Transformer Engine's NVFP4Tensor has a tensor scale", instead="format NVFP4")
    tensor_scale = _plain(tensor_scale)
    amax = tensor_scale * _range(tensor_scale)
    fields = {"rowwise_data": codes, "rowwise_scale_inv": _pad(_plain(scale), 128, 4), "amax_rowwise": amax}
    return Exported(fields, frozenset({"rowwise_scale_inv", "amax_rowwise"}))


def from_te(exported, shape, *, axis: int = -1, rht=None) -> QTensor:
    """A QTensor of an object with the fields of `to_te`; the scales are copied without padding."""
    fmt = NAMED["NVFP4"]
    rows, bytes_ = exported.rowwise_data.shape
    padded, amax = _plain(exported.rowwise_scale_inv), _plain(exported.amax_rowwise)
    scale = _bits(padded)[:rows, : bytes_ * 2 // 16]
    scale = scale.contiguous() if arrays.is_torch(scale) else np.ascontiguousarray(scale)
    e4m3 = storage.SCALE_DTYPES["e4m3"]
    scale = scale.view(arrays.torch_dtype(e4m3) if arrays.is_torch(scale) else e4m3)
    return _import(fmt, exported.rowwise_data, scale, (amax / _range(amax)).reshape(1), shape, axis, rht)


def _import(fmt: Format, codes, scale, tensor_scale, shape, axis, rht, scale_layout=storage.ROW_MAJOR) -> QTensor:
    scales = [scale] if tensor_scale is None else [scale, tensor_scale]
    return QTensor(codes, scales, fmt, shape, axis=axis, rht=rht, stored=codes.shape[1] * 2, scale_layout=scale_layout)


# Below are arrays of NumPy, and torch tensors wherever they lie.


def _plain(array):
    return array if arrays.is_torch(array) else arrays.host_view(array)


def _bits(scale):
    """One-byte scales as uint8, over the same memory."""
    return scale.view(sys.modules["torch"].uint8 if arrays.is_torch(scale) else np.uint8)


def _range(value):
    """What NVFP4 maps a tensor's amax to, as an array: torch divides by a number less exactly on a GPU."""
    return value.new_full((1,), _NVFP4_RANGE) if arrays.is_torch(value) else np.float32(_NVFP4_RANGE)


def _pad(scale, rows: int, cols: int):
    """A copy with zero bits up to multiples of `rows` and `cols`."""
    shape = storage.round_up(scale.shape[0], rows), storage.round_up(scale.shape[1], cols)
    bits = _bits(scale)
    padded = bits.new_zeros(shape) if arrays.is_torch(bits) else np.zeros(shape, np.uint8)
    padded[: scale.shape[0], : scale.shape[1]] = bits
    return padded.view(scale.dtype)
