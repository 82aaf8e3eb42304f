"""Specs (how one operand is quantized) and recipes (all six of a linear layer)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from .errors import ArgumentError
from .formats import NAMED, Format, lookup
from .rht import RHT
from .rounding import Rounding, nearest_even, stochastic


@dataclass(frozen=True)
class Spec:
    """How an operand is quantized: format, transform, rounding."""

    format: Format
    rht: RHT | None = None
    rounding: Rounding = nearest_even

    def __post_init__(self):
        object.__setattr__(self, "format", lookup(self.format))
        if self.rht is not None and not isinstance(self.rht, RHT):
            raise ArgumentError(f"rht is {self.rht!r}", instead="qd.RHT(16, seed=0) or None")
        if not isinstance(self.rounding, Rounding):
            raise ArgumentError(
                f"rounding is {self.rounding!r}",
                instead="qd.nearest_even, qd.nearest_away, qd.toward_zero or qd.stochastic(key)",
            )

    def replace(self, **fields) -> Spec:
        """A copy with other fields; `key=` sets the key of a stochastic rounding."""
        if "key" in fields:
            key = fields.pop("key")
            if self.rounding.is_stochastic:
                fields["rounding"] = stochastic(key, bits=self.rounding.bits, rounds=self.rounding.rounds)
        return dataclasses.replace(self, **fields)


Pair = tuple[Spec, Spec]
_KEEP = object()


@dataclass(frozen=True)
class Recipe:
    """The specs of a linear layer's three products, y = x w^T; None: a product that is not quantized.

    fprop: (X, W) of y = x w^T; dgrad: (dY, W) of dx = dy w; wgrad: (dY, X) of dw = dy^T x.
    """

    fprop: Pair | None
    dgrad: Pair | None
    wgrad: Pair | None

    def replace(self, *, fprop=_KEEP, dgrad=_KEEP, wgrad=_KEEP, **fields) -> Recipe:
        """A copy with other pairs, or with fields of every spec replaced.

        `recipe.replace(key=qd.Key(0))` gives the stochastic roundings their key,
        `recipe.replace(rht=None)` drops all transforms, `recipe.replace(wgrad=None)` leaves that
        product unquantized.
        """
        pairs = {"fprop": fprop, "dgrad": dgrad, "wgrad": wgrad}
        pairs = {name: getattr(self, name) if pair is _KEEP else pair for name, pair in pairs.items()}
        return Recipe(**{name: pair and tuple(s.replace(**fields) for s in pair) for name, pair in pairs.items()})


def _recipe(fmt: str, *, rht: int | None, scope=("fprop", "dgrad", "wgrad"), weights: str = "", noise: bool = True):
    """A recipe of one format: RHT of one size in the products of `scope`, noise on dY."""

    def spec(product: str, operand: str) -> Spec:
        rotated = rht if product in scope else None
        name = weights if weights and operand == "w" else fmt
        return Spec(
            NAMED[name],
            RHT(rotated, seed=0) if rotated else None,
            stochastic() if noise and operand == "dy" else nearest_even,
        )

    operands = {"fprop": ("x", "w"), "dgrad": ("dy", "w"), "wgrad": ("dy", "x")}
    return Recipe(**{product: tuple(spec(product, o) for o in pair) for product, pair in operands.items()})


#: The uniform-grid recipe: RHT on both operands of all products, noise on dY (arXiv 2606.20381, table 1).
UFP4 = _recipe("UFP4", rht=16)
#: The same with scales that are exact in bfloat16.
UFP4_B = _recipe("UFP4_B", rht=16)
#: The same with MX blocks.
MXUF4 = _recipe("MXUF4", rht=32)
#: That paper's E2M1 baseline: RHT in wgrad alone.
E2M1_REF = _recipe("E2M1_REF", rht=16, scope=("wgrad",))
#: NVIDIA's pretraining recipe: 16x16 blocks for weights, RHT in wgrad alone (arXiv 2509.25149).
NVFP4 = _recipe("NVFP4", rht=16, scope=("wgrad",), weights="NVFP4_16x16")
#: OCP MXFP4 with RHT in wgrad alone.
MXFP4 = _recipe("MXFP4", rht=32, scope=("wgrad",))
#: HiFloat4: RHT of 64 everywhere, no noise, which hurts it (arXiv 2602.11287).
HIF4 = _recipe("HIF4", rht=64, noise=False)

#: No product quantized; of no format, so not among the named ones.
BF16 = Recipe(None, None, None)

BY_NAME = {
    "UFP4": UFP4,
    "UFP4_B": UFP4_B,
    "MXUF4": MXUF4,
    "E2M1_REF": E2M1_REF,
    "NVFP4": NVFP4,
    "MXFP4": MXFP4,
    "HIF4": HIF4,
}
