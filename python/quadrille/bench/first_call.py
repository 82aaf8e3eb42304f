"""Prints the milliseconds of a quantize kernel's first call in a fresh process whose helper is warm."""

import time

import numpy as np

import quadrille as qd


@qd.jit
def warm_up(x):
    return qd.quantize(x, qd.UFP4)


@qd.jit
def kernel(x):
    return qd.quantize(x, qd.UFP4_B, rht=qd.RHT(16, seed=0))


if __name__ == "__main__":
    x = np.zeros((16, 16), np.float32)
    warm_up(x)
    start = time.perf_counter()
    kernel(x)
    print((time.perf_counter() - start) * 1e3)
