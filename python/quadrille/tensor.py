"""QTensor: a matrix as 4-bit codes and scales."""

from __future__ import annotations

import numpy as np

from . import _native, arrays, storage
from .errors import ArgumentError, DTypeError, ShapeError
from .formats import lookup
from .rht import RHT
from .trace import current


class QTensor:
    """A quantized matrix.

    Attributes:
        codes: uint8 [other, stored/2] in storage order (the quantized axis last),
            element 2i in the low nibble.
        scales: one array per level, inner to outer, in the framework's own type where
            it has one (float32, bfloat16, float8_e4m3fn, float8_e8m0fnu), else uint8.
        format: the Format.
        shape: logical shape, (rows, columns).
        axis: the quantized axis, 0 or 1, in logical coordinates.
        rht: the RHT applied before quantization, or None.
        stored: length of the quantized axis with padding; shape[axis] without.
        rounding: how it was rounded ("nearest_even", ..), or "" if not known.
        scale_layout: order of scales[0] in memory: "row_major", or "blocked128x4", that of
            block-scaled tensor cores (docs/numerics.md, "Storage").
        groups: int32 or int64 [G + 1], the offsets of groups along the quantized axis, each of
            which is stored extended by itself (see `padded_offsets`); or None.

    Arrays are NumPy's, torch's or another library's, shared and not copied. `.T` swaps the logical axes
    and moves nothing. A transform (`rht`) stays applied: see dequantize's undo_rht.

    The constructor checks that the arrays fit the metadata: raises ShapeError,
    DTypeError or ArgumentError.
    """

    __slots__ = ("codes", "scales", "format", "shape", "axis", "rht", "stored", "rounding", "scale_layout", "groups")

    def __init__(
        self,
        codes,
        scales,
        format,  # noqa: A002
        shape,
        *,
        axis=-1,
        rht=None,
        stored=None,
        rounding="",
        scale_layout=storage.ROW_MAJOR,
        groups=None,
    ):
        shape = tuple(int(d) for d in shape)
        if len(shape) != 2:
            raise ShapeError(f"a quantized tensor of shape {shape}", instead="rank 2")
        self.codes, self.scales, self.format, self.shape = codes, tuple(scales), lookup(format), shape
        self.axis, self.rht, self.rounding, self.scale_layout = normalize_axis(axis), rht, rounding, scale_layout
        self.stored, self.groups = shape[self.axis] if stored is None else int(stored), groups
        self._check()

    @classmethod
    def _make(cls, codes, scales, format, shape, axis, rht, stored, rounding, scale_layout, groups=None):  # noqa: A002
        """The constructor without checks, for results of compiled programs; the order is that of __slots__."""
        self = cls.__new__(cls)
        self.codes, self.scales, self.format, self.shape = codes, scales, format, shape
        self.axis, self.rht, self.stored, self.rounding, self.scale_layout = axis, rht, stored, rounding, scale_layout
        self.groups = groups
        return self

    def _with(self, **changes) -> QTensor:
        """A tensor that differs in some attributes and shares the others."""
        return QTensor._make(*(changes.get(name, getattr(self, name)) for name in QTensor.__slots__))

    def _check(self) -> None:
        if self.rht is not None and not isinstance(self.rht, RHT):
            raise ArgumentError(f"rht is {self.rht!r}", instead="a qd.RHT or None")
        check_scale_layout(self.format, self.scale_layout)
        multiple = self._multiple
        if self.groups is not None:
            self._check_groups()
        elif self.stored < self.shape[self.axis] or self.stored % multiple:
            raise ShapeError(
                f"{self.stored} stored elements for an axis of {self.shape[self.axis]} in {self.format.name}",
                instead=f"a multiple of {multiple} that is at least the axis length",
            )
        expected = storage.buffers(self.format, self.shape[1 - self.axis], self.stored, self.scale_layout)
        if len(self.scales) != len(expected) - 1:
            raise ArgumentError(f"{self.format.name} has {len(expected) - 1} scale levels, not {len(self.scales)}")
        names = ["codes", *(f"scales[{i}]" for i in range(len(self.scales)))]
        for name, array, buffer in zip(names, (self.codes, *self.scales), expected):
            seen = arrays.view(array, name)
            if tuple(seen.shape) != buffer.shape:
                raise ShapeError(f"{name} has shape {tuple(seen.shape)}", instead=f"{buffer.shape} for {self!r}")
            if seen.dtype != buffer.dtype:
                raise DTypeError(f"{name} is {seen.dtype}", instead=f"{buffer.dtype}")

    def _check_groups(self) -> None:
        seen = arrays.view(self.groups, "groups")
        if seen.ndim != 1 or seen.shape[0] == 0:
            raise ShapeError(f"groups has shape {tuple(seen.shape)}", instead="(G + 1,) offsets of G groups")
        if seen.dtype not in (np.int32, np.int64):
            raise DTypeError(f"groups is {seen.dtype}", instead="int32 or int64")
        stored = storage.grouped_length(self.shape[self.axis], seen.shape[0] - 1, self._multiple)
        if self.stored != stored:
            raise ShapeError(
                f"{self.stored} stored elements for {seen.shape[0] - 1} groups of {self.shape[self.axis]}",
                instead=f"{stored}, as many as any groups need",
            )

    @property
    def _multiple(self) -> int:
        """What divides the stored length, and that of each group."""
        return _native.stored_multiple(self.format, self.rht)

    def padded_offsets(self) -> np.ndarray:
        """Where each group is stored along the axis: int64 [G + 1], the last the end of all.

        Computed on the host, so offsets on a GPU are copied and waited for. ArgumentError of a
        tensor without groups. Source: docs/numerics.md, "Groups".
        """
        if self.groups is None:
            raise ArgumentError(f"{self!r} has no groups", instead="quantize(.., groups=offsets)")
        return storage.group_table(arrays.to_host(self.groups), self.shape[self.axis], self._multiple)[1]

    @property
    def T(self) -> QTensor:
        """The transpose: the same arrays with the logical axes swapped."""
        graph = current()
        if graph is not None and graph.symbol(self) is not self:  # captured by a traced function
            return graph.symbol(self).T
        return self._with(shape=self.shape[::-1], axis=1 - self.axis)

    @property
    def nbytes(self) -> int:
        """Bytes of codes and scales."""
        return sum(arrays.view(a).nbytes for a in (self.codes, *self.scales))

    def dequantize(self, *, dtype="f32", undo_rht: bool = False):
        """:func:`quadrille.dequantize` of this tensor."""
        from .ops import dequantize

        return dequantize(self, dtype=dtype, undo_rht=undo_rht)

    def to_scale_layout(self, scale_layout: str) -> QTensor:
        """:func:`quadrille.to_scale_layout` of this tensor."""
        from .ops import to_scale_layout

        return to_scale_layout(self, scale_layout)

    def save(self, path) -> None:
        """Writes a .safetensors file: see :mod:`quadrille.files`."""
        from .files import save

        save(path, self)

    def to_scaled_mm(self):
        """Operands of torch._scaled_mm: see :func:`quadrille.interop.to_scaled_mm`."""
        from . import interop

        return interop.to_scaled_mm(self)

    def to_torchao(self):
        """Fields of torchao's NVFP4Tensor / MXTensor: see :func:`quadrille.interop.to_torchao`."""
        from . import interop

        return interop.to_torchao(self)

    def to_te(self):
        """Fields of Transformer Engine's NVFP4Tensor: see :func:`quadrille.interop.to_te`."""
        from . import interop

        return interop.to_te(self)

    def __repr__(self) -> str:
        rht = f", rht={self.rht!r}" if self.rht else ""
        padded = f", stored={self.stored}" if self.stored != self.shape[self.axis] else ""
        layout = f", scale_layout={self.scale_layout!r}" if self.scale_layout != storage.ROW_MAJOR else ""
        groups = f", {arrays.view(self.groups).shape[0] - 1} groups" if self.groups is not None else ""
        facts = f"axis={self.axis}{rht}{padded}{layout}{groups}"
        return f"QTensor({self.format.name}[{self.shape[0]},{self.shape[1]}], {facts})"


