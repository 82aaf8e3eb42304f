"""The demo's output: one screen of text, the whole table as JSON, a figure."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from .experiment import PRODUCTS, Results
from .operands import Linear

WIDTH = 100
SHOWN = ("E2M1_REF", "UFP4", "BENT")


def render(results: Results, linears: list[Linear], folder: Path, drawn: bool = True) -> str:
    """At most 24 lines of 100 columns."""
    fc2 = linears[-1]
    tokens, inputs = fc2.x.shape
    lines = [
        f"fc2 of a trained language model: x {tokens} x {inputs}, w {fc2.w.shape[0]} x {inputs}; compiled for this CPU",
        "",
        "SQNR against f32, dB        x as quantized for FPROP      output of FPROP, DGRAD, WGRAD (RHT)",
        "grid        scales          no RHT    RHT16     change    ",
    ]
    lines += [_row(results, fc2.name, name) for name in SHOWN]
    lines += ["(BENT is a format of five lines: quadrille/demo/experiment.py)", ""]
    lines += _digest_lines(results)
    lines += ["", "A refusal, with its reason:"]
    lines += textwrap.wrap(results.refusal, WIDTH, initial_indent="  ", subsequent_indent="  ")
    lines += ["", _times(results)]
    figure = folder / "demo.png" if drawn else "none, for matplotlib is not installed (pip install 'quadrille[demo]')"
    lines += textwrap.wrap(f"All formats, linears, operands and kernels: {folder}/demo.json, figure: {figure}", WIDTH)
    lines += ["Not run here: NVIDIA and AMD GPUs; `quadrille lower` prints their code for any function."]
    if results.not_run:
        lines += [textwrap.shorten(f"Not run: {len(results.not_run)} products, such as {results.not_run[0]}", WIDTH)]
    return "\n".join(lines)


def _row(results: Results, linear: str, name: str) -> str:
    rows = [results.find(linear, name, rht, "fprop") for rht in (False, True)]
    plain, rotated = (row.operands["x"]["sqnr"] if row else float("nan") for row in rows)
    found = [results.find(linear, name, True, product) for product in PRODUCTS]
    outputs = "  ".join(f"{row.output_sqnr:5.2f}" if row else "    -" for row in found)
    scales = {"BENT": "bf16/16, 5 bits"}.get(name, "f32/16")
    return f"{name:<11} {scales:<15} {plain:6.2f}    {rotated:6.2f}    {rotated - plain:+6.2f}      {outputs}"


def _digest_lines(results: Results) -> list[str]:
    equal = len(set(results.digests.values())) == 1
    lines = [f"sha256 of fc2's x, UFP4 + RHT16, codes and scales: {'equal' if equal else 'DIFFERENT'}"]
    return lines + [f"  {name:<12} {value}" for name, value in results.digests.items()]


def _times(results: Results) -> str:
    if not results.rows:
        return "nothing ran"
    compile_s = sum(row.compile_ms for row in results.rows) / 1e3
    run_ms = sorted(row.run_ms for row in results.rows)[len(results.rows) // 2]
    return f"{len(results.rows)} products; compiling {compile_s:.1f} s in all (disk cache included), running {run_ms:.2f} ms each (median)"


def write_json(results: Results, path: Path) -> None:
    path.write_text(json.dumps(results.as_dict(), indent=1))


def draw(results: Results, path: Path) -> None:
    """SQNR of every product without and with RHT, one panel a product. ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    formats = list(dict.fromkeys(row.format for row in results.rows))
    linears = list(dict.fromkeys(row.linear for row in results.rows))
    figure, axes = pyplot.subplots(1, len(PRODUCTS), figsize=(13, 4.2), sharey=True)
    for axis, product in zip(axes, PRODUCTS):
        for i, fmt in enumerate(formats):
            for j, linear in enumerate(linears):
                rows = [results.find(linear, fmt, rht, product) for rht in (False, True)]
                plain, rotated = (row.output_sqnr if row else float("nan") for row in rows)
                place = i + (j - (len(linears) - 1) / 2) * 0.18
                axis.plot([place, place], [plain, rotated], color=f"C{j}", lw=1)
                axis.plot(place, plain, "o", mfc="white", color=f"C{j}", ms=4)
                axis.plot(place, rotated, "o", color=f"C{j}", ms=4, label=linear if i == 0 else None)
        axis.set_xticks(range(len(formats)), formats, rotation=45, ha="right")
        axis.set_title(product)
        axis.grid(axis="y", lw=0.3)
    axes[0].set_ylabel("SQNR, dB (hollow: no RHT)")
    axes[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
