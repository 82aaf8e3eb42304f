"""Parts of quantized tensors, as tensors of their own."""

from __future__ import annotations

import numpy as np
import quadrille as qd


def _own(array):
    return array.contiguous() if hasattr(array, "contiguous") else np.ascontiguousarray(array)


def part(q, other, stored, length):
    """The QTensor of some rows across the quantized axis and stored positions along it."""
    (r0, r1), (s0, s1) = other, stored
    scales = []
    for level, scale in zip(q.format.levels, q.scales):
        if not level.is_tensor:
            per = level.cols * (8 if level.dtype == "e1" else 1)
            scale = _own(scale[r0:r1, s0 // per : -(-s1 // per)])
        scales.append(scale)
    shape = (r1 - r0, length) if q.axis == 1 else (length, r1 - r0)
    codes = _own(q.codes[r0:r1, s0 // 2 : s1 // 2])
    return qd.QTensor(codes, scales, q.format, shape, axis=q.axis, rht=q.rht, stored=s1 - s0)


def stored_groups(q):
    """The stored positions of each group of a tensor, as a tensor whose length has the padding too."""
    ends = [int(end) for end in q.padded_offsets()]
    across = (0, q.shape[1 - q.axis])
    return [part(q, across, (begin, end), end - begin) for begin, end in zip(ends, ends[1:])]
