"""Quadrille: a JIT kernel compiler for 4-bit number formats.

    import quadrille as qd
    rht = qd.RHT(16, seed=0)

    @qd.jit
    def linear(x, w):
        return qd.matmul(qd.quantize(x, qd.UFP4, rht=rht), qd.quantize(w, qd.UFP4, rht=rht).T, dtype=qd.bf16)

    y = linear(x, w)
    print(linear.explain(x, w))

Every named format is an attribute of the package: qd.UFP4, qd.NVFP4, ..
"""

from . import _core, recipes
from ._native import NUMERICS_VERSION
from .carrier import Carrier
from .dtypes import bf16, f16, f32
from .errors import (
    ArgumentError,
    CompileError,
    DeviceError,
    Diagnostic,
    DTypeError,
    FileError,
    Location,
    QuadrilleError,
    ShapeError,
    TraceError,
    UnsupportedError,
)
from .files import load, save
from .flags import Flags
from .formats import NAMED as formats
from .formats import Format, Level, format, level
from .functions import ceil, erf, exp, floor, gelu, maximum, minimum, relu, sigmoid, silu, sqrt, tanh
from .grids import Grid, e1m2, e2m1, grid, int4
from .interop import from_scaled_mm, from_te, from_torchao
from .jit import JitFunction, jit
from .metrics import Metrics, metrics, shrinkage, sqnr
from .ops import amax, dequantize, hadamard, matmul, prepare, quantize, quantize_pair, to_carrier, to_scale_layout
from .prepared import Prepared
from .recipes import Recipe, Spec
from .report import Report
from .rht import RHT
from .rounding import Key, Rounding, nearest_away, nearest_even, stochastic, toward_zero
from .scale_rules import round_to_grid, round_to_scale, scale_rule, where
from .scopes import scope
from .specs import spec
from .targets import Answer, is_supported, targets
from .tensor import QTensor, bit_identical
from .tune import TuningReport, tune

__version__ = _core.VERSION

globals().update(formats)


def __getattr__(name: str):
    """qd.torch, imported when it is first asked for."""
    if name == "torch":
        import importlib

        return importlib.import_module(".torch", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [name for name in globals() if not name.startswith("_")]
