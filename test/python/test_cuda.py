"""Calls with arrays on a GPU: what reaches the driver, on machines without one (fake_cuda.py)."""

from __future__ import annotations

import re
import sys

import fake_cuda
import numpy as np
import pytest
import quadrille as qd
from fake_cuda import OnGPU, aligned
from quadrille import arrays
from quadrille.device_array import DeviceArray

pytestmark = [
    pytest.mark.compiler,
    pytest.mark.skipif(not fake_cuda.LIBRARY.exists(), reason="the fake CUDA driver is not built"),
    pytest.mark.skipif(fake_cuda.has_driver(), reason="a real CUDA driver is here: test/gpu tests with it"),
]


@pytest.fixture
def driver(monkeypatch, tmp_path):
    # The fake driver takes PTX, not what a real assembler makes.
    monkeypatch.setenv("QUADRILLE_PTXAS", "")
    monkeypatch.setenv("QUADRILLE_CACHE_DIR", str(tmp_path))
    fake = fake_cuda.FakeDriver()
    fake.calls()
    return fake


def gpu(rows=64, columns=256, dtype=np.float32, ordinal=0, offset=0) -> OnGPU:
    return OnGPU(aligned((rows, columns), dtype, offset), ordinal)


def quantizer(fmt="UFP4_B", **options):
    @qd.jit
    def quantize(x):
        return qd.quantize(x, fmt, **options)

    return quantize


# Launches.


def test_a_call_is_a_launch_on_the_arrays_themselves(driver):
    x, f = gpu(), quantizer()
    q = f(x)
    (launch,) = driver.launches()
    assert launch.kernel == "quantize_quantize_row" and launch.block == (128, 1, 1)
    assert {x.address, q.codes.address, q.scales[0].address} <= set(launch.parameters)
    assert launch.parameters[-1] == 0 and (launch.stream, launch.context) == (0, 0)
    assert (q.codes.shape, q.scales[0].shape) == ((64, 128), (64, 16))
    assert isinstance(q.codes, DeviceArray) and q.codes.device == "cuda:0"


def test_a_warm_call_only_allocates_results_and_launches(driver):
    x, f = gpu(), quantizer(rht=qd.RHT(16, seed=5))
    q = f(x)
    driver.calls()
    f(x, out=q)
    names = {line.split()[0] for line in driver.calls()}
    assert names == {"cuCtxPushCurrent", "cuLaunchKernel", "cuCtxPopCurrent"}
    f(x)
    names = [line.split()[0] for line in driver.calls() if not line.startswith("cuCtx")]
    assert names == ["cuMemAllocAsync", "cuMemAllocAsync", "cuLaunchKernel", "cuMemFreeAsync", "cuMemFreeAsync"]


def test_the_arrays_of_a_carrier_speak_dlpack(driver):
    c = qd.jit(lambda x: qd.to_carrier(qd.quantize(x, "MXUF4")))(gpu())
    assert [a.dtype.name for a in c.arrays] == ["float8_e5m2", "int32", "int32"]
    assert all(isinstance(a, DeviceArray) and "dltensor" in repr(a.__dlpack__()) for a in c.arrays)
    assert c.overflow.__cuda_array_interface__["typestr"] == "<i4"


def test_sign_vectors_are_placed_once(driver):
    rht = qd.RHT(64, signs=[-1, 1] * 32)
    for f in (quantizer(rht=rht), quantizer("NVFP4", rht=rht)):
        f(gpu())
    assert sum(line.startswith("cuMemcpyHtoD 256") for line in driver.calls()) == 1


def test_each_device_runs_its_own(driver):
    f = quantizer()
    for ordinal in (0, 1, 0):
        q = f(gpu(ordinal=ordinal))
        assert driver.launches()[0].context == ordinal and q.codes.device == f"cuda:{ordinal}"
    assert len(f.signatures()) == 1


def test_empty_arrays_launch_nothing(driver):
    q = quantizer()(gpu(rows=0))
    assert driver.launches() == [] and q.codes.shape == (0, 128)


