"""FPROP, DGRAD and WGRAD of each linear under each recipe, compiled for the host and measured against f32."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass, field

import numpy as np

import quadrille as qd
from quadrille.metrics import sqnr

from .operands import Linear

# A format of your own, in five lines: a grid that is finer near zero than a uniform one and coarser at the end.
steps = [0, 1, 2, 3, 4.5, 6, 8, 10]
bent = qd.grid("bent", steps + [-s for s in steps])
scale = qd.level(16, "bf16", bits=5)
BENT = qd.format("BENT", bent, scale)

FORMATS = (qd.UFP4, qd.UFP4_B, qd.E2M1_REF, qd.NVFP4, qd.MXFP4, qd.MXUF4, qd.HIF4, BENT)
PRODUCTS = ("fprop", "dgrad", "wgrad")


@dataclass
class Result:
    """One product of one linear under one recipe. SQNR in dB, times in ms."""

    linear: str
    format: str
    rht: bool
    product: str
    output_sqnr: float
    operands: dict[str, dict[str, float]]
    kernels: list[str]
    carrier: str
    compile_ms: float
    run_ms: float


@dataclass
class Results:
    rows: list[Result] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    refusal: str = ""
    not_run: list[str] = field(default_factory=list)  # what could not be compiled or run, and why

    def find(self, linear: str, fmt: str, rht: bool, product: str) -> Result | None:
        """The row, or None if it could not run."""
        key = (linear, fmt, rht, product)
        return next((r for r in self.rows if (r.linear, r.format, r.rht, r.product) == key), None)

    def as_dict(self) -> dict:
        return asdict(self)


def recipe(fmt: qd.Format, rotated: bool) -> qd.Recipe:
    """The paper's: RHT on both operands of all three products, stochastic rounding on dY alone."""
    quiet = qd.Spec(fmt, qd.RHT(16, seed=0) if rotated else None)
    noisy = quiet.replace(rounding=qd.stochastic(qd.Key(0)))
    return qd.Recipe(fprop=(quiet, quiet), dgrad=(noisy, quiet), wgrad=(noisy, quiet))


def compiled_products(rules: qd.Recipe) -> dict:
    """The three products as compiled functions of their operands; each returns (product, operand, operand)."""

    @qd.jit(target="host")
    def fprop(x, w):
        a, b = qd.quantize(x, rules.fprop[0]), qd.quantize(w, rules.fprop[1])
        return qd.matmul(a, b.T, dtype=qd.f32), a, b

    @qd.jit(target="host")
    def dgrad(dy, w):
        a, b = qd.quantize(dy, rules.dgrad[0]), qd.quantize(w, rules.dgrad[1], axis=0)
        return qd.matmul(a, b, dtype=qd.f32), a, b

    @qd.jit(target="host")
    def wgrad(dy, x):
        a, b = qd.quantize(dy, rules.wgrad[0], axis=0), qd.quantize(x, rules.wgrad[1], axis=0)
        return qd.matmul(a.T, b, dtype=qd.f32), a, b

    return {"fprop": fprop, "dgrad": dgrad, "wgrad": wgrad}


def operands_of(linear: Linear, product: str) -> dict[str, np.ndarray]:
    names = {"fprop": ("x", "w"), "dgrad": ("dy", "w"), "wgrad": ("dy", "x")}[product]
    return {name: getattr(linear, name) for name in names}


def exact(linear: Linear, product: str) -> np.ndarray:
    """The product of the unquantized operands in f32."""
    x, w, dy = (getattr(linear, name).astype(np.float32) for name in ("x", "w", "dy"))
    return {"fprop": lambda: x @ w.T, "dgrad": lambda: dy @ w, "wgrad": lambda: dy.T @ x}[product]()


def milliseconds(function) -> tuple[float, object]:
    start = time.perf_counter()
    value = function()
    return (time.perf_counter() - start) * 1e3, value


def measure(linear: Linear, fmt: qd.Format, rotated: bool, product: str, function) -> Result:
    operands = operands_of(linear, product)
    first_ms, _ = milliseconds(lambda: function(*operands.values()))
    run_ms, (output, *quantized) = milliseconds(lambda: function(*operands.values()))
    report = function.explain(*operands.values())
    remarks = [d.message for d in report.diagnostics if "carrier" in d.message]
    return Result(
        linear=linear.name,
        format=fmt.name,
        rht=rotated,
        product=product,
        output_sqnr=sqnr(exact(linear, product), output),
        operands={n: qd.metrics(x, q).as_dict() for (n, x), q in zip(operands.items(), quantized)},
        kernels=[kernel["name"] for kernel in report.kernels],
        carrier=remarks[0] if remarks else "",
        compile_ms=max(0.0, first_ms - run_ms),
        run_ms=run_ms,
    )


def digest(q: qd.QTensor) -> str:
    """sha256 of codes and scales."""
    value = hashlib.sha256()
    for array in (q.codes, *q.scales):
        value.update(np.ascontiguousarray(array).view(np.uint8).tobytes())
    return value.hexdigest()


def digests(linear: Linear) -> dict[str, str]:
    """The same quantization by the interpreter and by the compiled kernel."""
    rule = recipe(qd.UFP4, True).fprop[0]

    @qd.jit(target="host")
    def quantized(x):
        return qd.quantize(x, rule)

    return {"interpreter": digest(quantized.reference(linear.x)), "host": digest(quantized(linear.x))}


def refusal(linear: Linear) -> str:
    """What the compiler says of operands whose rotations do not cancel."""

    @qd.jit(target="host")
    def mixed(x, w):
        a = qd.quantize(x, qd.UFP4, rht=qd.RHT(16, seed=0))
        return qd.matmul(a, qd.quantize(w, qd.UFP4).T)

    try:
        mixed(linear.x, linear.w)
    except qd.QuadrilleError as error:
        return f"{error.message}; instead: {error.instead}"
    raise AssertionError("a product of a rotated and a plain operand was not refused")


def run(linears: list[Linear], formats=FORMATS, progress=lambda text: None) -> Results:
    """Every format with and without RHT on every linear."""
    results = Results()
    for fmt in formats:
        for rotated in (False, True):
            progress(f"{fmt.name}{' + RHT16' if rotated else ''}")
            functions = compiled_products(recipe(fmt, rotated))
            for linear in linears:
                for product in PRODUCTS:
                    try:
                        results.rows.append(measure(linear, fmt, rotated, product, functions[product]))
                    except qd.QuadrilleError as error:
                        rht = " + RHT16" if rotated else ""
                        results.not_run.append(f"{linear.name} {product} {fmt.name}{rht}: {error.message}")
    results.digests = digests(linears[-1])
    results.refusal = refusal(linears[-1])
    return results
