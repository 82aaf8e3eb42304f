"""What a call's arguments look like, without their data: the signature.

Each leaf (array, quantized tensor, float, key, transform) of the arguments has
a spec. Equal specs mean the same traced program and the same compiled code. A
length is in its spec only by what divides it, so that 1000 different lengths
make at most a few signatures.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _native, arrays, dtypes
from .errors import ArgumentError, DTypeError
from .formats import NAMED, Format
from .prepared import Prepared
from .recipes import Recipe, Spec
from .rht import RHT
from .rounding import Key, Rounding
from .scale_rules import ScaleRule
from .storage import ROW_MAJOR, round_up
from .tensor import QTensor, array_views, check_scale_layout, normalize_axis

#: Classes of lengths: kernels may rely on the largest of these that divides one.
DIVISORS = (128, 16)
#: Bytes of the widest access to a GPU's memory.
ALIGNMENT = 16


@dataclass(frozen=True)
class Symbolic:
    """A length that is known only at run time. The name is "" for an argument's own."""

    name: str = ""
    divisor: int = 1

    def __str__(self) -> str:
        name = self.name or "?"
        return f"{name}%{self.divisor}" if self.divisor > 1 else name


@dataclass(frozen=True)
class ArraySpec:
    """A plain array: dtype, lengths, and the axis whose neighbours are adjacent.

    On a GPU also what divides its address (`alignment`, bytes, or 0) and its strides
    (elements), as wide accesses need it. On the host nothing does.
    """

    dtype: dtypes.DType
    shape: tuple[int | Symbolic, ...]
    unit_stride: int | None
    alignment: int = 0
    stride_divisors: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class QTensorSpec:
    """A quantized matrix. `rht` is a number: equal transforms have equal numbers."""

    format: Format
    shape: tuple[int | Symbolic, ...]
    axis: int
    rht: RHTSpec | None
    padded: bool
    rounding: str = ""
    alignment: int = 0
    rht_value: RHT | None = field(default=None, compare=False)
    scale_layout: str = ROW_MAJOR
    groups: ArraySpec | None = None
    #: Tensors with the same array of offsets have equal numbers.
    groups_number: int | None = None

    def __str__(self) -> str:
        layout = f"/{self.scale_layout}" if self.scale_layout != ROW_MAJOR else ""
        groups = f" in groups {self.groups}" if self.groups else ""
        return f"{self.format.name}[{','.join(map(str, self.shape))}]@{self.axis}{layout}{groups}"


@dataclass(frozen=True)
class PreparedSpec:
    """A prepared matrix."""

    of: QTensorSpec
    side: str
    form: str

    def __str__(self) -> str:
        return f"{self.of} as {self.side}"


@dataclass(frozen=True)
class RHTSpec:
    n: int
    number: int

    def __str__(self) -> str:
        return f"RHT{self.n}#{self.number}"


@dataclass(frozen=True)
class KeySpec:
    """A key; `on_device` if its step is in a GPU's memory."""

    number: int
    on_device: bool = False

    def __str__(self) -> str:
        return f"key#{self.number}"


@dataclass(frozen=True)
class ScalarSpec:
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Static:
    """A value that is part of the signature. The type tells 1 from True and 1.0."""

    type: type
    value: Any

    def __str__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True)
class Tree:
    """A container or dataclass of specs."""

    type: Any
    children: tuple

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.children))})"


