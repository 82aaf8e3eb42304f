"""How well a quantized tensor stands for the original (arXiv 2606.20381, sections 3, 4).

SQNR            10 log10(|A|^2 / |Q(A) - A|^2), dB
shrinkage       <Q(A), A> / |A|^2 - 1: negative if quantizing shrinks
bucket ratio    exp(entropy of the magnitude codes) / (their number), in [1/K, 1]; of a format of
                two grids the mean over their elements
zero fraction   elements whose code stands for zero
clip fraction   elements beyond the largest code's value by the scale they got (by more than
                the rounding of an f32 scale, 2^-20 of it)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from . import _native, arrays, reference, storage
from .errors import DTypeError, ShapeError
from .storage import ROW_MAJOR
from .tensor import QTensor, host_arrays


@dataclass(frozen=True)
class Metrics:
    """See :mod:`quadrille.metrics` for the definitions."""

    sqnr: float
    shrinkage: float
    bucket_ratio: float
    zero_fraction: float
    clip_fraction: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"SQNR {self.sqnr:.2f} dB, shrinkage {self.shrinkage:+.2%}, buckets {self.bucket_ratio:.2f}, "
            f"zeros {self.zero_fraction:.1%}, clipped {self.clip_fraction:.2%}"
        )


def sqnr(reference_, value) -> float:
    """Signal to quantization noise ratio in dB of two arrays; inf if they are equal."""
    a, b = _f64(reference_), _f64(value)
    noise, signal = np.sum((b - a) ** 2), np.sum(a**2)
    if noise == 0:
        return float("inf")
    return float(10 * np.log10(signal / noise)) if signal else float("-inf")


def shrinkage(reference_, value) -> float:
    """Projection of `value` on `reference_`, minus one; 0 for a zero reference."""
    a, b = _f64(reference_), _f64(value)
    signal = np.sum(a * a)
    return float(np.sum(a * b) / signal - 1) if signal else 0.0


def _f64(value) -> np.ndarray:
    return arrays.to_host(value).astype(np.float64)


@dataclass(frozen=True)
class Elements:
    """What became of each element, (rows, stored): f64, after the transform and in storage order.

    Attributes:
        rotated: what was quantized.
        values: what that became.
        magnitudes: of the codes in their grid.
        scales: what a code of 1 is worth.
        grid: number of the element's grid among the format's.
    """

    rotated: np.ndarray
    values: np.ndarray
    magnitudes: np.ndarray
    scales: np.ndarray
    grid: np.ndarray


def elements(x, q: QTensor) -> Elements:
    """The elements of `q` as the quantization of the matrix `x` (before q's transform).

    Arrays on a GPU are copied to the host. Raises ShapeError, DTypeError.
    """
    if not isinstance(q, QTensor):
        raise DTypeError(f"q is a {type(q).__name__}", instead="a QTensor")
    x = arrays.to_host(x)
    if tuple(x.shape) != q.shape:
        raise ShapeError(f"x has shape {tuple(x.shape)} and q {q.shape}")
    signs = q.rht.signs if q.rht else None
    used = q.stored
    if q.groups is not None:
        used = int(q.padded_offsets()[-1])  # what is behind the last group is nothing
        x = reference.gather_groups(x, arrays.to_host(q.groups), q.axis, q._multiple, q.stored)
    rotated = _native.numerics.rotate(x, signs, q.axis, q._multiple).astype(np.float64)[:, :used]
    codes, *scales = parts = host_arrays(q.to_scale_layout(ROW_MAJOR))
    values = reference.exact_values(parts, q.format)
    magnitudes = np.abs(_native.numerics.decode_blocks(codes, _native.format(q.format), storage.bits(scales[0])))
    number = reference.choices(scales[0], q.format, *values.shape).astype(int)  # of each element's grid
    unit = np.ones(values.shape)
    for factors in reference.scale_values(scales, q.format, *values.shape):
        unit = unit * factors
    return Elements(rotated, *(array[:, :used] for array in (values, magnitudes, unit, number)))


def metrics(x, q: QTensor) -> Metrics:
    """Metrics of `q` as the quantization of the matrix `x` (before q's transform).

    All are taken of what was quantized: after the RHT, where there is one. Arrays on a GPU are
    copied to the host.
    Raises ShapeError, DTypeError.
    """
    of = elements(x, q)
    limit = np.array([max(map(abs, grid.values)) for grid in q.format.grids], np.float64)[of.grid] * of.scales
    return Metrics(
        sqnr=sqnr(of.rotated, of.values),
        shrinkage=shrinkage(of.rotated, of.values),
        bucket_ratio=sum(
            _bucket_ratio(of.magnitudes[of.grid == i], grid) * _fraction(of.grid == i)
            for i, grid in enumerate(q.format.grids)
        ),
        zero_fraction=_fraction(of.magnitudes == 0),
        clip_fraction=_fraction(np.abs(of.rotated) > limit * (1 + 2.0**-20)),
    )


def _fraction(holds: np.ndarray) -> float:
    """How often it holds; 0 of nothing."""
    return float(np.count_nonzero(holds) / max(holds.size, 1))


def _bucket_ratio(magnitudes: np.ndarray, grid) -> float:
    buckets = np.unique(np.abs(np.array(grid.values, np.float32)))
    counts = np.array([np.count_nonzero(magnitudes == bucket) for bucket in buckets], np.float64)
    p = counts[counts > 0] / max(counts.sum(), 1)
    return float(np.exp(-np.sum(p * np.log(p))) / len(buckets))
