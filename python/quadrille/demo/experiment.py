"""FPROP, DGRAD and WGRAD of each linear under each recipe, compiled for the host and measured against f32."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field

import numpy as np

import quadrille as qd

from .operands import Linear

# A format of your own, in five lines: a grid that is finer near zero than a uniform one and coarser at the end.
steps = [0, 1, 2, 3, 4.5, 6, 8, 10]
bent = qd.grid("bent", steps + [-s for s in steps])
scale = qd.level(16, "bf16", bits=5)
BENT = qd.format("BENT", bent, scale)

#: One format for all operands of a product; the size of the transform and the noise are the recipe's.
RECIPES = {name: recipe.replace(format=qd.formats[name]) for name, recipe in qd.recipes.BY_NAME.items()}
RECIPES["BENT"] = qd.recipes.UFP4.replace(format=BENT)
#: The operands of each product of y = x w^T, in order.
PRODUCTS = {"fprop": ("x", "w"), "dgrad": ("dy", "w"), "wgrad": ("dy", "x")}
#: Runs of a compiled product; the fastest counts.
RUNS = 3


@dataclass(frozen=True)
class Case:
    """One product under one recipe: a function to compile. `rht` is the transform's size, 0 for none."""

    format: str
    rht: int
    product: str
    function: qd.JitFunction

    def __str__(self) -> str:
        return f"{self.format}{f' + RHT{self.rht}' if self.rht else ''} {self.product}"


@dataclass
class Result:
    """A case on one linear. `output` and `operands` hold metrics (quadrille/metrics.py), times are in ms."""

    linear: str
    format: str
    rht: int
    product: str
    output: dict[str, float]
    operands: dict[str, dict[str, float]]
    kernels: list[str]
    carrier: str
    compile_ms: float
    cached: bool  # came from the disk cache
    run_ms: float


@dataclass
class Results:
    rows: list[Result] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    refusal: str = ""
    not_run: list[str] = field(default_factory=list)  # what could not be compiled or run, and why
    compile_s: float = 0.0  # of all cases, as it was waited for

    def find(self, linear: str, fmt: str, rotated: bool, product: str) -> Result | None:
        """The row, or None if it could not run."""
        key = (linear, fmt, rotated, product)
        return next((r for r in self.rows if (r.linear, r.format, r.rht > 0, r.product) == key), None)

    def as_dict(self) -> dict:
        return asdict(self)


def cases(recipes: Iterable[str] = RECIPES) -> list[Case]:
    """The three products of each recipe, without and with its transform on both operands of all three."""
    found = []
    for name in recipes:
        recipe = RECIPES[name].replace(key=qd.Key(0))
        rht = recipe.wgrad[0].rht
        for rules in (recipe.replace(rht=None), recipe.replace(rht=rht)):
            size = rht.n if rules.wgrad[0].rht else 0
            found += [Case(name, size, product, f) for product, f in products(rules).items()]
    return found


def products(rules: qd.Recipe) -> dict[str, qd.JitFunction]:
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


def compile_all(linears: list[Linear], todo: list[Case], results: Results, step: Callable[[str], None]) -> None:
    """Compiles all cases, as many at a time as this process has CPUs; each has a compiler process to itself."""
    start = time.perf_counter()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        waiting = {pool.submit(warm_up, case, linears): case for case in todo}
        for number, done in enumerate(as_completed(waiting), 1):
            step(f"{number} of {len(todo)}: {waiting[done]}")
    results.compile_s = time.perf_counter() - start


def warm_up(case: Case, linears: list[Linear]) -> None:
    """Compiles the case for all linears; what is wrong with it is said when it runs."""
    for linear in linears:
        try:
            case.function.warmup(*operands_of(linear, case.product).values())
        except qd.QuadrilleError:
            return


def operands_of(linear: Linear, product: str) -> dict[str, np.ndarray]:
    return {name: getattr(linear, name) for name in PRODUCTS[product]}


def exact(linear: Linear, product: str) -> np.ndarray:
    """The product of the unquantized operands in f32."""
    x, w, dy = (getattr(linear, name).astype(np.float32) for name in ("x", "w", "dy"))
    return {"fprop": lambda: x @ w.T, "dgrad": lambda: dy @ w, "wgrad": lambda: dy.T @ x}[product]()


def measure(linear: Linear, case: Case, wanted: np.ndarray) -> Result:
    """Runs a case on a linear; `wanted` is the exact product."""
    operands = operands_of(linear, case.product)
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        output, *quantized = case.function(*operands.values())
        times.append(time.perf_counter() - start)
    report = case.function.explain(*operands.values())
    return Result(
        linear=linear.name,
        format=case.format,
        rht=case.rht,
        product=case.product,
        output={"sqnr": qd.sqnr(wanted, output), "shrinkage": qd.shrinkage(wanted, output)},
        operands={n: qd.metrics(x, q).as_dict() for (n, x), q in zip(operands.items(), quantized)},
        kernels=[kernel["name"] for kernel in report.kernels],
        carrier=next((d.message for d in report.diagnostics if d.message.startswith("carrier ")), ""),
        compile_ms=sum(report.timings.values()) * 1e3,
        cached=bool(report.cached),
        run_ms=min(times) * 1e3,
    )


def digest(q: qd.QTensor) -> str:
    """sha256 of codes and scales."""
    value = hashlib.sha256()
    for array in (q.codes, *q.scales):
        value.update(np.ascontiguousarray(array).view(np.uint8).tobytes())
    return value.hexdigest()


def digests(linear: Linear) -> dict[str, str]:
    """The same quantization by the interpreter and by the compiled kernel."""
    rule = RECIPES["UFP4"].fprop[0]

    @qd.jit(target="host")
    def quantized(x):
        return qd.quantize(x, rule, pad=True)

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


def run(
    linears: list[Linear], todo: list[Case], results: Results, step: Callable[[str], None] = lambda text: None
) -> None:
    """Runs every case on every linear and measures it against f32."""
    wanted = {(linear.name, product): exact(linear, product) for linear in linears for product in PRODUCTS}
    for number, case in enumerate(todo, 1):
        step(f"{number} of {len(todo)}: {case}")
        for linear in linears:
            try:
                results.rows.append(measure(linear, case, wanted[linear.name, case.product]))
            except qd.QuadrilleError as error:
                results.not_run.append(f"{linear.name} {case}: {error.message}")
    results.digests = digests(linears[-1])
    results.refusal = refusal(linears[-1])
