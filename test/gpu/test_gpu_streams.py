"""Streams, CUDA graphs, threads, errors of the device."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from machine import assert_same, normal, qd, to_gpu, torch

RHT = qd.RHT(16, seed=0)


@qd.jit
def scaled(x):
    return qd.quantize(x, "NVFP4", rht=RHT)


def test_work_is_on_the_current_stream():
    x = torch.zeros(4096, 4096, dtype=torch.bfloat16, device="cuda")
    source = to_gpu(normal(4096, 4096))
    wanted = scaled(source)
    stream = torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(50_000_000)  # a launch on another stream would read zeros
        x.copy_(source)
        q = scaled(x)
    stream.synchronize()
    assert_same(q, wanted)


def test_a_call_waits_for_nothing():
    x = to_gpu(normal(256, 256))
    scaled(x)
    torch.cuda.synchronize()
    torch.cuda._sleep(200_000_000)
    q = scaled(x)
    assert not torch.cuda.current_stream().query(), "the call waited for the stream"
    assert_same(q, scaled.reference(x))


def capture(function):
    """A graph of one call, and the call's result."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = function()
    return graph, result


def test_a_graph_gives_the_bits_of_each_input():
    x = to_gpu(normal(512, 1024))
    scaled.warmup(x)
    graph, q = capture(lambda: scaled(x))
    for seed in (1, 2):
        x.copy_(to_gpu(normal(512, 1024, seed=seed)))
        graph.replay()
        torch.cuda.synchronize()
        assert_same(q, scaled.reference(x))


def test_replays_draw_as_eager_steps_do():
    x = to_gpu(normal(256, 512))

    def steps():
        return qd.Key(11, step=torch.zeros(1, dtype=torch.int64, device="cuda"))

    key, eager = steps(), qd.Key(11)

    @qd.jit
    def noisy(x, key):
        return qd.quantize(x, "UFP4_B", rht=RHT, rounding=qd.stochastic(key.fold_in(3)))

    noisy.warmup(x, key)

    def step():
        q = noisy(x, key)
        key.advance_()
        return q

    graph, q = capture(step)
    seen = []
    for number in range(3):
        graph.replay()
        torch.cuda.synchronize()
        assert int(key.step[0]) == number + 1
        wanted = noisy(x, eager)
        eager.advance_()
        assert_same(q, wanted)
        assert_same(q, noisy.reference(x, qd.Key(11, step=number)))
        seen.append(q.codes.cpu().numpy().copy())
    assert not np.array_equal(seen[0], seen[1]) and not np.array_equal(seen[1], seen[2])


def test_an_uncompiled_kernel_in_a_capture_names_warmup():
    x = to_gpu(normal(64, 256))
    fresh = qd.jit(lambda x: qd.quantize(x, "MXINT4", rht=qd.RHT(128, seed=991)))
    graph = torch.cuda.CUDAGraph()
    with pytest.raises(qd.UnsupportedError, match="(?s)warmup"):
        with torch.cuda.graph(graph):
            fresh(x)
    torch.cuda.synchronize()
    fresh.warmup(x)
    graph, q = capture(lambda: fresh(x))
    graph.replay()
    assert_same(q, fresh.reference(x))


def test_two_threads_on_streams_of_their_own():
    failures: list = []

    def work(seed: int) -> None:
        try:
            stream = torch.cuda.Stream()
            with torch.cuda.stream(stream):
                for size in (64, 192, 256):
                    x = to_gpu(normal(size, 512, seed=seed))
                    wanted = scaled.reference(x)
                    for _ in range(20):
                        q = scaled(x)
                    stream.synchronize()
                    assert_same(q, wanted)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


def test_threads_compile_and_run_together():
    names = ("UFP4", "MXUF4", "MXINT4")
    functions = [qd.jit(lambda x, name=name: qd.quantize_pair(x, name, rht=RHT)) for name in names]
    x, failures = to_gpu(normal(256, 320)), []
    wanted = [function.reference(x) for function in functions]
    torch.cuda.synchronize()

    def work(number: int) -> None:
        try:
            stream = torch.cuda.Stream()
            with torch.cuda.stream(stream):
                results = [functions[number % 3](x) for _ in range(20)]
            stream.synchronize()
            for result in results:
                assert_same(result, wanted[number % 3])
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


FAULT = """
import time, torch, quadrille as qd
x = torch.zeros(64, 256, device="cuda")
f = qd.jit(lambda x: qd.quantize(x, "UFP4"))
q = f(x)
torch.cuda.synchronize()
torch.zeros(8, device="cuda")[torch.full((1,), 99, device="cuda")]  # a device-side assertion, later
time.sleep(1)
try:
    for _ in range(100):
        f(x, out=q)  # asks PyTorch for nothing, which would report the fault itself
        time.sleep(0.01)
except qd.DeviceError as error:
    print("DeviceError", error)
"""


def test_a_fault_of_earlier_work_is_reported_as_such():
    env = dict(os.environ, QUADRILLE_INTERPRET="0")
    run = subprocess.run([sys.executable, "-c", FAULT], capture_output=True, text=True, env=env, timeout=120)
    assert "DeviceError" in run.stdout and "launched before" in run.stdout, run


def test_kernels_say_what_they_take():
    x = to_gpu(normal(256, 512))
    report = scaled.explain(x, verbose=True)
    for kernel in report.kernels:
        assert kernel["registers"] > 0 and kernel["threads"] > 0 and 0 < kernel["occupancy"] <= 1, kernel
        assert kernel["spill_bytes"] == 0, kernel
    assert "registers" in report.text


def test_the_disk_cache_serves_another_process(tmp_path):
    program = (
        "import torch, quadrille as qd; from quadrille import compiler\n"
        "qd.quantize(torch.ones(64, 256, device='cuda'), 'MXFP4')\n"
        "torch.cuda.synchronize(); print(compiler.client().statistics()['cache_hits'])"
    )
    env = dict(os.environ, QUADRILLE_CACHE_DIR=str(tmp_path), QUADRILLE_INTERPRET="0")
    for hits in ("0", "1"):
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env, timeout=120)
        assert run.stdout.strip() == hits, run.stderr
