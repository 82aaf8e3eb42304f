"""The bits of the reference by AMD code: formats x roundings x transforms x axes x types, on all kinds of data."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from cases import NUMPY, ROUNDINGS, SIZES, hostile, normal
from executor import FULL, TARGETS, aligned, check, qd, sample
from pairs import all_pairs

ACROSS, ALONG = 37, 512
FACTORS = {
    "target": TARGETS,
    "name": list(qd.formats),
    "axes": ["rows", "columns", "both"],
    "rounding": list(ROUNDINGS),
    "n": SIZES,
    "dtype": list(NUMPY),
    "memory": ["aligned", "anywhere", "padded"],
}


def allowed(case: dict) -> bool:
    """Blocks of several rows have no transform. Of a part of a case too."""
    return not (case.get("n") and qd.formats[case.get("name", "UFP4")].block_rows > 1)


def cases() -> list[dict]:
    """All values of two factors meet; in full all of all, types and memory taking turns."""
    if not FULL:
        return all_pairs(FACTORS, allowed)
    turns = itertools.cycle(itertools.product(FACTORS["dtype"], FACTORS["memory"]))
    names = list(FACTORS)[:5]
    whole = (dict(zip(names, values)) for values in itertools.product(*(FACTORS[name] for name in names)))
    return [case | dict(zip(("dtype", "memory"), next(turns))) for case in whole if allowed(case)]


@pytest.mark.parametrize("case", cases(), ids=lambda case: "-".join(map(str, case.values())))
def test_quantize(case):
    options = {
        "rht": qd.RHT(case["n"], seed=case["n"]) if case["n"] else None,
        "rounding": ROUNDINGS[case["rounding"]],
        "pad": case["memory"] == "padded",
    }

    @qd.jit
    def quantize(x):
        if case["axes"] == "both":
            return qd.quantize_pair(x, case["name"], **options)
        return qd.quantize(x, case["name"], axis=0 if case["axes"] == "columns" else 1, **options)

    across, along = 256 if case["axes"] == "both" else ACROSS, ALONG
    if options["pad"]:
        across, along = 65, 330
    dtype = NUMPY[case["dtype"]]
    for x in (normal(across, along), hostile(across, along, case["dtype"]), np.resize(sample(), (across, along))):
        x = aligned((x.T if case["axes"] == "columns" else x).astype(dtype))
        check(quantize, case["target"], x, promises=case["memory"] != "anywhere")
