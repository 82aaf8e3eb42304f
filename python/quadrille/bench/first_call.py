"""Prints the milliseconds of a quantize kernel's first call in a fresh process whose helper is warm: on the host, or
with the argument `cuda` on a GPU, its work included."""

import sys
import time

import numpy as np

import quadrille as qd


@qd.jit
def warm_up(x):
    return qd.quantize(x, qd.UFP4)


@qd.jit
def kernel(x):
    return qd.quantize(x, qd.UFP4_B, rht=qd.RHT(16, seed=0))


def milliseconds(x, wait) -> float:
    warm_up(x)
    wait()
    start = time.perf_counter()
    kernel(x)
    wait()
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    if "cuda" in sys.argv[1:]:
        import torch

        print(milliseconds(torch.zeros(16, 16, device="cuda"), torch.cuda.synchronize))
    else:
        print(milliseconds(np.zeros((16, 16), np.float32), lambda: None))
