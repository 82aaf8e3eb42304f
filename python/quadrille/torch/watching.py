"""watch: how well the operands of a model's quantized layers stand for the originals, while it trains.

Numbers are gathered on the operands' device and read when a report is asked for, so that watching
does not wait for a GPU.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch

from .. import figures, ops
from ..errors import ArgumentError
from ..recipes import Spec
from ..rounding import Key
from . import products
from .modules import Linear

#: What is summed of each operand: of elements a (after the transform) and q, what they became.
SUMS = ("a*a", "a*q", "(q-a)^2", "elements", "clipped", "blocks", "flagged")
METRICS = ("sqnr", "shrinkage", "bucket_ratio", "clipped", "flagged")


class _Operand:
    """Sums of one operand of one layer, on its device."""

    def __init__(self, spec: Spec, device):
        self.spec = spec
        grid = spec.format.grids[0]
        self.values = torch.tensor(list(grid.values), dtype=torch.float32, device=device)
        self.levels = sorted({abs(v) for v in grid.values})
        self.sums = torch.zeros(len(SUMS), dtype=torch.float64, device=device)
        self.codes = torch.zeros(16, dtype=torch.int64, device=device)

    @torch.no_grad()
    def add(self, x: torch.Tensor, key: Key) -> None:
        spec = self.spec.replace(key=key)
        if spec.rht is not None or x.shape[1] % spec.format.block:
            x = _padded(x, max(spec.format.block, spec.rht.n if spec.rht else 1))
        q = ops.quantize(x, spec)
        values = ops.dequantize(q)
        a = x.float() if spec.rht is None else ops.hadamard(x, spec.rht)
        nibbles = torch.stack([q.codes & 15, q.codes >> 4], dim=-1).flatten()
        self.codes += torch.bincount(nibbles.int(), minlength=16)
        largest = self.values.abs().max()
        is_top = (self.values[nibbles.int()].abs() == largest).view(values.shape)
        clipped = is_top & (a.abs() > values.abs() * (1 + 2.0**-20))
        flagged = ~torch.isfinite(values).view(values.shape[0], -1, spec.format.block).all(-1)
        numbers = (a * a).sum(), (a * values).sum(), (values - a).square().sum(), x.numel(), clipped.sum()
        numbers += flagged.numel(), flagged.sum()
        self.sums += torch.stack([torch.as_tensor(n, dtype=torch.float64, device=x.device) for n in numbers])

    def metrics(self) -> dict[str, float]:
        sums = dict(zip(SUMS, self.sums.tolist()))
        counts = {}
        for value, count in zip(self.values.abs().tolist(), self.codes.tolist()):
            counts[value] = counts.get(value, 0) + count
        total = sum(counts.values()) or 1
        entropy = -sum(c / total * math.log(c / total) for c in counts.values() if c)
        noise, signal = sums["(q-a)^2"], sums["a*a"]
        return {
            "sqnr": 10 * math.log10(signal / noise) if noise > 0 and signal > 0 else math.inf,
            "shrinkage": sums["a*q"] / signal - 1 if signal else 0.0,
            "bucket_ratio": math.exp(entropy) / len(self.levels),
            "clipped": sums["clipped"] / (sums["elements"] or 1),
            "flagged": sums["flagged"] / (sums["blocks"] or 1),
        }


def _padded(x: torch.Tensor, multiple: int) -> torch.Tensor:
    return torch.nn.functional.pad(x, (0, -x.shape[1] % multiple))


class Watcher:
    """What :func:`watch` gives. Use `report()`, `save(path)` and `close()`; also a context manager.

    Attributes:
        model: that is watched.
        every: of so many calls of a layer one is looked at.
    """

    def __init__(self, model: torch.nn.Module, every: int):
        self.model, self.every = model, every
        self._operands: dict[tuple[str, str], _Operand] = {}
        self._calls: dict[str, int] = {}
        self._hooks = []
        for name, layer in model.named_modules():
            if isinstance(layer, Linear):
                name = name or "(model)"
                self._hooks.append(layer.register_forward_hook(self._forward(name)))
                self._hooks.append(layer.register_full_backward_pre_hook(self._backward(name)))
        if not self._hooks:
            raise ArgumentError("watch found no quadrille.torch.Linear", instead="qd.torch.convert(model, recipe) first")

    def _forward(self, name: str):
        def hook(layer, inputs, _):
            count = self._calls[name] = self._calls.get(name, 0) + 1
            if (count - 1) % self.every == 0:
                self._look(name, layer, {"x": inputs[0], "w": layer.weight})

        return hook

    def _backward(self, name: str):
        def hook(layer, outputs):
            if (self._calls.get(name, 1) - 1) % self.every == 0 and outputs[0] is not None:
                self._look(name, layer, {"dy": outputs[0]})

        return hook

    def _look(self, name: str, layer: Linear, operands: dict[str, torch.Tensor]) -> None:
        recipe = products.recipe_of(layer._recipe_number)
        for operand, tensor in operands.items():
            spec = products.specs_of(recipe, operand)[0]
            if spec is None:
                continue
            matrix = tensor.detach().reshape(-1, tensor.shape[-1]).contiguous()
            if (name, operand) not in self._operands:
                self._operands[name, operand] = _Operand(spec, matrix.device)
            self._operands[name, operand].add(matrix, Key(layer.seed, step=layer.step).fold_in(layer.number))

    def report(self) -> dict[str, dict[str, dict[str, float]]]:
        """{layer: {"x", "w" or "dy": metrics}} so far; waits for the device.

        sqnr (dB), shrinkage (projection minus one), bucket_ratio (exp(entropy) / number of magnitudes),
        clipped (share of elements beyond the largest code), flagged (share of blocks with NaN or Inf); of
        row copies.
        """
        result: dict[str, dict[str, dict[str, float]]] = {}
        for (layer, operand), sums in self._operands.items():
            result.setdefault(layer, {})[operand] = sums.metrics()
        return result

    def worst(self, metric: str = "sqnr", count: int = 5) -> list[tuple[str, str, float]]:
        """(layer, operand, value) of the worst: the lowest sqnr, bucket_ratio or shrinkage, the highest of others."""
        if metric not in METRICS:
            raise ArgumentError(f"{metric!r} is not watched", instead=", ".join(METRICS))
        rows = [(layer, name, of[metric]) for layer, names in self.report().items() for name, of in names.items()]
        return sorted(rows, key=lambda row: row[2], reverse=metric in ("clipped", "flagged"))[:count]

    def save(self, path) -> None:
        """Writes the report: a page with figures (.html) or numbers (.json). ArgumentError for other names."""
        path = Path(path)
        if path.suffix == ".json":
            path.write_text(json.dumps(self.report(), indent=1))
        elif path.suffix == ".html":
            path.write_text(self._page())
        else:
            raise ArgumentError(f"{path.name} is neither .html nor .json")

    def _page(self) -> str:
        report = self.report()
        rows = [
            [layer, operand, f"{m['sqnr']:.2f}", *(f"{m[k]:.4g}" for k in METRICS[1:])]
            for layer, operands in report.items()
            for operand, m in operands.items()
        ]
        layers, parts = list(report), [figures.table(["layer", "operand", *METRICS], rows)]
        for metric in METRICS[:3]:
            series = {
                operand: [report[layer].get(operand, {}).get(metric, 0.0) for layer in layers]
                for operand in ("x", "w", "dy")
            }
            finite = {k: [v if math.isfinite(v) else 0.0 for v in of] for k, of in series.items()}
            parts.append(figures.bars(metric, layers, finite, width=max(640, 70 * len(layers))))
        return figures.page("Quantized operands", parts)

    def to_tensorboard(self, writer, step: int) -> None:
        """Adds the report to a torch.utils.tensorboard.SummaryWriter, as quadrille/<metric>/<layer>.<operand>."""
        for layer, operands in self.report().items():
            for operand, numbers in operands.items():
                for metric, value in numbers.items():
                    writer.add_scalar(f"quadrille/{metric}/{layer}.{operand}", value, step)

    def close(self) -> None:
        """Stops looking; reports stay."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def watch(model: torch.nn.Module, *, every: int = 1) -> Watcher:
    """Looks at the operands of a converted model's layers in every so many steps, until `close()`.

    Costs a quantization and some passes over each operand that is looked at. Not for models within
    torch.compile, which does not call hooks that were added later. ArgumentError if the model has no
    quadrille.torch.Linear.
    """
    if every < 1:
        raise ArgumentError(f"every={every}", instead="1 or more")
    return Watcher(model, every)
