"""Shrinkage bias of grids on given matrices: the analysis of arXiv 2606.20381, section 3, as numbers.

Every matrix is quantized along its rows (or columns) in each format, as it is and after an RHT. Of each:

    bins    for each magnitude g of the grid: how many elements round to it, and the mean of g - t over
            them, t = |a| / scale; beside it what a locally uniform density gives (Eq. 2)
    bias    the mean of rho(t) - t over all elements: negative if rounding shrinks
    alpha   <Q(A), A> / |A|^2 (Eq. 3)
    buckets exp(entropy of the magnitudes) / their number (Eq. 6)
    dSQNR   what the transform gains, 10 log10(NMSE without / NMSE with), dB (Eq. 7)

and for each format the product of alphas over all matrices, which is what is left of a signal that
passes all of them (Eq. 5).
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

from . import figures, ops
from .errors import ArgumentError
from .formats import NAMED, Format, lookup
from .grids import Grid
from .metrics import elements, metrics
from .rht import RHT


@dataclass(frozen=True)
class Bin:
    """Elements that round to one magnitude of a grid: their share, the mean of level - t, and Eq. 2's."""

    level: float
    share: float
    measured: float
    expected: float | None


@dataclass(frozen=True)
class Analysis:
    """One matrix in one format; see :mod:`quadrille.bias`."""

    matrix: str
    format: str
    rht: int | None
    bias: float
    alpha: float
    bucket_ratio: float
    sqnr: float
    bins: tuple[Bin, ...]


def expected_error(grid: Grid | Sequence[float]) -> dict[float, float | None]:
    """E[rho(t) - t] in the bin of each magnitude for a locally uniform density (Eq. 2).

    (2 q_i - q_(i-1) - q_(i+1)) / 4 of inner levels; None of zero and of the largest, whose bins end at
    zero and at the largest element of a block.
    """
    values = grid.values if isinstance(grid, Grid) else grid
    levels = sorted({abs(float(v)) for v in values})
    inner = {q: (2 * q - low - high) / 4 for low, q, high in zip(levels, levels[1:], levels[2:])}
    return {level: inner.get(level) for level in levels}


def analyse(x, fmt: Format | str, *, rht: RHT | None = None, axis: int = 1, name: str = "x") -> Analysis:
    """One matrix (f32, bf16 or f16) in one format, quantized along `axis`, extended with zeros to whole blocks.

    Raises as `quantize`.
    """
    fmt = lookup(fmt)
    q = ops.quantize(x, fmt, rht=rht, axis=axis, pad=True)
    of, all_of = elements(x, q), metrics(x, q)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(of.scales > 0, np.abs(of.rotated) / of.scales, 0.0)
    error = of.magnitudes - t
    bins = []
    for number, grid in enumerate(fmt.grids):
        for level, expected in expected_error(grid).items():
            here = (of.magnitudes == level) & (of.grid == number)
            measured = float(error[here].mean()) if here.any() else 0.0
            bins.append(Bin(level, float(here.mean()), measured, expected))
    bias = float(error.mean()) if error.size else 0.0
    facts = all_of.shrinkage + 1, all_of.bucket_ratio, all_of.sqnr
    return Analysis(name, fmt.name, rht and rht.n, bias, *facts, tuple(bins))


@dataclass(frozen=True)
class Report:
    """Analyses of matrices, in pairs: without and with a transform (None for a format that takes none)."""

    pairs: tuple[tuple[Analysis, Analysis | None], ...]

    def depth(self) -> dict[str, tuple[float, float | None]]:
        """For each format the product of alphas over the matrices, without and with the transform (Eq. 5)."""
        result = {}
        for name in dict.fromkeys(plain.format for plain, _ in self.pairs):
            of = [pair for pair in self.pairs if pair[0].format == name]
            rotated = [pair[1].alpha for pair in of if pair[1]]
            whole = float(np.prod(rotated)) if len(rotated) == len(of) else None
            result[name] = float(np.prod([plain.alpha for plain, _ in of])), whole
        return result

    def gain(self, pair) -> float | None:
        """dSQNR of a pair, dB."""
        return pair[1].sqnr - pair[0].sqnr if pair[1] else None

    def as_dict(self) -> dict:
        rows = [{"plain": asdict(a), "rotated": b and asdict(b), "dsqnr": self.gain((a, b))} for a, b in self.pairs]
        return {"matrices": rows, "depth": {k: {"plain": a, "rotated": b} for k, (a, b) in self.depth().items()}}

    def _rows(self) -> tuple[list[str], list[list[str]]]:
        header = ["matrix", "format", "bias", "with RHT", "alpha - 1", "with RHT", "buckets", "with RHT"]
        header += ["SQNR", "dSQNR"]
        rows = []
        for pair in self.pairs:
            plain, rotated = pair
            cells = [plain.matrix, plain.format]
            for form, of in (("{:+.4f}", "bias"), ("{:+.3%}", "alpha"), ("{:.3f}", "bucket_ratio")):
                for analysis in pair:
                    shown = getattr(analysis, of) - (of == "alpha") if analysis else None
                    cells.append("-" if shown is None else form.format(shown))
            gain = self.gain(pair)
            rows.append([*cells, f"{plain.sqnr:.2f}", "-" if gain is None else f"{gain:+.2f}"])
        return header, rows

    def _depth_rows(self) -> tuple[list[str], list[list[str]]]:
        shown = lambda v: "-" if v is None else f"{v:.4f}"  # noqa: E731
        rows = [[name, shown(plain), shown(rotated)] for name, (plain, rotated) in self.depth().items()]
        return ["format", "product of alphas", "with RHT"], rows

    def text(self) -> str:
        return "\n".join([*figures.text_table(*self._rows()), "", *figures.text_table(*self._depth_rows())])

    def html(self) -> str:
        """A page with the tables, and for each matrix and format the bins: measured, and Eq. 2."""
        parts = [figures.table(*self._rows()), "<h2>Over the depth</h2>", figures.table(*self._depth_rows())]
        for plain, rotated in self.pairs:
            labels = [f"{b.level:g}" for b in plain.bins]
            errors = {"measured": [b.measured for b in plain.bins]}
            shares = {"share": [b.share for b in plain.bins]}
            if rotated:
                errors["with RHT"] = [b.measured for b in rotated.bins]
                shares["with RHT"] = [b.share for b in rotated.bins]
            errors["Eq. 2"] = [b.expected or 0.0 for b in plain.bins]
            parts.append(f"<h2>{plain.matrix} in {plain.format}</h2>")
            parts.append(figures.bars("mean of level - t", labels, errors) + figures.bars("elements", labels, shares))
        return figures.page("Shrinkage bias", parts)


