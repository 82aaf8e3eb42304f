"""Prepared: a quantized matrix as the products of one target read it."""

from __future__ import annotations

from typing import Any

from . import arrays
from .errors import ArgumentError, UnsupportedError
from .formats import Format
from .rht import RHT
from .tensor import QTensor
from .trace import current

#: Of what the interpreter prepares: codes and scales as they are.
REFERENCE = "codes and scales"


class Prepared:
    """What :func:`quadrille.prepare` gives: an operand of products by itself.

    Attributes:
        arrays: the target's own bytes (uint8 [n]), and f32 of shape (1,) if the format has a
            scale of the tensor. What the bytes mean is between the target and itself.
        format, shape, axis, rht, stored: of the tensor that was prepared, as of QTensor.
        side: "a" or "b": the operand of `qd.matmul` that it can be.
        form: all that the bytes depend on, in words. A product that reads another form refuses it.
        source: the tensor itself, if `keep=True` was asked for; else None.

    `.T` swaps the logical axes and moves nothing.
    """

    __slots__ = ("arrays", "format", "shape", "axis", "rht", "stored", "side", "form", "source")

    def __init__(
        self,
        arrays: tuple,
        format: Format,  # noqa: A002
        shape: tuple[int, int],
        axis: int,
        rht: RHT | None,
        stored: int,
        side: str,
        form: str,
        source: QTensor | None = None,
    ):
        self.arrays, self.format, self.shape, self.axis, self.rht = arrays, format, shape, axis, rht
        self.stored, self.side, self.form, self.source = stored, side, form, source

    def _with(self, **changes) -> Prepared:
        return Prepared(*(changes.get(name, getattr(self, name)) for name in Prepared.__slots__))

    @property
    def T(self) -> Prepared:
        """The transpose: the same bytes with the logical axes swapped."""
        graph = current()
        if graph is not None and graph.symbol(self) is not self:  # captured by a traced function
            return graph.symbol(self).T
        source = None if self.source is None else self.source.T
        return self._with(shape=self.shape[::-1], axis=1 - self.axis, source=source)

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays; the kept tensor's are its own."""
        return sum(arrays.view(a).nbytes for a in self.arrays)

    def dequantize(self, *, dtype="f32", undo_rht: bool = False) -> Any:
        """:func:`quadrille.dequantize` of the tensor, which must have been kept; else UnsupportedError."""
        if self.source is None:
            raise UnsupportedError(
                "dequantize of a prepared tensor, whose bytes the products of its target alone read",
                instead="qd.prepare(q, keep=True), or q.dequantize()",
            )
        return self.source.dequantize(dtype=dtype, undo_rht=undo_rht)

    def __repr__(self) -> str:
        rht = f", rht={self.rht!r}" if self.rht else ""
        facts = f"axis={self.axis}{rht}, side={self.side!r}, form={self.form!r}"
        return f"Prepared({self.format.name}[{self.shape[0]},{self.shape[1]}], {facts})"


def check_side(side: str) -> str:
    if side not in ("a", "b"):
        raise ArgumentError(f"side={side!r}", instead="'a' or 'b', the operand of qd.matmul")
    return side
