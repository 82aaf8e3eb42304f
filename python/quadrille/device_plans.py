"""The plan of a call whose arrays lie on a GPU: addresses in, launches out, nothing waited for."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _native, arrays, frameworks, specs
from .devices import Device
from .errors import ArgumentError, DeviceError
from .plans import Plan, check_out, overlap_error
from .trace import PreparedType, QuantType, TensorType, resolve
from .tracer import TracedFunction

#: What a workspace's address must be a multiple of.
WORKSPACE_ALIGNMENT = 64
_MAX_ACCEPTED = 1024
#: More than one program reads at once from one address.
_MOST_BYTES_READ = 256
#: Inputs that are arrays.
_ARRAYS = (QuantType, TensorType, PreparedType)


class DevicePlan(Plan):
    """Runs a program on addresses: the sizes and strides of its arrays are bound to it.

    Results are new arrays of the framework of the arguments, in the order of its current
    stream; temporaries too. A call makes no copy between host and device.
    """

    __slots__ = (
        *("device", "bound", "values", "tensors", "numbers", "fetches", "address", "stream", "failure"),
        *("allocators", "workspace_bytes", "allocate_workspace", "places", "accepted"),
    )

    def __init__(self, traced: TracedFunction, program, device: Device, leaves: list):
        super().__init__(traced, program, leaves)
        framework = frameworks.framework_of(first_array(traced, leaves))
        self.device = device
        self.stream = framework.stream_getter(device.name)
        self.address = framework.address
        self._find_inputs(leaves)
        self.bound = program.bind(self._layouts(leaves))
        self.allocators = [framework.allocator(device.name, b.shape, b.dtype) for b in self.buffers]
        self.workspace_bytes: int = self.bound.workspace_bytes
        self.allocate_workspace = framework.allocator(device.name, (self.workspace_bytes,), np.dtype(np.uint8))
        self.failure = _native.submodule("runtime", "").DeviceError

    def _find_inputs(self, leaves) -> None:
        """Where each of the program's arguments comes from: fixed ones, addresses, numbers, the rest."""
        self.values: list = []
        self.tensors: list[tuple[int, int, Any]] = []
        self.numbers: list[tuple[int, int]] = []
        self.fetches: list[tuple[int, Any]] = []
        self.places: list[int] = []  # of the addresses that calls bring
        self.accepted: set = set()
        for entry in self.traced.graph.inputs:
            position = len(self.values)
            arrays_of = _arrays_of(entry.value.type)
            self.values += [0] * (arrays_of + _numbers_of(entry.value.type))
            if not entry.fixed and isinstance(entry.value.type, _ARRAYS):
                self.places += range(position, position + arrays_of)
                if any(resolve(length, self.sizes) == 0 for length in entry.value.type.shape):
                    self.values[position : position + arrays_of] = [self._nothing()] * arrays_of
                    self.values[position + arrays_of :] = _numbers(entry.fetch(leaves))
                    continue
            if entry.fixed:
                self.values[position] = self.device.constant(entry.fetch(leaves), self.stream())
            elif isinstance(entry.value.type, _ARRAYS) and entry.leaf is None:
                self.fetches.append((position, _addressing(entry.fetch, leaves)))
            elif entry.leaf is None:
                self.fetches.append((position, entry.fetch))
            elif isinstance(entry.value.type, TensorType):
                self.tensors.append((position, entry.leaf, frameworks.address_function(leaves[entry.leaf])))
            else:
                self.numbers.append((position, entry.leaf))

    def _nothing(self) -> int:
        """Address in place of an empty array's, which may be null: kernels may read what they do not use."""
        return self.device.constant(np.zeros(_MOST_BYTES_READ, np.uint8), self.stream())

    def _layouts(self, leaves) -> list:
        """Sizes and strides (elements) of each argument; None for numbers that sizes do not depend on."""
        layouts: list = []
        for entry in self.traced.graph.inputs:
            value = entry.fetch(leaves)
            if not isinstance(entry.value.type, _ARRAYS):
                layouts.append(None)
                continue
            for array in value if isinstance(value, list) else [value]:
                if isinstance(array, int):  # sizes depend on it
                    layouts.append(array)
                    continue
                view = arrays.view(array)
                if not entry.fixed:
                    self._check_place(view, entry.value.name)
                strides = [stride // view.itemsize for stride in view.strides]
                # A counter may have no dimension.
                layouts.append((list(view.shape), strides) if view.ndim else ([1], [1]))
        for buffer in self.buffers:
            strides = arrays.packed_strides(buffer.shape, 1)
            layouts.append((list(buffer.shape), list(strides)))
        return layouts

    def run(self, leaves: list, out=None, workspace=None):
        """Launches the program on the data of `leaves`; into `out` and with `workspace` if given."""
        values = self.values.copy()
        for position, number, address in self.tensors:
            values[position] = address(leaves[number])
        for position, number in self.numbers:
            values[position] = leaves[number]
        for position, fetch in self.fetches:
            value = fetch(leaves)
            if type(value) is list:
                values[position : position + len(value)] = value
            else:
                values[position] = value
        if self.traced.graph.words:
            self._check_words(self._views(leaves), lambda a, b: b is not None and _overlap(a, b))
        if out is None:
            made = [allocate() for allocate in self.allocators]
            values += map(self.address, made)
        else:
            values += self._out_addresses(out, leaves, values)
        if workspace is not None:
            place = self._workspace_address(workspace)
        elif self.workspace_bytes:
            workspace = self.allocate_workspace()
            place = self.address(workspace)
        else:
            place = 0
        try:
            self.bound(self.stream(), place, self.workspace_bytes, values)
        except self.failure as error:
            raise DeviceError(str(error)) from None
        return self._with_groups(out, leaves) if out is not None else self._rebuild(made, leaves)

    def _out_addresses(self, out, leaves, values: list) -> list[int]:
        parts = self._given(out)
        addresses = [frameworks.address_function(part)(part) for part in parts]
        # A loop gives the same buffers again and again: what passed the checks once passes them.
        kinds = tuple([specs.exact(part, []) for part in parts])
        seen = kinds, tuple(addresses), tuple([values[position] for position in self.places])
        if seen not in self.accepted:
            views = [self._out_view(part, buffer) for part, buffer in zip(parts, self.buffers)]
            self._check_aliases(views, leaves)
            if len(self.accepted) >= _MAX_ACCEPTED:
                self.accepted.clear()
            self.accepted.add(seen)
        return addresses

    def _out_view(self, part, buffer) -> arrays.DeviceView:
        view = arrays.view(part, "out")
        self._check_place(view, "out")
        if view.address % specs.ALIGNMENT:
            raise ArgumentError(f"out is not aligned to {specs.ALIGNMENT} bytes", instead="a buffer of its own")
        return check_out(view, buffer)

    def _views(self, leaves) -> list:
        """Views of the call's arrays, a list for a quantized tensor's; None for other inputs."""

        def views(entry):
            if entry.fixed or not isinstance(entry.value.type, _ARRAYS):
                return None
            value = entry.fetch(leaves)
            if not isinstance(value, list):
                return arrays.view(value)
            return [arrays.view(part) for part in value if not isinstance(part, int)]

        return [views(entry) for entry in self.traced.graph.inputs]

    def _check_place(self, view, what: str) -> None:
        place = arrays.device_of(view)
        if place != self.device.name:
            raise ArgumentError(f"{what} is on {place}", instead=f"an array on {self.device.name}")

    def _check_aliases(self, views, leaves) -> None:
        """`out` may share memory with acc= alone, and only if it is the same array."""
        accumulators = self._accumulators()
        for entry, value in zip(self.traced.graph.inputs, self._views(leaves)):
            if value is None:
                continue
            for seen in value if isinstance(value, list) else [value]:
                touched = [view for view in views if _overlap(seen, view)]
                same = any(seen.address == view.address and seen.shape == view.shape for view in touched)
                if touched and not (entry.value in accumulators and same):
                    raise overlap_error(entry.value.name)

    def _workspace_address(self, workspace) -> int:
        needed = self.workspace_bytes
        view = arrays.view(workspace, "workspace")
        self._check_place(view, "workspace")
        if view.nbytes < needed or not arrays.is_packed(view) or view.address % WORKSPACE_ALIGNMENT:
            raise ArgumentError(
                f"workspace has {view.nbytes} bytes at address {view.address:#x}",
                instead=f"{needed} contiguous bytes, aligned to {WORKSPACE_ALIGNMENT}",
            )
        return view.address


def _addressing(fetch, leaves: list):
    """`fetch` with addresses in place of arrays, found as for the arrays of `leaves`."""
    value = fetch(leaves)
    if not isinstance(value, list):
        address = frameworks.address_function(value)
        return lambda leaves: address(fetch(leaves))
    functions = [int if isinstance(part, int) else frameworks.address_function(part) for part in value]
    return lambda leaves: [address(part) for address, part in zip(functions, fetch(leaves))]


def _arrays_of(type_) -> int:
    """Arrays, or numbers of the caller, of one input."""
    if isinstance(type_, PreparedType):
        return 1 + type_.of.format.has_tensor_level
    return 1 + len(type_.format.levels) if isinstance(type_, QuantType) else 1


def _numbers_of(type_) -> int:
    """Numbers that follow the arrays: rows and length of what is prepared."""
    return 2 if isinstance(type_, PreparedType) else 0


def _numbers(value) -> list[int]:
    return [part for part in value if isinstance(part, int)] if isinstance(value, list) else []


def first_array(traced: TracedFunction, leaves: list):
    """An array of the call, whose framework its results have."""
    for entry in traced.graph.inputs:
        if not entry.fixed and isinstance(entry.value.type, _ARRAYS):
            value = entry.fetch(leaves)
            return value[0] if isinstance(value, list) else value
    raise AssertionError("a call on a device has an array")


def _extent(view) -> tuple[int, int]:
    """First and past-the-end address that an array's elements may take."""
    if 0 in view.shape:
        return view.address, view.address
    spans = [stride * (length - 1) for stride, length in zip(view.strides, view.shape)]
    low, high = sum(s for s in spans if s < 0), sum(s for s in spans if s > 0)
    return view.address + low, view.address + high + view.itemsize


def _overlap(a, b) -> bool:
    (a0, a1), (b0, b1) = _extent(a), _extent(b)
    return a0 < b1 and b0 < a1
