"""What the tests of this folder need of a machine, and how they compare.

They run on a machine with an NVIDIA GPU, from a build tree or an installed wheel:
`python -m pytest test/gpu` with PyTorch, NumPy, ml_dtypes and pytest. Elsewhere each module is
skipped. QUADRILLE_GPU_FULL=1 runs the whole product of the cases instead of a covering part.
"""

from __future__ import annotations

import os

import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no GPU tests: PyTorch is not installed")
if not torch.cuda.is_available():
    pytest.skip("no GPU tests: PyTorch sees no CUDA GPU on this machine", allow_module_level=True)

import quadrille as qd  # noqa: E402
from cases import KEY, NUMPY, ROUNDINGS, SIZES, assert_same, hostile, normal, numbers, on_host  # noqa: E402, F401

FULL = os.environ.get("QUADRILLE_GPU_FULL", "0") not in ("", "0")
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def to_gpu(x: np.ndarray, device="cuda"):
    """A tensor with the bits of x."""
    if x.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(x.view(np.int16)).view(torch.bfloat16).to(device)
    return torch.from_numpy(x).to(device)


def check(function, *args) -> None:
    """A jitted function gives on the GPU what the reference gives."""
    got, wanted = function(*args), function.reference(*args)
    if not isinstance(wanted, (qd.QTensor, tuple)):
        got, wanted = numbers(got), numbers(wanted)
    assert_same(got, wanted, function.__name__)