def test_an_empty_array_has_a_tensor_scale(driver):
    x = gpu(rows=0)
    q = quantizer("NVFP4")(x)
    launch = driver.launches()[-1]
    assert launch.grid == (1, 1, 1) and q.scales[1].address in launch.parameters
    # Kernels may read what they do not use, and an empty array's address may be null.
    assert x.address not in launch.parameters


def test_numbers_are_arguments(driver):
    key = qd.Key(7)

    @qd.jit
    def f(x, base):
        return qd.quantize(x, "UFP4_B", rounding=qd.stochastic(key), index_base=base)

    for base in (0, 4096):
        f(gpu(), np.int64(base))
        (launch,) = driver.launches()
        assert {key.value, base} <= set(launch.parameters)
        key.advance_()
    with pytest.raises(ValueError, match="index_base must be a multiple of 16"):
        f(gpu(), np.int64(3))
    assert driver.launches() == []


def test_offsets_of_groups_stay_where_they_are(driver):
    f = qd.jit(lambda x, o: qd.quantize(x, "UFP4_B", axis=0, groups=o))
    x, offsets = gpu(), OnGPU(np.array([0, 20, 64], np.int32))
    q = f(x, offsets)
    table, quantize = driver.launches()
    assert table.kernel.endswith("_groups") and table.grid == (1, 1, 1)
    assert offsets.address in table.parameters and offsets.address not in quantize.parameters
    assert q.groups is offsets and q.codes.shape == (256, (64 + 2 * 15) // 16 * 16 // 2)
    driver.calls()
    qd.dequantize(q)
    table, dequantize = driver.launches()
    assert offsets.address in table.parameters and q.codes.address in dequantize.parameters
    with pytest.raises(qd.ArgumentError, match="different devices"):
        f(x, np.array([0, 64], np.int32))


# Tuning. The fake driver computes nothing, so results are not compared here.


@pytest.fixture
def tuner(monkeypatch):
    tune = sys.modules["quadrille.tune"]
    monkeypatch.setattr(tune, "_same_bits", lambda a, b: True)
    monkeypatch.setattr(tune, "_MEASUREMENT", 1e-4)
    return tune._Tuner


def test_what_tuning_finds_is_launched(driver, tuner, monkeypatch):
    wanted = {"elements_per_lane": 64, "tiles_per_program": 8}
    monkeypatch.setattr(tuner, "_measure", lambda self, candidate: 1.0 if candidate.knobs == wanted else 2.0)
    x, f = gpu(), quantizer()
    f(x)
    assert driver.launches()[0].grid == (2, 1, 1)  # of 128 lanes x 4 tiles x 16 elements
    report = qd.tune(f, x)
    assert report.chosen.knobs == wanted and report.target == "sm_90a"
    driver.calls()
    for function in (f, quantizer()):
        function(x)
        assert driver.launches()[0].grid == (1, 1, 1)


def test_tuning_waits_for_the_stream(driver, tuner):
    report = qd.tune(quantizer(), gpu())
    assert all(0 < candidate.seconds < 1 for candidate in report.candidates)
    assert any(line.startswith("cuMemcpyDtoH") for line in driver.calls())


def test_tuning_in_a_capture_is_refused(driver, tuner):
    driver.capture(0)
    with pytest.raises(qd.UnsupportedError, match="being captured, and this call has qd.tune") as raised:
        qd.tune(quantizer(), gpu())
    assert "qd.tune before the capture" in str(raised.value)
    driver.capture(0, False)


# Promises: alignment and strides.


def hints(x) -> str:
    text = quantizer().lower(x, stage="trace")
    return re.search(r"%x: [^{]*\{(.*?)\}[,)]", text)[1]


def test_alignment_is_part_of_the_signature(driver):
    assert "quad.alignment = 16 : i64, quad.stride_divisible_by = array<i64: 4, 1>" in hints(gpu())
    assert "quad.alignment" not in hints(gpu(offset=4))
    wide = aligned((64, 272), np.float16)
    assert "quad.stride_divisible_by = array<i64: 8, 1>" in hints(OnGPU(wide[:, :256]))
    odd = aligned((64, 259), np.float16)
    assert "quad.stride_divisible_by" not in hints(OnGPU(odd[:, :256]))
    transposed = aligned((256, 64), np.float32).T
    assert "quad.unit_stride = 0" in hints(OnGPU(transposed))
    assert "array<i64: 1, 4>" in hints(OnGPU(transposed))
    f = quantizer()
    for x in (gpu(), gpu(offset=4), gpu(offset=16), gpu(rows=65)):
        f(x)
    assert len(f.signatures()) == 3


def test_row_counts_compile_few_kernels(driver):
    f = quantizer()
    for rows in range(1, 300):
        f(gpu(rows=rows, columns=16))
    assert len(f.signatures()) <= 4


def test_host_arrays_promise_nothing(matrix):
    assert "alignment" not in quantizer().lower(matrix(16, 32), stage="trace")


# Where results and temporaries lie.


def test_out_is_written_and_checked(driver):
    x, f = gpu(), quantizer()
    q = f(x)
    driver.calls()
    assert f(x, out=q) is q
    assert q.codes.address in driver.launches()[0].parameters
    wrong = [
        (gpu(32, 128, np.uint8), qd.ShapeError, "shape"),
        (gpu(64, 128, np.float32), qd.DTypeError, "float32"),
        (gpu(64, 128, np.uint8, ordinal=1), qd.ArgumentError, "on cuda:1"),
        (aligned((64, 128), np.uint8), qd.ArgumentError, "on host"),
        (gpu(64, 128, np.uint8, offset=4), qd.ArgumentError, "aligned to 16"),
        (OnGPU(aligned((64, 256), np.uint8)[:, ::2]), qd.ArgumentError, "contiguous"),
        (OnGPU(x.array.view(np.uint8)[:32].reshape(64, -1)[:, :128]), qd.ArgumentError, "contiguous"),
        (OnGPU(x.array.view(np.uint8).reshape(-1)[:8192].reshape(64, 128)), qd.ArgumentError, "shares memory with x"),
    ]
    for codes, error, message in wrong:
        bad = qd.QTensor._make(codes, q.scales, q.format, q.shape, q.axis, None, 256, "", "row_major")
        with pytest.raises(error, match=message):
            f(x, out=bad)
    assert driver.launches() == []


def test_temporaries_are_the_frameworks_or_the_callers(driver):
    x, f = gpu(), quantizer("NVFP4")
    q = f(x)
    needed = f.explain(x).bytes["workspace"]
    assert needed > 0 and needed % 64 == 0
    driver.calls()
    f(x, out=q)
    calls = [line.split()[:2] for line in driver.calls() if line.startswith("cuMem")]
    assert calls == [["cuMemAllocAsync", str(needed)], ["cuMemFreeAsync", "stream=0"]]
    workspace = OnGPU(aligned((needed,), np.uint8))
    f(x, out=q, workspace=workspace)
    calls = driver.calls()
    assert not any(line.startswith("cuMem") for line in calls)
    assert any(str(workspace.address) in line for line in calls)
    for bad, message in [
        (OnGPU(aligned((needed - 1,), np.uint8)), "bytes at address"),
        (OnGPU(aligned((needed,), np.uint8, offset=16)), "bytes at address"),
        (aligned((needed,), np.uint8), "on host"),
    ]:
        with pytest.raises(qd.ArgumentError, match=message):
            f(x, out=q, workspace=bad)


def test_nothing_is_kept(driver):
    x, f = gpu(), quantizer("NVFP4")
    f(x)
    before = driver.allocated()
    q = f(x)
    assert driver.allocated() > before
    del q
    assert driver.allocated() == before


# Mistakes.


def test_arrays_of_one_call_lie_in_one_place(driver):
    @qd.jit
    def f(x, amax):
        return qd.quantize(x, "NVFP4", amax=amax)

    for amax in (np.ones(1, np.float32), OnGPU(np.ones(1, np.float32), 1)):
        with pytest.raises(qd.ArgumentError, match=r"different devices: one of shape \(64, 256\) on cuda:0, one of"):
            f(gpu(), amax)


def test_a_function_for_the_host_says_so(driver):
    for target in ("host", "interpret"):
        with pytest.raises(qd.ArgumentError, match=f"made for target '{target}'.*cuda:0"):
            qd.jit(lambda x: qd.quantize(x, "UFP4"), target=target)(gpu())


def test_a_missing_device_is_named(driver):
    with pytest.raises(qd.UnsupportedError, match="there is no cuda:5: this process sees 2 GPUs"):
        qd.quantize(gpu(ordinal=5), "UFP4")


def test_driver_errors_name_kernel_and_call(driver):
    x, f = gpu(), quantizer()
    f(x)
    driver.fail("cuLaunchKernel", 700)
    try:
        with pytest.raises(qd.DeviceError, match="cuLaunchKernel of kernel 'quantize_quantize_row' on cuda:0 failed: "
                                                 "CUDA_ERROR_ILLEGAL_ADDRESS.*launched before"):
            f(x)
    finally:
        driver.fail("cuLaunchKernel", 0)
    f(x)


def test_a_driver_that_refuses_the_code_says_why(driver):
    driver.fail("cuLinkAddData", 218)
    try:
        with pytest.raises(qd.DeviceError, match="error: not so"):
            quantizer("MXUF4", rht=qd.RHT(256))(gpu())
    finally:
        driver.fail("cuLinkAddData", 0)


# Captures.


def test_an_uncompiled_kernel_in_a_capture_names_warmup(driver):
    x, f = gpu(), quantizer("HIF4", rht=qd.RHT(32, seed=77))
    driver.capture(0)
    try:
        with pytest.raises(qd.UnsupportedError, match="(?s)not compiled yet.*warmup"):
            f(x)
        assert driver.launches() == []
        driver.capture(0, False)
        f.warmup(x)
        assert driver.launches() == []
        driver.capture(0)
        f(x)
        f(gpu(rows=192))  # other sizes, the same program
        assert len(driver.launches()) == 2
        other = quantizer("HIF4", rht=qd.RHT(32, seed=78))  # the same code, other signs
        with pytest.raises(qd.UnsupportedError, match="(?s)sign vectors.*warmup"):
            other(x)
    finally:
        driver.capture(0, False)


def test_warmup_by_specs_serves_all_classes_of_lengths(driver):
    f = quantizer("MXFP4", rht=qd.RHT(128, seed=3))
    f.warmup(qd.spec("f32[M,N%128]"), device="cuda:0")
    driver.capture(0)
    try:
        for rows in (1, 16, 128):
            f(gpu(rows=rows, columns=384))
    finally:
        driver.capture(0, False)
    assert len(driver.launches()) == 3


# Keys.


def test_a_step_on_the_gpu_is_read_by_the_kernel(driver):
    step = OnGPU(np.zeros(1, np.int64))
    key = qd.Key(3, step=step)
    child = key.fold_in(5)
    f = quantizer(rounding=qd.stochastic(child))
    for _ in range(2):
        f(gpu())
        (launch,) = driver.launches()
        assert {step.address, child.base} <= set(launch.parameters)
        key.advance_()
    assert step.array[0] == 2 and child.value == qd.Key(3).fold_in(5).value + 2
    assert len(f.signatures()) == 1


def test_the_reference_reads_the_step_too(driver, matrix):
    x = matrix(16, 64, np.float32)
    stepped = qd.Key(3, step=OnGPU(np.full(1, 4, np.int64)))
    expected = quantizer(rounding=qd.stochastic(qd.Key(3, step=4))).reference(x)
    assert qd.bit_identical(quantizer(rounding=qd.stochastic(stepped)).reference(OnGPU(x)), expected)


# Looking.


def test_the_reference_copies_to_the_host(driver, matrix):
    x = matrix(16, 64, np.float32)
    q = quantizer().reference(OnGPU(x))
    assert isinstance(q.codes, np.ndarray) and qd.bit_identical(q, quantizer().reference(x))
    assert driver.launches() == []


def test_explain_says_what_kernels_take(driver):
    report = quantizer().explain(gpu(), verbose=True)
    (kernel,) = report.kernels
    assert (kernel["registers"], kernel["spill_bytes"], kernel["threads"], kernel["occupancy"]) == (40, 0, 128, 0.5)
    assert "sm_90a (Fake GPU, cuda:0)" in report.text and "registers 40" in report.text
    assert driver.launches() == []


def test_results_are_arrays_for_other_libraries(driver):
    q = quantizer("UFP4_B")(gpu())
    codes, scales = q.codes, q.scales[0]
    interface = codes.__cuda_array_interface__
    assert interface["data"] == (codes.address, False) and interface["typestr"] == "|u1"
    with pytest.raises(AttributeError, match="bfloat16"):
        scales.__cuda_array_interface__
    assert codes.__dlpack_device__() == (2, 0)
    driver.calls()
    view = arrays.view(OnGPU(scales))  # through its capsule
    assert (view.address, view.shape, view.dtype) == (scales.address, (64, 16), scales.dtype)
    scales.__dlpack__(stream=7)
    assert "cuStreamWaitEvent 7" in driver.calls()
    with pytest.raises(BufferError):
        codes.__dlpack__(dl_device=(1, 0))
    with pytest.raises(qd.UnsupportedError, match="GPU"):
        np.asarray(codes)
    codes_copy = codes.get()
    assert codes_copy.shape == (64, 128) and "cuStreamSynchronize 0" in driver.calls()
    assert qd.bit_identical(q, q)


# PyTorch, whose tensors only say that they lie on a GPU.


@pytest.fixture
def torch(monkeypatch):
    with fake_cuda.torch_tensors(monkeypatch, "cuda:0", stream=42) as torch:
        yield torch


def test_torch_tensors_run_on_the_current_stream(driver, torch):
    x, f = torch.cuda_empty(64, 256, dtype=torch.bfloat16), quantizer("NVFP4", rht=qd.RHT(16))
    q = f(x)
    launches = driver.launches()
    assert {launch.stream for launch in launches} == {42}
    assert any(x.data_ptr() in launch.parameters for launch in launches)
    assert q.codes.data_ptr() in launches[-1].parameters
    assert [t.dtype for t in (q.codes, *q.scales)] == [torch.uint8, torch.float8_e4m3fn, torch.float32]
    f(torch.nn.Parameter(x, requires_grad=False))
    back = qd.dequantize(q, dtype="bf16")
    assert isinstance(back, torch.Tensor) and back.dtype == torch.bfloat16 and back.device.type == "cuda"
    assert not any(line.startswith("cuMem") for line in driver.calls())


def test_exports_stay_on_the_gpu(driver, torch):
    q = quantizer("NVFP4")(torch.cuda_empty(40, 96, dtype=torch.bfloat16))
    q.codes.zero_(), q.scales[0].view(torch.uint8).fill_(1), q.scales[1].fill_(2)
    exported = q.to_te()
    assert {type(value) for value in exported.fields.values()} == {type(q.codes)}
    assert exported.rowwise_scale_inv.view(torch.uint8).sum() == 40 * 6 and exported.amax_rowwise == 2 * 2688
    back = qd.from_te(exported, q.shape)
    assert torch.equal(back.scales[0].view(torch.uint8), q.scales[0].view(torch.uint8)) and back.scales[1] == 2
    with pytest.raises(qd.UnsupportedError, match="cuda:0; this runs on the host"):
        quantizer("NVFP4")(gpu()).to_te()


def test_torch_views_promise_what_they_have(torch, driver):
    wide = torch.cuda_empty(64, 272, dtype=torch.bfloat16)
    assert "quad.stride_divisible_by = array<i64: 8, 1>" in hints(wide[:, :256])
    assert "quad.alignment" not in hints(wide[:, 1:257])
