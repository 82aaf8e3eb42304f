"""Calls whose arrays lie on an AMD GPU, with a HIP driver that only pretends. What CUDA's path shares with it is
tested by test_cuda.py."""

from __future__ import annotations

import fake_cuda
import fake_hip
import numpy as np
import pytest
import quadrille as qd
from fake_cuda import OnGPU, aligned
from fake_hip import OnAMD
from quadrille import arrays, frameworks

pytestmark = [
    pytest.mark.compiler,
    pytest.mark.skipif(not fake_hip.LIBRARY.exists(), reason="the fake HIP driver is not built"),
]


@pytest.fixture
def driver():
    driver = fake_hip.FakeDriver()
    driver.calls()
    return driver


def gpu(rows=64, columns=256, ordinal=0) -> OnAMD:
    return OnAMD(aligned((rows, columns), np.float32), ordinal)


def quantizer(fmt="UFP4_B"):
    return qd.jit(lambda x: qd.quantize(x, fmt))


def test_a_call_launches_a_code_object(driver):
    x, f = gpu(), quantizer()
    q = f(x)
    ((name, launch),) = driver.launches()
    assert name == "lambda_quantize_row" and launch["block"] == [128, 1, 1] and launch["stream"] == [0]
    assert {x.address, q.codes.address, q.scales[0].address} <= set(launch["parameters"])
    assert launch["parameters"][-1] == 0  # the number of the first block along y
    assert arrays.device_of(q.codes) == "hip:0" and q.codes.__dlpack_device__() == (10, 0)
    assert q.codes.get().shape == (64, 128)
    assert set(x.streams) == {0}  # ROCm's default one


def test_the_other_gpu(driver):
    quantizer()(gpu(ordinal=1))
    ((_, launch),) = driver.launches()
    assert launch["device"] == [1]


def test_temporaries_are_freed(driver):
    x, f = gpu(), quantizer("NVFP4")
    q = f(x)
    before = driver.allocated()
    f(x)  # whose result goes at once
    assert driver.allocated() == before
    del q
    assert driver.allocated() < before


def test_explain_names_the_target(driver):
    report = quantizer().explain(gpu(), verbose=True)
    assert "gfx942 (Fake Instinct, hip:0)" in report.text and report.kernels[0]["registers"] == 62


def test_failures_are_device_errors(driver):
    x, f = gpu(), quantizer()
    f(x)
    driver.fail("hipModuleLaunchKernel", 700)
    try:
        with pytest.raises(qd.DeviceError, match="hipModuleLaunchKernel of kernel 'lambda_quantize_row' on hip:0"):
            f(x)
    finally:
        driver.fail("hipModuleLaunchKernel", 0)


def test_gpus_of_two_vendors_are_two_places(driver):
    f = qd.jit(lambda x, amax: qd.quantize(x, "NVFP4", amax=amax))
    with pytest.raises(qd.ArgumentError, match=r"on hip:0, one of shape \(1,\) on cuda:0"):
        f(gpu(), OnGPU(np.ones(1, np.float32)))


@pytest.fixture
def torch(monkeypatch):
    with fake_cuda.torch_tensors(monkeypatch, "hip:1", stream=42) as torch:
        yield torch


def test_tensors_of_torch_for_rocm(driver, torch):
    """Their GPU's code runs on the current stream of PyTorch, in memory of PyTorch's."""
    x, f = torch.cuda_empty(64, 256, dtype=torch.bfloat16), quantizer("NVFP4")
    f(x)
    driver.calls()
    q = f(x)
    launches = driver.launches()
    assert {(*launch["stream"], *launch["device"]) for _, launch in launches} == {(42, 1)}
    assert any(x.data_ptr() in launch["parameters"] for _, launch in launches)
    assert q.codes.data_ptr() in launches[-1][1]["parameters"]
    assert [t.dtype for t in (q.codes, *q.scales)] == [torch.uint8, torch.float8_e4m3fn, torch.float32]
    y = qd.matmul(q, quantizer("NVFP4")(x).T)
    assert isinstance(y, torch.Tensor) and y.shape == (64, 64) and y.device == torch.device("cuda", 1)
    assert {launch["stream"][0] for _, launch in driver.launches()} == {42}
    with pytest.raises(qd.ArgumentError, match="on hip:1, one of shape .* on hip:0"):
        qd.matmul(q, quantizer("NVFP4")(gpu()).T)


def test_torch_for_rocm_calls_its_gpus_cuda(monkeypatch):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    assert arrays._torch_place(torch.device("cuda", 1)) == "cuda:1"
    monkeypatch.setattr(torch.version, "hip", "6.2")
    assert arrays._torch_place(torch.device("cuda", 1)) == "hip:1"
    made = []
    monkeypatch.setattr(torch, "empty", lambda shape, dtype, device: made.append((shape, device)))
    monkeypatch.setattr(frameworks, "_fast_empty", lambda: None)
    frameworks.Torch().allocator("hip:1", (2, 3), np.dtype(np.float32))()
    assert made == [((2, 3), torch.device("cuda", 1))]
