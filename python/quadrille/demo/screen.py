"""The demo's output: one screen of text, the whole table as JSON, a figure."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from statistics import median

from .experiment import PRODUCTS, RUNS, Results
from .operands import Linear

WIDTH, HEIGHT = 80, 24
SHOWN = {"E2M1_REF": "E2M1", "UFP4": "UFP4", "BENT": "a grid of five lines"}
#: Columns of the screen's table after the label: what is measured, and of which product.
LABEL, OPERAND = 20, "x quantized"
COLUMNS = {OPERAND: "fprop", "y = x w^T": "fprop", "dx = dy w": "dgrad", "dw = dy^T x": "wgrad"}
MEASURES = {"SQNR, dB": ("sqnr", 1, "{:.2f}"), "shrinkage, %": ("shrinkage", 100, "{:+.2f}")}


def render(results: Results, linears: list[Linear], folder: Path, drawn: bool) -> str:
    """At most 24 lines of 80 columns."""
    fc2 = linears[-1]
    tokens, inputs = fc2.x.shape
    lines = [f"fc2 of a trained language model, on this CPU: x {tokens} x {inputs}, w {fc2.w.shape[0]} x {inputs}"]
    lines += _table(results, fc2.name)
    lines += _digest_lines(results)
    lines += _wrap(f"Refused, with its reason: {results.refusal}")
    lines += _wrap(_times(results))
    figure = "demo.png" if drawn else "no figure, for matplotlib is missing (pip install 'quadrille[demo]')"
    lines += _wrap(f"All formats, linears, operands, kernels, carriers: {folder}/demo.json, {figure}")
    lines += _wrap("Not run here: NVIDIA and AMD GPUs; `quadrille lower` prints their code.")
    if results.not_run:
        lines.append(textwrap.shorten(f"Not run: {len(results.not_run)} products, such as {results.not_run[0]}", WIDTH))
    return "\n".join(lines)


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_long_words=False)


def _table(results: Results, linear: str) -> list[str]:
    """SQNR and shrinkage of fc2's x and of the three outputs, without and with RHT."""
    lines = ["", " " * LABEL + "".join(f"{name:>15}" for name in COLUMNS)]
    for title, (key, factor, form) in MEASURES.items():
        lines.append(f"{title:<{LABEL}}" + f"{'no RHT':>8}{'RHT':>7}" * len(COLUMNS))
        for name, label in SHOWN.items():
            cells = [_value(results, linear, name, column, rotated, key) for column in COLUMNS for rotated in (0, 1)]
            texts = ["-" if value is None else form.format(value * factor) for value in cells]
            lines.append(f"{label:<{LABEL}}" + "".join(f"{a:>8}{b:>7}" for a, b in zip(texts[::2], texts[1::2])))
    return [*lines, ""]


def _value(results: Results, linear: str, fmt: str, column: str, rotated: int, key: str) -> float | None:
    row = results.find(linear, fmt, bool(rotated), COLUMNS[column])
    if row is None:
        return None
    return (row.operands["x"] if column == OPERAND else row.output)[key]


def _digest_lines(results: Results) -> list[str]:
    equal = "equal" if len(set(results.digests.values())) == 1 else "DIFFERENT"
    lines = [f"sha256 of fc2's x as UFP4 + RHT16, codes and scales: {equal}"]
    return lines + [f"  {name:<12} {value}" for name, value in results.digests.items()]


def _times(results: Results) -> str:
    rows = results.rows
    if not rows:
        return "Nothing ran."
    programs = {(row.format, row.rht, row.product): row for row in rows}.values()
    cached = sum(row.cached for row in programs)
    return (
        f"{len(programs)} programs compiled in {results.compile_s:.1f} s ({cached} of them from the disk cache; "
        f"median {median(row.compile_ms for row in programs):.0f} ms to compile one), {len(rows)} runs of "
        f"{median(row.run_ms for row in rows):.2f} ms (median; fastest of {RUNS})"
    )


def write_json(results: Results, path: Path) -> None:
    path.write_text(json.dumps(results.as_dict(), indent=1))


def draw(results: Results, path: Path) -> bool:
    """SQNR and shrinkage of every product without and with RHT, one column a product. False without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(MEASURES), len(PRODUCTS), figsize=(13, 7.5), sharex=True, sharey="row")
    for row, (title, (key, factor, _)) in zip(axes, MEASURES.items()):
        for axis, product in zip(row, PRODUCTS):
            _panel(axis, results, product, key, factor)
        row[0].set_ylabel(f"{title} of the product")
    for axis, (product, operands) in zip(axes[0], PRODUCTS.items()):
        axis.set_title(f"{product.upper()}: {' and '.join(operands)}")
    axes[0][0].legend(frameon=False, title="hollow: no RHT", ncols=2)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return True


def _panel(axis, results: Results, product: str, key: str, factor: float) -> None:
    """A mark for each format and linear: hollow without RHT, joined to the one with it."""
    formats = list(dict.fromkeys(row.format for row in results.rows))
    linears = list(dict.fromkeys(row.linear for row in results.rows))
    for i, fmt in enumerate(formats):
        for j, linear in enumerate(linears):
            rows = [results.find(linear, fmt, rotated, product) for rotated in (False, True)]
            plain, rotated = (row.output[key] * factor if row else float("nan") for row in rows)
            place = i + (j - (len(linears) - 1) / 2) * 0.18
            axis.plot([place, place], [plain, rotated], color=f"C{j}", lw=1)
            axis.plot(place, plain, "o", mfc="white", color=f"C{j}", ms=4)
            axis.plot(place, rotated, "o", color=f"C{j}", ms=4, label=linear if i == 0 else None)
    axis.set_xticks(range(len(formats)), formats, rotation=45, ha="right")
    axis.grid(axis="y", lw=0.3)