def report(matrices: dict[str, np.ndarray], formats: Iterable[str] = (), *, rht: int = 16, axis: int = 1) -> Report:
    """Analyses of all matrices in all formats (default: every named one).

    The transform has size `rht`, or a block's length if that is more; formats of square blocks have none.
    """
    pairs = []
    for name, x in matrices.items():
        for fmt in map(lookup, formats or NAMED):
            size = max(rht, fmt.block)
            transform = RHT(size, seed=0) if fmt.block_rows == 1 else None
            plain = analyse(x, fmt, axis=axis, name=name)
            pairs.append((plain, transform and analyse(x, fmt, rht=transform, axis=axis, name=name)))
    return Report(tuple(pairs))


# Where matrices come from.


def load(path: str) -> dict[str, np.ndarray]:
    """Matrices of a .npy file, or of a .npz: all, or the one that `file.npz:member` names.

    Bits of bfloat16 may be in uint16. ArgumentError if there is none.
    """
    file, _, member = path.partition(":")
    if not Path(file).is_file():
        raise ArgumentError(f"there is no file {file}")
    loaded = np.load(file, allow_pickle=False)
    arrays = dict(loaded) if hasattr(loaded, "files") else {"": loaded}
    if member:
        if member not in arrays:
            raise ArgumentError(f"{file} has no {member!r}", instead=", ".join(arrays))
        arrays = {member: arrays[member]}
    stem = Path(file).stem
    named = {f"{stem}:{name}" if name else stem: _numbers(array) for name, array in arrays.items() if array.ndim == 2}
    if not named:
        raise ArgumentError(f"{path} has no matrix", instead="an array of rank 2")
    return named


def _numbers(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint16:
        return array.view(ml_dtypes.bfloat16)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def of_model(function: str, rows: int = 4096) -> dict[str, np.ndarray]:
    """x, w and dy of the linear layers of a PyTorch model in one step.

    `function` is module:name of one that returns (model, batch); model(*batch) gives the loss, or
    something whose mean is taken for it. Of x and dy at most `rows` rows are taken.
    """
    module, _, name = function.partition(":")
    try:
        model, batch = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError) as error:
        raise ArgumentError(f"no function {function!r}: {error}", instead="module:function") from None
    from torch import nn

    found, hooks = {}, []

    def keep(what, tensor):
        matrix = tensor.detach().float().reshape(-1, tensor.shape[-1])
        found[what] = matrix[:rows].cpu().numpy()

    for layer, linear in model.named_modules():
        if not isinstance(linear, nn.Linear):
            continue
        hooks.append(linear.register_forward_pre_hook(lambda _, args, layer=layer: keep(f"{layer}.x", args[0])))
        hooks.append(linear.register_full_backward_pre_hook(lambda _, out, layer=layer: keep(f"{layer}.dy", out[0])))
        keep(f"{layer}.w", linear.weight)
    loss = model(*batch)
    loss.float().mean().backward()
    for hook in hooks:
        hook.remove()
    if not found:
        raise ArgumentError(f"the model of {function} has no nn.Linear")
    return found


def add_command(commands) -> None:
    command = commands.add_parser("bias", help="how rounding shrinks given matrices, before and after an RHT")
    command.add_argument("matrices", nargs="*", metavar="FILE", help=".npy, .npz or FILE.npz:MEMBER")
    command.add_argument("--model", metavar="MODULE:FUNCTION", help="of a model: (model, batch) of a function")
    command.add_argument("--formats", nargs="+", default=[], metavar="FORMAT", help="default: every named one")
    command.add_argument("--rht", type=int, default=16, help="the transform's size, at least a block (default 16)")
    command.add_argument("--axis", type=int, default=1, choices=(0, 1), help="that is quantized (default 1)")
    command.add_argument("--json", metavar="PATH", help="write the numbers")
    command.add_argument("--html", metavar="PATH", help="write a page with figures")
    command.set_defaults(run=_run)


def _run(arguments) -> None:
    matrices = {}
    for path in arguments.matrices:
        matrices |= load(path)
    if arguments.model:
        matrices |= of_model(arguments.model)
    if not matrices:
        raise ArgumentError("no matrix is given", instead="files, or --model module:function")
    made = report(matrices, arguments.formats, rht=arguments.rht, axis=arguments.axis)
    print(made.text())
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(made.as_dict(), indent=1))
    if arguments.html:
        Path(arguments.html).write_text(made.html())
