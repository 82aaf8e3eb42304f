"""Quadrille in PyTorch: a linear layer that trains with 4-bit products.

    import quadrille as qd
    qd.torch.convert(model, qd.recipes.UFP4_B, skip=["lm_head"])

Forward and backward then quantize both operands of each of a linear layer's three products as the
recipe says (docs/torch.md). Needs PyTorch 2.11 or later.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError("quadrille.torch needs PyTorch: pip install torch") from error

from . import tree  # noqa: F401  QTensor is a pytree from now on
from .functional import linear
from .modules import Linear, convert
from .watching import Watcher, watch

__all__ = ["Linear", "Watcher", "convert", "linear", "watch"]