def spec(
    text: str, *, axis: int = -1, rht: RHT | None = None, scale_layout: str = ROW_MAJOR, aligned: bool = True
):
    """Describes an argument without data, for `lower` and `warmup`.

    "bf16[M,8192]" is a row-major matrix whose row count is known only at run time;
    "bf16[M%16,8192]" promises that 16 divides it; "UFP4_B[M,8192]" is a quantized
    tensor (with `axis`, `rht` and `scale_layout`); "f32" is a float argument, "i64" an integer one. `aligned`
    promises addresses that are multiples of 16 bytes, as allocators of GPU memory give them.

    Equal names in one call mean equal lengths. Raises ArgumentError.
    """
    if text in ("f32", "i64"):
        return ScalarSpec(text)
    match = re.fullmatch(r"\s*(\w+)\s*\[([^\]]*)\]\s*", text)
    if match is None:
        raise ArgumentError(f"{text!r} is not a spec", instead='such as "bf16[M,8192]", "UFP4_B[M,8192]" or "f32"')
    shape = tuple(_length(part.strip(), text) for part in match[2].split(","))
    if match[1] in NAMED:
        identity = RHTSpec(rht.n, rht.digest) if rht else None
        alignment = ALIGNMENT if aligned else 0
        fmt = NAMED[match[1]]
        check_scale_layout(fmt, scale_layout)
        return QTensorSpec(fmt, shape, normalize_axis(axis), identity, False, "", alignment, rht, scale_layout)
    if match[1] not in dtypes.ALL:
        raise ArgumentError(f"{match[1]!r} in {text!r} is not a type", instead=", ".join([*dtypes.ALL, *NAMED]))
    return _packed_spec(dtypes.ALL[match[1]], shape, aligned)


def _packed_spec(dtype: dtypes.DType, shape, aligned: bool) -> ArraySpec:
    """A row-major array."""
    if not aligned:
        return ArraySpec(dtype, shape, len(shape) - 1)
    whole, length = ALIGNMENT * 8 // dtype.bits, shape[-1]
    divides = (length.divisor if isinstance(length, Symbolic) else length) % whole == 0
    strides = (whole if divides else 1,) * (len(shape) - 1)
    return ArraySpec(dtype, shape, len(shape) - 1, ALIGNMENT, (*strides, 1))


def _length(part: str, text: str) -> int | Symbolic:
    if part.isdigit():
        return int(part)
    match = re.fullmatch(r"([A-Za-z_]\w*)(?:%(\d+))?", part)
    if match is None:
        raise ArgumentError(f"{part!r} in {text!r} is not a length", instead="a number, a name, or name%divisor")
    return Symbolic(match[1], int(match[2] or 1))


SPECS = (ArraySpec, QTensorSpec, ScalarSpec)
#: Captured objects whose value, not only identity, is part of a signature.
CAPTURED = (QTensor, Prepared, RHT, Key, Rounding, Format, ScaleRule, int, float, str, bytes, type(None), dtypes.DType)
#: Types whose instances never change, or whose changes no signature depends on.
IMMUTABLE = (RHT, Key, Rounding, Format, ScaleRule, Spec, Recipe, int, float, str, type(None), dtypes.DType)


# From values to specs.


def symbolic(length: int) -> int | Symbolic:
    """A single element is a class of its own: along it, elementwise code repeats."""
    if length == 1:
        return 1
    return Symbolic("", next((d for d in DIVISORS if length % d == 0), 1))


def _alignment(view) -> int:
    """The class of an array's address."""
    on_device = isinstance(view, arrays.DeviceView)
    return ALIGNMENT if on_device and view.address % ALIGNMENT == 0 else 0


