"""quadrille.torch with torch.distributed: two processes with a GPU each (NCCL)."""

from __future__ import annotations

import os
import socket

import pytest
from machine import qd, torch

if torch.cuda.device_count() < 2:
    pytest.skip("needs two GPUs", allow_module_level=True)

import torch.distributed as dist  # noqa: E402
import torch.multiprocessing as mp  # noqa: E402

WORLD = 2


def start(rank, port, body):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.cuda.set_device(rank)
    dist.init_process_group("nccl", rank=rank, world_size=WORLD, device_id=torch.device("cuda", rank))
    try:
        body(rank)
    finally:
        dist.destroy_process_group()


def run(body):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    mp.spawn(start, args=(port, body), nprocs=WORLD)


def model(recipe="UFP4_B"):
    torch.manual_seed(0)
    layers = torch.nn.Linear(256, 512), torch.nn.GELU(), torch.nn.Linear(512, 128)
    return qd.torch.convert(torch.nn.Sequential(*layers).cuda(), recipe)


def data(seed):
    return torch.randn(512, 256, generator=torch.Generator().manual_seed(seed)).cuda()


def gathered(tensor):
    parts = [torch.empty_like(tensor) for _ in range(WORLD)]
    dist.all_gather(parts, tensor.contiguous())
    return parts


def data_parallel(rank):
    m = torch.nn.parallel.DistributedDataParallel(model(), device_ids=[rank])
    m(data(1)).square().mean().backward()
    assert torch.equal(*gathered(m.module[0].weight.grad))
    # The same x on both ranks: what a rank has alone differs by its noise, not by its signs.
    alone = model()
    y = alone(data(1))
    assert torch.equal(*gathered(y.detach()))
    y.square().mean().backward()
    first, second = gathered(alone[0].weight.grad)
    assert not torch.equal(first, second)
    torch.testing.assert_close(m.module[0].weight.grad, (first + second) / 2)


def fully_sharded(rank):
    from torch.distributed.fsdp import fully_shard

    plain, m = model(), model()
    for layer in (m[0], m[2]):
        fully_shard(layer)
    fully_shard(m)
    optimizers = [torch.optim.SGD(each.parameters(), 0.5) for each in (plain, m)]
    x = data(1 + rank)
    for _ in range(3):
        results = []
        for each, optimizer in zip((plain, m), optimizers):
            y = each(x)
            y.square().mean().backward()
            results.append(y.detach())
            if each is plain:
                for p in each.parameters():
                    dist.all_reduce(p.grad, op=dist.ReduceOp.AVG)
            optimizer.step()
            optimizer.zero_grad()
        torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("body", [data_parallel, fully_sharded])
def test_two_gpus(body):
    run(body)
