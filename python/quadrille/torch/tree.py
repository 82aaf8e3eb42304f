"""QTensor and Prepared as pytrees: their arrays are the leaves."""

from __future__ import annotations

from torch.utils import _pytree

from ..prepared import Prepared
from ..tensor import QTensor


def _flatten(q: QTensor):
    scales = len(q.scales)
    facts = (q.format, q.shape, q.axis, q.rht, q.stored, q.rounding, q.scale_layout)
    groups = [] if q.groups is None else [q.groups]
    return [q.codes, *q.scales, *groups], (scales, facts)


def _unflatten(leaves, context) -> QTensor:
    scales, facts = context
    codes, *rest = leaves
    return QTensor._make(codes, tuple(rest[:scales]), *facts, *rest[scales:])


def _flatten_prepared(p: Prepared):
    return list(p.arrays), (len(p.arrays), *(getattr(p, name) for name in Prepared.__slots__[1:-1]))


def _unflatten_prepared(leaves, context) -> Prepared:
    return Prepared(tuple(leaves), *context[1:])


_pytree.register_pytree_node(QTensor, _flatten, _unflatten, serialized_type_name="quadrille.QTensor")
_pytree.register_pytree_node(
    Prepared, _flatten_prepared, _unflatten_prepared, serialized_type_name="quadrille.Prepared"
)
