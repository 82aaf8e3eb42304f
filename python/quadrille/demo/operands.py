"""Operands of the four linears of a trained language model's block.

One training step of block 8 of a 12-layer byte-level GPT (85 M parameters, GELU MLP, RMSNorm) that was trained on
Linux kernel sources: x (tokens x in), w (out x in), dy (tokens x out), bfloat16.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import ml_dtypes
import numpy as np

from ..errors import ArgumentError

NAMES = ("qkv", "proj", "fc1", "fc2")
SAMPLE = "sample.npz"


@dataclass(frozen=True)
class Linear:
    """A linear layer's operands: y = x w^T and its gradient dy."""

    name: str
    x: np.ndarray
    w: np.ndarray
    dy: np.ndarray


def load(folder: Path | None = None) -> list[Linear]:
    """The linears of `folder` (layer*_NAME.npz), or of the sample in the package.

    Raises ArgumentError if a file is missing.
    """
    if folder is None:
        with resources.files(__package__).joinpath(SAMPLE).open("rb") as file:
            arrays = dict(np.load(file))
        return [_linear(name, {k: arrays[f"{name}.{k}"] for k in ("x", "w", "dy")}) for name in NAMES]
    linears = []
    for name in NAMES:
        found = sorted(Path(folder).glob(f"*_{name}.npz"))
        if not found:
            raise ArgumentError(
                f"{folder} has no *_{name}.npz", instead="a folder with x, w and dy of " + ", ".join(NAMES)
            )
        linears.append(_linear(name, np.load(found[0])))
    return linears


def cut_sample(folder: Path, destination: Path, tokens: int = 128, inputs: int = 512, outputs: int = 128) -> None:
    """Writes the sample that the package carries: the first tokens, inputs and outputs of each linear."""
    sample = {}
    for linear in load(folder):
        sample[f"{linear.name}.x"] = linear.x[:tokens, :inputs]
        sample[f"{linear.name}.w"] = linear.w[:outputs, :inputs]
        sample[f"{linear.name}.dy"] = linear.dy[:tokens, :outputs]
    np.savez_compressed(destination, **{key: np.ascontiguousarray(a).view(np.uint16) for key, a in sample.items()})


def _linear(name: str, arrays) -> Linear:
    """A linear from bfloat16 bit patterns."""
    return Linear(name, *(np.ascontiguousarray(arrays[key]).view(ml_dtypes.bfloat16) for key in ("x", "w", "dy")))


if __name__ == "__main__":
    import sys

    cut_sample(Path(sys.argv[1]), Path(__file__).with_name(SAMPLE))
