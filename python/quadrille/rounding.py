"""Roundings, and the keys of stochastic ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from . import _native, arrays
from .errors import ArgumentError

BITS = (4, 8, 16)
ROUNDS = (7, 10)


class Key:
    """Where random bits come from: a seed, a counter of steps and a path of folds.

    The 64-bit value is derive(seed), into which each `fold_in(i)` folds an integer, plus the
    counter (docs/numerics.md, "Random numbers"). Using a key twice gives the same bits twice:
    nothing advances it but you.

    Args:
        seed: 64 bits, taken modulo 2^64.
        step: the counter to read: an integer, or an int64 array of one element that is read
            at every use, so that you can advance it in place. On a GPU the kernels read it:
            a captured graph draws anew at each replay that advances it.
    """

    __slots__ = ("base", "step", "folds", "parent", "seed")

    def __init__(self, seed: int, *, step=None):
        self.seed = _native.seed(seed)
        self.base: int = _native.derive_key(self.seed)  # the value without the counter
        self.step = _counter(step)
        self.folds: tuple[int, ...] = ()
        self.parent: Key | None = None  # the key that fold_in made this one of

    def fold_in(self, *ints: int) -> Key:
        """A key of its own for each tuple of integers (layer, microbatch, ..).

        It follows this key's counter.
        """
        key = self
        for i in ints:
            child = Key.__new__(Key)
            child.seed, child.base, child.step = key.seed, _native.fold_in(key.base, _native.seed(i)), key.step
            child.folds, child.parent = key.folds + (_native.seed(i),), key
            key = child
        return key

    def advance_(self) -> Key:
        """Advances the counter by one, for this key and all made from it; returns self.

        A counter on a GPU is advanced there, in the order of its framework's current stream.
        """
        if not hasattr(self.step, "__iadd__"):
            kind = type(self.step).__name__
            raise ArgumentError(f"step is a {kind}, which does not change", instead="an array that does")
        self.step += 1
        return self

    @property
    def on_device(self) -> bool:
        """Whether the counter is in a GPU's memory."""
        return not isinstance(self.step, np.ndarray)

    @property
    def value(self) -> int:
        """The 64-bit value now; waits for a counter on a GPU."""
        return (self.base + int(arrays.to_host(self.step).flat[0])) % 2**64

    def on_host(self) -> Key:
        """A key of the same value whose counter is in host memory, a copy if it was not."""
        if not self.on_device:
            return self
        key = Key.__new__(Key)
        key.seed, key.base, key.folds, key.parent = self.seed, self.base, self.folds, self.parent
        key.step = np.array(arrays.to_host(self.step)).reshape(1)
        return key

    def __repr__(self) -> str:
        folds = "".join(f".fold_in({i})" for i in self.folds)
        step = f"<on {arrays.device_of(self.step)}>" if self.on_device else int(self.step.flat[0])
        return f"qd.Key({self.seed}, step={step}){folds}"


def _counter(step):
    """The array that holds the counter: NumPy's, or one on a GPU as it is."""
    if not arrays.is_array(step):
        return np.array([0 if step is None else int(step)], dtype=np.int64)
    view = arrays.view(step, "step")
    if view.dtype != np.int64 or math.prod(view.shape) != 1:
        raise ArgumentError(f"step is {view.dtype}{list(view.shape)}", instead="an int64 array of one element")
    return view if isinstance(view, np.ndarray) else step


@dataclass(frozen=True)
class Rounding:
    """How a value between two codes is rounded. Compared by value, keys by identity."""

    kind: str
    bits: int = 0
    rounds: int = 0
    key: Key | None = None

    @property
    def is_stochastic(self) -> bool:
        return self.kind == "stochastic"

    @property
    def text(self) -> str:
        """As metadata and reports write it."""
        return f"stochastic<bits={self.bits}, rounds={self.rounds}>" if self.is_stochastic else self.kind

    def __repr__(self) -> str:
        if not self.is_stochastic:
            return f"qd.{self.kind}"
        return f"qd.stochastic({self.key!r}, bits={self.bits}, rounds={self.rounds})"


nearest_even = Rounding("nearest_even")
nearest_away = Rounding("nearest_away")
toward_zero = Rounding("toward_zero")
DETERMINISTIC = {r.kind: r for r in (nearest_even, nearest_away, toward_zero)}


def stochastic(key: Key | None = None, *, bits: int = 8, rounds: int = 7) -> Rounding:
    """Rounds up with the probability of the distance, to 2^-bits.

    Args:
        key: the Key; a recipe may leave it out until it is used (`recipe.replace(key=)`).
        bits: random bits of an element: 4, 8 or 16. Unbiased at multiples of 2^-bits.
        rounds: of Philox4x32: 7 (passes BigCrush) or 10 (the usual margin).

    Raises ArgumentError. Source: docs/numerics.md, "Stochastic rounding".
    """
    if key is not None and not isinstance(key, Key):
        raise ArgumentError(f"{key!r} is not a key", instead="qd.Key(seed)")
    if bits not in BITS:
        raise ArgumentError(f"stochastic rounding with {bits} bits", instead="4, 8 or 16 bits")
    if rounds not in ROUNDS:
        raise ArgumentError(f"Philox of {rounds} rounds", instead="7 or 10 rounds")
    return Rounding("stochastic", bits, rounds, key)
