"""quadrille.torch with torch.distributed: two processes on the CPU (gloo)."""

from __future__ import annotations

import copy
import os

import pytest
import quadrille as qd

torch = pytest.importorskip("torch")
import torch.distributed as dist  # noqa: E402
import torch.multiprocessing as mp  # noqa: E402

WORLD = 2
#: Of processes on one machine, whatever its name and its other networks are.
NETWORK = {"MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo"}


def start(rank, port, body):
    os.environ.update(NETWORK, MASTER_PORT=str(port), QUADRILLE_INTERPRET="1")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=WORLD)
    try:
        body(rank)
    finally:
        dist.destroy_process_group()


def run(body):
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    mp.spawn(start, args=(port, body), nprocs=WORLD)


def model(recipe="UFP4_B"):
    torch.manual_seed(0)
    layers = torch.nn.Linear(64, 64), torch.nn.GELU(), torch.nn.Linear(64, 32)
    return qd.torch.convert(torch.nn.Sequential(*layers), recipe)


def gathered(tensor):
    parts = [torch.empty_like(tensor) for _ in range(WORLD)]
    dist.all_gather(parts, tensor.contiguous())
    return parts


def data_parallel(rank):
    m = torch.nn.parallel.DistributedDataParallel(model())
    x = torch.randn(32, 64, generator=torch.Generator().manual_seed(1))
    m(x).square().mean().backward()
    first, second = gathered(m.module[0].weight.grad)
    assert torch.equal(first, second)
    # The same x on both ranks: what a rank has alone differs by its noise, not by its signs.
    alone = model()
    y = alone(x)
    assert torch.equal(*gathered(y.detach()))
    y.square().mean().backward()
    first, second = gathered(alone[0].weight.grad)
    assert not torch.equal(first, second)
    torch.testing.assert_close(first, second, rtol=0.5, atol=0.1 * float(first.abs().max()))
    torch.testing.assert_close(m.module[0].weight.grad, (first + second) / 2)


def fully_sharded(rank):
    from torch.distributed.fsdp import fully_shard

    plain, m = model(), model()
    for layer in (m[0], m[2]):
        fully_shard(layer)
    fully_shard(m)
    optimizers = [torch.optim.SGD(each.parameters(), 0.5) for each in (plain, m)]
    x = torch.randn(32, 64, generator=torch.Generator().manual_seed(1 + rank))
    for _ in range(3):
        results = []
        for each, optimizer in zip((plain, m), optimizers):
            y = each(x)
            y.square().mean().backward()
            results.append(y.detach())
            if each is plain:
                for p in each.parameters():
                    dist.all_reduce(p.grad)
                    p.grad /= WORLD
            optimizer.step()
            optimizer.zero_grad()
        torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


def tensor_parallel(rank):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    plain = model("HIF4")  # which has no noise
    m = copy.deepcopy(plain)
    mesh = init_device_mesh("cpu", (WORLD,))
    recipe = qd.recipes.HIF4.replace(rht=qd.RHT(32, seed=0), format="UFP4_B")
    for each in (plain, m):
        qd.torch.convert(each, recipe)
    parallelize_module(m, mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})
    x = torch.randn(32, 64, generator=torch.Generator().manual_seed(1))
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
    run(body)


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