def check_scale_layout(fmt, scale_layout: str) -> None:
    """ArgumentError unless a format's scales can be so in memory."""
    if scale_layout not in storage.SCALE_LAYOUTS:
        raise ArgumentError(f"scale_layout={scale_layout!r}", instead=", ".join(map(repr, storage.SCALE_LAYOUTS)))
    if not storage.has_layout(fmt, scale_layout):
        level = fmt.levels[0]
        raise ArgumentError(
            f"{fmt.name} has {level.dtype} scales of {level.block}; {scale_layout} is of one-byte scales of one row",
            instead=f"scale_layout={storage.ROW_MAJOR!r}",
        )


def normalize_axis(axis) -> int:
    """0 or 1 for an axis of a matrix; ShapeError for another."""
    if not isinstance(axis, (int, np.integer)) or isinstance(axis, bool) or not -2 <= axis < 2:
        raise ShapeError(f"axis={axis!r} of a matrix", instead="0 (columns are quantized) or 1 / -1 (rows are)")
    return int(axis) % 2


def array_views(q: QTensor) -> list:
    """Views of codes and scales, as `arrays.view` gives them."""
    return [arrays.view(q.codes), *(arrays.view(s) for s in q.scales)]


def host_arrays(q: QTensor) -> list[np.ndarray]:
    """Codes and scales in host memory; copies, if they are on a device."""
    return [arrays.to_host(array) for array in (q.codes, *q.scales)]


def bit_identical(a: QTensor, b: QTensor) -> bool:
    """True if codes and scales are equal byte for byte, and formats, shapes, layouts and groups are equal."""
    names = ("format", "shape", "axis", "stored", "rht", "scale_layout")
    same = all(getattr(a, name) == getattr(b, name) for name in names) and (a.groups is None) == (b.groups is None)
    if same and a.groups is not None:
        same = np.array_equal(arrays.to_host(a.groups), arrays.to_host(b.groups))
    pairs = zip(host_arrays(a), host_arrays(b))
    return same and all(x.tobytes() == y.tobytes() for x, y in pairs)
