"""quadrille.torch with torch.distributed: two processes on the CPU (gloo)."""

from __future__ import annotations

import copy
import os

import pytest
import quadrille as qd

torch = pytest.importorskip("torch")
from processes import NETWORK, WORLD, data, data_parallel, fully_sharded, model, run  # noqa: E402


def tensor_parallel(rank, device):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    plain = model(device, "HIF4")  # which has no noise
    m = copy.deepcopy(plain)
    mesh = init_device_mesh(device, (WORLD,))
    recipe = qd.recipes.HIF4.replace(rht=qd.RHT(32, seed=0), format="UFP4_B")
    for each in (plain, m):
        qd.torch.convert(each, recipe)
    parallelize_module(m, mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})
    x = data(device, 1)
    hidden = m[0](x)
    assert torch.equal(hidden, plain[0](x).chunk(WORLD, 1)[rank])  # the bits of the whole
    y, wanted = m(x), plain(x)
    torch.testing.assert_close(y, wanted, rtol=1e-4, atol=1e-5)
    y.square().mean().backward()
    wanted.square().mean().backward()
    for mine, whole in zip(m.parameters(), plain.parameters()):
        torch.testing.assert_close(mine.grad.full_tensor(), whole.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("body", [data_parallel, fully_sharded, tensor_parallel])
def test_two_processes(body):
    run(body, "cpu")


def test_the_example_of_data_parallel_training(tmp_path):
    import subprocess
    import sys
    from pathlib import Path

    example = Path(__file__).resolve().parents[2] / "examples" / "train_ddp.py"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    paths = ":".join(p for p in sys.path if p)
    environment = {**os.environ, **NETWORK, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([*command, example, "--steps", "10"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "step 10: loss" in done.stdout
