"""Roundings, and the keys of stochastic ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import _native
from .errors import ArgumentError

BITS = (4, 8, 16)
ROUNDS = (7, 10)


class Key:
    """Where random bits come from: a seed, a counter of steps and a path of folds.

    The 64-bit value is derive(seed) while the counter is 0 and fold_in(derive(seed), counter)
    after; each `fold_in(i)` folds one more integer (docs/numerics.md, "Random numbers").
    Using a key twice gives the same bits twice: nothing advances it but you.

    Args:
        seed: 64 bits, taken modulo 2^64.
        step: the counter to read: an integer, or a NumPy int64 array of one element that
            is read at every use, so that you can advance it in place.
    """

    __slots__ = ("_base", "_step", "folds", "parent", "seed")

    def __init__(self, seed: int, *, step=None):
        self.seed = _native.seed(seed)
        self._base = _native.derive_key(self.seed)
        self._step = _counter(step)
        self.folds: tuple[int, ...] = ()
        self.parent: Key | None = None  # the key that fold_in made this one of

    def fold_in(self, *ints: int) -> Key:
        """A key of its own for each tuple of integers (layer, microbatch, ..).

        It follows this key's counter.
        """
        key = self
        for i in ints:
            child = Key.__new__(Key)
            child.seed, child._base, child._step = key.seed, key._base, key._step
            child.folds, child.parent = key.folds + (_native.seed(i),), key
            key = child
        return key

    def advance_(self) -> Key:
        """Advances the counter by one, for this key and all made from it; returns self."""
        self._step += 1
        return self

    @property
    def value(self) -> int:
        """The 64-bit value now."""
        value, step = self._base, int(self._step.flat[0])
        if step:
            value = _native.fold_in(value, step)
        for i in self.folds:
            value = _native.fold_in(value, i)
        return value

    def __repr__(self) -> str:
        folds = "".join(f".fold_in({i})" for i in self.folds)
        return f"qd.Key({self.seed}, step={int(self._step.flat[0])}){folds}"


def _counter(step) -> np.ndarray:
    if isinstance(step, np.ndarray):
        if step.dtype != np.int64 or step.size != 1:
            raise ArgumentError(f"step is {step.dtype}{list(step.shape)}", instead="an int64 array of one element")
        return step
    return np.array([0 if step is None else int(step)], dtype=np.int64)


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
