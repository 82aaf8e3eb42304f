"""Weights quantized once for each of their values: row and column copies, until an optimizer steps.

A layer's copies are those of its weight's memory and version, as PyTorch counts changes in place,
and of no step of any optimizer since, for some write past that count. While a CUDA graph
is captured none is kept here: a replay quantizes the weights that it finds.
"""

from __future__ import annotations

import itertools
import weakref
from typing import NamedTuple

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from ..tensor import QTensor


class Copies(NamedTuple):
    row: QTensor | None
    col: QTensor | None


class _Entry(NamedTuple):
    stamp: tuple
    copies: Copies


_entries: dict[int, _Entry] = {}
_layers = itertools.count(1)
_steps = 0
#: Of calls that are no layer's: their weights are quantized anew.
NO_LAYER = 0


def _count_step(*_) -> None:
    global _steps
    _steps += 1


register_optimizer_step_post_hook(_count_step)


def new_layer(owner) -> int:
    """The number of a layer, whose copies go when `owner` does."""
    layer = next(_layers)
    weakref.finalize(owner, _entries.pop, layer, None)
    return layer


def _stamp(w: torch.Tensor, number: int) -> tuple:
    return number, w.data_ptr(), w._version, tuple(w.shape), w.dtype, w.device, _steps


def readable(w: torch.Tensor) -> torch.Tensor:
    """A copy of what FSDP may free: a view of host memory would fix its size."""
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return w.detach().clone() if distributed and w.device.type == "cpu" else w


def quantized(w: torch.Tensor, number: int, layer: int, noise, *, row=False, col=False) -> Copies:
    """The copies of a weight (N, K) that are asked for, of those that the recipe has; others may be None."""
    from . import products

    specs = products.specs_of(products.recipe_of(number), "w")
    captures = w.is_cuda and torch.cuda.is_current_stream_capturing()
    keeps = layer != NO_LAYER and not captures
    if captures and layer != NO_LAYER and col:
        row = True  # the kernel of the forward passes before, after which column copies were kept
    stamp = _stamp(w, number)
    known = _entries.get(layer) if keeps else None
    copies = known.copies if known is not None and known.stamp == stamp else Copies(None, None)
    wanted = row, col
    missing = [spec if want and copy is None else None for spec, want, copy in zip(specs, wanted, copies)]
    if any(missing):
        made = products.quantized(readable(w), *missing, noise, "w")
        copies = Copies(*(old if old is not None else new for old, new in zip(copies, made)))
        if keeps:
            _entries[layer] = _Entry(stamp, copies)
    return copies
