"""The randomized Hadamard transform: which one, with which signs."""

from __future__ import annotations

import hashlib

import numpy as np

from . import _native
from .errors import ArgumentError

SIZES = (16, 32, 64, 128, 256)


class RHT:
    """y = H (s * x) on every n consecutive elements of an axis, H orthonormal.

    A host value: immutable, hashable, equal to another if size and signs are.

    Args:
        n: 16, 32, 64, 128 or 256.
        seed: 64-bit seed of the signs: sign i is -1 if bit i of stream 3 of
            Key(seed) is set (docs/numerics.md, "Random numbers").
        signs: n numbers +1 or -1 instead of a seed; all ones is the plain transform.

    Raises ArgumentError for another size or other signs.
    """

    __slots__ = ("n", "seed", "signs", "digest")

    def __init__(self, n: int, *, seed: int | None = None, signs=None):
        if isinstance(n, bool) or n not in SIZES:
            raise ArgumentError(f"there is no RHT of size {n!r}", instead=", ".join(map(str, SIZES)))
        if signs is not None and seed is not None:
            raise ArgumentError("an RHT takes a seed or signs, not both")
        n = int(n)
        if signs is None:
            seed = 0 if seed is None else _native.seed(seed)
            values = _native.rht_signs(seed, n)
        else:
            values = _signs(signs, n)
        values.flags.writeable = False
        bits = np.packbits(values < 0, bitorder="little")
        digest = hashlib.blake2b(bits.tobytes(), digest_size=8, person=f"rht{n}".encode()).digest()
        for name, value in (("n", n), ("seed", seed), ("signs", values), ("digest", int.from_bytes(digest, "little"))):
            object.__setattr__(self, name, value)

    def __setattr__(self, name, value):
        raise AttributeError("an RHT does not change; make another")

    def __reduce__(self):
        return _rebuild, (self.n, np.array(self.signs))

    def __eq__(self, other) -> bool:
        return isinstance(other, RHT) and self.n == other.n and self.digest == other.digest

    def __hash__(self) -> int:
        return hash((self.n, self.digest))

    def __repr__(self) -> str:
        return f"qd.RHT({self.n}, " + (f"seed={self.seed})" if self.seed is not None else f"signs={self.sign_bits})")

    @property
    def sign_bits(self) -> str:
        """n characters, 1 where the sign is -1."""
        return "".join("1" if s < 0 else "0" for s in self.signs)

    @classmethod
    def from_sign_bits(cls, bits: str) -> RHT:
        """The inverse of `sign_bits`."""
        return cls(len(bits), signs=[-1.0 if b == "1" else 1.0 for b in bits])


def _rebuild(n, signs):
    return RHT(n, signs=signs)


def _signs(signs, n: int) -> np.ndarray:
    """The user's signs as n f32 values, checked."""
    try:
        values = np.array(signs, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"the signs are not numbers: {error}") from None
    if values.shape != (n,):
        raise ArgumentError(
            f"RHT({n}) got signs of shape {values.shape}", instead=f"{n} signs; they repeat along the axis"
        )
    if not np.all(np.abs(values) == 1):
        bad = int(np.flatnonzero(np.abs(values) != 1)[0])
        raise ArgumentError(f"sign {bad} is {values[bad]}", instead="+1 or -1")
    return values
