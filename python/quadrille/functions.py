"""Elementwise functions, of arrays (eager or traced) and of the values of a scale rule."""

from __future__ import annotations

from .arithmetic import apply
from .errors import ArgumentError
from .ops import eager
from .scale_rules import RuleValue, emit


def _elementwise(name: str, arity: int, doc: str, in_rules: bool):
    """The public function of an operation of the table."""
    if arity == 1:

        def operation(x):
            return apply(name, x)

    else:

        def operation(a, b):
            return apply(name, a, b)

    operation.__name__ = operation.__qualname__ = name
    operation.__doc__ = doc
    on_arrays = eager(operation)
    if not in_rules:
        return on_arrays

    def function(*values):
        if any(isinstance(value, RuleValue) for value in values):
            return emit(name, *values)
        return on_arrays(*values)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc + " Also inside a scale rule."
    return function


_ARRAYS = """

    Args: arrays of f32, bf16 or f16 (a vector counts as a row), or numbers; axes of length 1
    repeat. The result has their common type, f32 if they differ; computed in f32, rounded once.
    Raises ShapeError, DTypeError. Source: docs/numerics.md, "Elementwise code".
    """


def _simple(name: str, arity: int, summary: str, in_rules: bool = True):
    return _elementwise(name, arity, summary + _ARRAYS, in_rules)


maximum = _simple("maximum", 2, "The larger of two values, NaN if one is; -0 < +0.")
minimum = _simple("minimum", 2, "The smaller of two values, NaN if one is; -0 < +0.")
sqrt = _simple("sqrt", 1, "The square root.")
floor = _simple("floor", 1, "The largest integer not above.")
ceil = _simple("ceil", 1, "The smallest integer not below.")
exp = _simple("exp", 1, "e^x, within 1 unit in the last place of f32.", in_rules=False)
tanh = _simple("tanh", 1, "The hyperbolic tangent, within 2 units in the last place of f32.", in_rules=False)
erf = _simple("erf", 1, "The error function, within 3 units in the last place of f32.", in_rules=False)
sigmoid = _simple("sigmoid", 1, "1 / (1 + e^-x), within 3 units in the last place of f32.", in_rules=False)
silu = _simple("silu", 1, "x sigmoid(x).", in_rules=False)


@eager
def relu(x):
    """The larger of x and 0; NaN stays. See :func:`maximum`."""
    return apply("maximum", x, 0.0)


@eager
def gelu(x, approximate: str = "none"):
    """x times the normal distribution function: by erf, or with approximate="tanh" by x sigmoid(2 u),
    u = sqrt(2 / pi) (x + 0.044715 x^3).

    Args and result as :func:`maximum`; ArgumentError for another approximation.
    """
    names = {"none": "gelu", "tanh": "gelu_tanh"}
    if approximate not in names:
        raise ArgumentError(f"approximate={approximate!r}", instead='"none" or "tanh"')
    return apply(names[approximate], x)