def _stride_divisors(view, unit_stride: int | None) -> tuple[int, ...]:
    """For each axis what divides its stride; 1 for the unit stride itself."""
    if not isinstance(view, arrays.DeviceView):
        return ()
    whole = max(1, ALIGNMENT // view.itemsize)
    axes = zip(range(view.ndim), view.shape, view.strides)
    return tuple(whole if d != unit_stride and (n <= 1 or s % ALIGNMENT == 0) else 1 for d, n, s in axes)


def _unit_stride(array) -> int | None:
    for axis in reversed(range(array.ndim)):
        if array.strides[axis] == array.itemsize or array.shape[axis] == 1:
            return axis
    return None


def array_spec(value, what: str) -> ArraySpec:
    array = arrays.view(value, what)
    if array.ndim != 1:
        arrays.check_matrix(array, what)
    among = dtypes.ALL if array.ndim == 1 else dtypes.BY_NAME
    dtype = dtypes.of(array.dtype, what=f"the dtype of {what}", among=among)
    unit_stride = _unit_stride(array)
    shape = tuple(map(symbolic, array.shape))
    return ArraySpec(dtype, shape, unit_stride, _alignment(array), _stride_divisors(array, unit_stride))


def _with_shape(value):
    """The array as a leaf: of NumPy or torch as it is, of other libraries its view."""
    return value if arrays.is_torch(value) else arrays.view(value)


class Abstraction:
    """Specs of the values of one call. Equal transforms and same keys get equal numbers."""

    def __init__(self):
        self.leaves: list = []
        self._rhts: dict[RHT, int] = {}
        self._keys: dict[int, int] = {}
        self._groups: dict[int, int] = {}

    def spec(self, value, what: str):
        """The spec of a value; its leaves are appended in order."""
        if isinstance(value, SPECS):
            self.leaves.append(value)
            return value
        if isinstance(value, QTensor):
            return self._quantized(value)
        if isinstance(value, Prepared):
            return self._prepared(value)
        if isinstance(value, RHT):
            self.leaves.append(value)
            return RHTSpec(value.n, self._rhts.setdefault(value, len(self._rhts)))
        if isinstance(value, Key):
            self.leaves.append(value)
            return KeySpec(self._keys.setdefault(id(value), len(self._keys)), value.on_device)
        if isinstance(value, float) or isinstance(value, np.floating):
            self.leaves.append(float(value))
            return ScalarSpec("f32")
        if isinstance(value, np.integer):
            self.leaves.append(int(value))
            return ScalarSpec("i64")
        if arrays.is_array(value):
            self.leaves.append(_with_shape(value))
            return array_spec(self.leaves[-1], what)
        return self._tree(value, what)

    def _tree(self, value, what: str):
        children = children_of(value)
        if children is not None:
            kind = tuple(value) if isinstance(value, dict) else type(value)
            return Tree(kind, tuple(self.spec(child, what) for child in children))
        try:
            hash(value)
        except TypeError:
            raise DTypeError(
                f"{what} is a {type(value).__name__}",
                instead="an array, a QTensor, a number, a key, an RHT or a hashable static value",
            ) from None
        return Static(type(value), value)

    def _quantized(self, q: QTensor) -> QTensorSpec:
        views = array_views(q)
        if not all(map(arrays.is_packed, views)):
            raise ArgumentError(
                "the codes or scales of a quantized argument are not contiguous", instead="a copy of them"
            )
        self.leaves.append(q)
        padded = q.stored != q.shape[q.axis]
        groups = None if q.groups is None else array_spec(q.groups, "the groups of a quantized argument")
        number = None if q.groups is None else self._groups.setdefault(id(q.groups), len(self._groups))
        if not groups and padded and q.stored != round_up(q.shape[q.axis], _native.stored_multiple(q.format, q.rht)):
            raise ArgumentError(f"{q!r} has more padding than the format needs", instead="quantize(.., pad=True)")
        alignment = min(map(_alignment, views))
        shape = tuple(map(symbolic, q.shape))
        facts = (padded, q.rounding, alignment, q.rht, q.scale_layout, groups, number)
        return QTensorSpec(q.format, shape, q.axis, self._rht(q.rht), *facts)

    def _rht(self, rht: RHT | None) -> RHTSpec | None:
        return RHTSpec(rht.n, self._rhts.setdefault(rht, len(self._rhts))) if rht else None

    def _prepared(self, p: Prepared) -> PreparedSpec:
        self.leaves.append(p)
        padded = p.stored != p.shape[p.axis]
        shape = tuple(map(symbolic, p.shape))
        of = QTensorSpec(p.format, shape, p.axis, self._rht(p.rht), padded, rht_value=p.rht)
        return PreparedSpec(of, p.side, p.form)


def children_of(value) -> tuple | None:
    """The parts of a container or of one of our descriptions that may hold leaves."""
    if isinstance(value, (tuple, list)):
        return tuple(value)
    if isinstance(value, dict):
        return tuple(value.values())
    if isinstance(value, Spec):
        return (value.format, value.rht, value.rounding)
    if isinstance(value, Recipe):
        return (*value.fprop, *value.dgrad, *value.wgrad)
    if isinstance(value, Rounding) and value.key is not None:
        return (value.kind, value.bits, value.rounds, value.key)
    return None


# A fast key of a call's exact arguments, for the cache of call plans. Every
# function appends the leaves in the order of Abstraction.


def _exact_array(value, leaves):
    leaves.append(value)
    return value.dtype, value.shape, value.strides


def _exact_torch(value, leaves):
    leaves.append(value)
    device = value.get_device()  # of the CPU -1; .device makes objects
    aligned = device < 0 or value.data_ptr() % ALIGNMENT == 0
    return value.dtype, value.shape, value.stride(), device, aligned


def _exact_view(value, leaves):
    leaves.append(value)
    return value.device, value.dtype, value.shape, value.strides, value.address % ALIGNMENT == 0, type(value.owner)


def _exact_quantized(q, leaves):
    leaves.append(q)
    ignored: list = []
    parts = tuple([exact(a, ignored) for a in (q.codes, *q.scales)])
    groups = None
    if q.groups is not None:  # whose they also are
        first = next(i for i, leaf in enumerate(leaves) if getattr(leaf, "groups", None) is q.groups)
        groups = first, exact(q.groups, ignored)
    facts = q.format, q.shape, q.axis, q.rht, q.stored, q.rounding, q.scale_layout, groups
    return QTensor, type(q.codes), facts, parts


def _exact_prepared(p, leaves):
    leaves.append(p)
    ignored: list = []
    parts = tuple([exact(a, ignored) for a in p.arrays])
    return Prepared, (p.format, p.shape, p.axis, p.rht, p.stored, p.side, p.form), parts


def _exact_rht(value, leaves):
    leaves.append(value)
    return value


def _exact_key(value, leaves):
    first = next((i for i, leaf in enumerate(leaves) if leaf is value), len(leaves))
    leaves.append(value)
    return Key, first, value.on_device and exact(value.step, [])


def _exact_float(value, leaves):
    leaves.append(float(value))
    return float


def _exact_integer(value, leaves):
    leaves.append(int(value))
    return np.int64


def _exact_static(value, leaves):
    return type(value), value


_EXACT = {
    np.ndarray: _exact_array,
    arrays.DeviceView: _exact_view,
    QTensor: _exact_quantized,
    Prepared: _exact_prepared,
    RHT: _exact_rht,
    Key: _exact_key,
    float: _exact_float,
    int: _exact_static,
    bool: _exact_static,
    str: _exact_static,
    type(None): _exact_static,
    Format: _exact_static,
    ScaleRule: _exact_static,
}


def exact(value, leaves: list):
    """A hashable key that fixes everything but the data of `value`; appends its leaves."""
    function = _EXACT.get(type(value))
    return function(value, leaves) if function else _exact_other(value, leaves)


def _exact_other(value, leaves):
    if isinstance(value, (float, np.floating)):
        return _exact_float(value, leaves)
    if isinstance(value, np.integer):
        return _exact_integer(value, leaves)
    if isinstance(value, arrays.DeviceView):
        return _exact_view(value, leaves)
    if arrays.is_torch(value):
        _EXACT[type(value)] = _exact_torch  # the next one is found at once
        return _exact_torch(value, leaves)
    if arrays.is_array(value):
        view = arrays.view(value)
        return type(value), exact(view, leaves)
    children = children_of(value)
    if children is not None:
        kind = tuple(value) if isinstance(value, dict) else type(value)
        return kind, *[exact(child, leaves) for child in children]
    return type(value), value
