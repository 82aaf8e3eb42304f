"""Programs of all kinds that a GPU's compiler is given: any two of target, format, kernel, .. meet in one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import quadrille as qd
from cases import ROUNDINGS
from pairs import all_pairs
from quadrille import ops

DTYPES = ["bf16", "f32", "f16"]
FACTORS = {
    "format": list(qd.formats),
    "kernel": ["row", "column", "pair", "dequantize"],
    "rounding": ["even", "away", "zero", "noise4", "noise8", "noise16"],
    "rht": [None, 16, 32, 64, 128, 256],
    "dtype": DTYPES,
    "memory": ["aligned", "anywhere", "transposed", "padded"],
}


def allowed(case: dict) -> bool:
    """Blocks of several rows have no transform; the rest goes together. Of a part of a case too."""
    return not (case.get("rht") and qd.formats[case.get("format", "UFP4")].block_rows > 1)


def quantizer(case: dict):
    """(function, spec) of a case."""
    fmt, dtype, pad = case["format"], case["dtype"], case["memory"] == "padded"
    rht = qd.RHT(case["rht"], seed=0) if case["rht"] else None
    if case["kernel"] == "dequantize":
        q = qd.spec(f"{fmt}[M,8192]", rht=rht, aligned=case["memory"] == "aligned")
        return lambda q: qd.dequantize(q, dtype=dtype, undo_rht=rht is not None), q
    options = dict(rht=rht, rounding=ROUNDINGS[case["rounding"]], pad=pad)
    x = qd.spec(f"{dtype}[M,N]" if pad else f"{dtype}[M%256,N%256]", aligned=case["memory"] != "anywhere")
    if case["memory"] == "transposed":
        x = replace(x, unit_stride=0, stride_divisors=x.stride_divisors[::-1])
    if case["kernel"] == "pair":
        return lambda x: qd.quantize_pair(x, fmt, **options), x
    return lambda x: qd.quantize(x, fmt, axis=0 if case["kernel"] == "column" else 1, **options), x


@qd.scale_rule
def four_over_six(block):
    amax = abs(block).max()
    scales = [qd.round_to_scale(amax / top) for top in (6.0, 4.0)]
    errors = [block - qd.round_to_grid(block / scale) * scale for scale in scales]
    six, four = [(error * error).sum() for error in errors]
    return qd.where(four < six, scales[1], scales[0])


RULED = qd.format("RULED", qd.e2m1, [qd.level(16, "e4m3", rule=four_over_six), qd.level("tensor", "f32", qmax=1536)])
#: Whose sums of blocks instructions on 4 or 8 bits make.
LONG = qd.format("LONG", qd.e1m2, [qd.level((1, 128), "f32")])
OWN = qd.format("OWN", qd.grid("own", [0.1, -3.0, 0.0, 2.5, 1.0, -0.25]), [qd.level("4x32", "ue5m3", rule="up")])


def without_a_format(number: int) -> dict[str, tuple]:
    """What does not go by the named formats, sizes and types taking turns with the target's number."""
    rht, dtype = qd.RHT([16, 32, 64, 128, 256][number % 5], seed=0), DTYPES[number % 3]
    x = qd.spec(f"{dtype}[M%256,N%256]")
    bytewise = ["MXUF4", "NVFP4", "NVINT4", "MXFP4", "MXINT4"][number % 5]
    blocked, plain = (qd.spec(f"{bytewise}[M,8192]", scale_layout=l) for l in ("blocked128x4", "row_major"))
    bf16 = qd.spec("bf16[M,K%256]")
    words = dict(amax_out=qd.spec("f32[1]"), flags=qd.spec("i32[1]"))
    return {
        "amax": (lambda x: qd.amax(x, rht=rht, axis=number % 2), x),
        "hadamard": (lambda x: qd.hadamard(x, rht, axis=number % 2), x),
        f"{bytewise} with blocked scales": (lambda x: qd.quantize(x, bytewise, scale_layout="blocked128x4"), x),
        f"layout of {bytewise}'s scales, to blocked": (lambda q: ops._scales.__wrapped__(q, "blocked128x4"), plain),
        f"layout of {bytewise}'s scales, from blocked": (lambda q: ops._scales.__wrapped__(q, "row_major"), blocked),
        f"{bytewise} in a carrier": (lambda q: qd.to_carrier(q), plain),
        **{
            f"product of {fmt}": (lambda a, b: qd.matmul(a, b.T), *(qd.spec(f"{fmt}[{rows},8192]") for rows in "MN"))
            for fmt in ("UFP4_B", "NVFP4", "NVINT4", "HIF4", "MXUF4", "MXFP4", "MXINT4")
        },
        "sums of long blocks": (
            lambda x, w: qd.matmul(qd.quantize(x, LONG), qd.quantize(w, LONG).T),
            qd.spec("bf16[M,8192]"), qd.spec("bf16[N,8192]"),
        ),
        "quantized product": (
            lambda a, b: qd.quantize(qd.matmul(a, b.T), "MXUF4", rht=rht, pad=True),
            *(qd.spec(f"UFP4_B[{rows},8192]") for rows in "MN"),
        ),
        "product of bf16": (lambda a, b: qd.matmul(a, b.T), bf16, qd.spec("UFP4_B[N,K]")),
        "bf16 carrier": (lambda q: qd.to_carrier(q, "bf16"), qd.spec("UFP4_B[M,8192]")),
        "a user's scale rule": (lambda x: qd.quantize(x, RULED, axis=number % 2), x),
        "a user's grid": (lambda x: qd.quantize(x, OWN, rounding=ROUNDINGS["noise8"]), x),
        "delayed scale": (
            lambda x, a, amax_out, flags: qd.quantize(x, "NVFP4", rht=rht, amax=a, amax_out=amax_out, flags=flags),
            x, qd.spec("f32[1]"), *words.values(),
        ),
        "fused elementwise code": (lambda x: qd.quantize_pair(qd.gelu(x), "UFP4_B", rht=rht), x),
    }  # fmt: skip


def factors(targets: list[str]) -> dict[str, list]:
    return {"target": targets, **FACTORS}


def programs(target: str, targets: list[str]) -> Iterator[tuple]:
    """(what, function, specs) of all programs of a target, one of several that share the cases."""
    for case in all_pairs(factors(targets), allowed):
        if case["target"] == target:
            yield ", ".join(str(v) for n, v in case.items() if n != "target"), *quantizer(case)
    for what, program in without_a_format(targets.index(target)).items():
        yield what, *program
