"""Uses an installed quadrille as a newcomer would: the check of a wheel on a machine without LLVM."""

import hashlib

import numpy as np

import quadrille as qd

rng = np.random.default_rng(0)
x = rng.standard_normal((64, 256), dtype=np.float32)
w = rng.standard_normal((96, 256), dtype=np.float32)
rht = qd.RHT(16, seed=0)


@qd.jit
def linear(x, w):
    return qd.matmul(qd.quantize(x, qd.UFP4_B, rht=rht), qd.quantize(w, qd.UFP4_B, rht=rht).T, dtype=qd.f32)


@qd.jit
def quantized(x):
    return qd.quantize(x, qd.UFP4_B, rht=rht)


codes, expected = quantized(x).codes, quantized.reference(x).codes
assert np.array_equal(codes, expected), "the host's codes differ from the reference"
y = linear(x, w)
error = np.linalg.norm(y - x @ w.T) / np.linalg.norm(x @ w.T)
assert 0 < error < 0.3, f"relative error {error}"
for target, word in (("sm_90a", ".target sm_90a"), ("gfx942", "amdgcn")):
    text = quantized.lower(qd.spec("f32[64,256]"), target=target, stage="asm")
    assert word in text, f"{target}: no {word!r} in the assembly"
print(f"{qd.__version__}: codes {hashlib.sha256(codes.tobytes()).hexdigest()[:16]}, linear within {error:.3f}")
