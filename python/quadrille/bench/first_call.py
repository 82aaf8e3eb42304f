"""Prints the milliseconds of a first call in a fresh process whose helper is warm: of a quantize kernel on the host; with
the argument `cuda` on a GPU, its work included, and with a format's name after it of that format's product there."""

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


@qd.jit
def product(a, b):
    return qd.matmul(a, b.T)


def milliseconds(x, wait, function=kernel, arguments=()) -> float:
    warm_up(x)
    wait()
    start = time.perf_counter()
    function(*(arguments or (x,)))
    wait()
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    if "cuda" in sys.argv[1:]:
        import torch

        x, formats = torch.zeros(16, 16, device="cuda"), sys.argv[2:]
        operands = [qd.quantize(torch.zeros(n, 512, device="cuda"), fmt) for fmt in formats for n in (256, 512)]
        print(milliseconds(x, torch.cuda.synchronize, product if formats else kernel, operands))
    else:
        print(milliseconds(np.zeros((16, 16), np.float32), lambda: None))
