"""Two processes of torch.distributed, and what the layers of quadrille.torch have to keep in them on any device."""

from __future__ import annotations

import os
import socket

import quadrille as qd
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

WORLD = 2
#: Of processes on one machine, whatever its name and its other networks are.
NETWORK = {"MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo"}


def _start(rank, port, body, device):
    os.environ.update(NETWORK, MASTER_PORT=str(port))
    if device == "cuda":
        torch.cuda.set_device(rank)
        dist.init_process_group("nccl", rank=rank, world_size=WORLD, device_id=torch.device("cuda", rank))
    else:
        os.environ["QUADRILLE_INTERPRET"] = "1"
        torch.set_num_threads(1)
        dist.init_process_group("gloo", rank=rank, world_size=WORLD)
    try:
        body(rank, device)
    finally:
        dist.destroy_process_group()
    # Without the interpreter's end: a process aborted once ("terminate called without an active exception"), as threads
    # of gloo's do that ask for the interpreter's lock then.
    os._exit(0)


def run(body, device: str) -> None:
    """body(rank, device) in both: by gloo on "cpu", by NCCL with a GPU each on "cuda"."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    mp.spawn(_start, args=(port, body, device), nprocs=WORLD)


def model(device, recipe="UFP4_B"):
    torch.manual_seed(0)
    layers = torch.nn.Linear(64, 64), torch.nn.GELU(), torch.nn.Linear(64, 32)
    return qd.torch.convert(torch.nn.Sequential(*layers).to(device), recipe)


def data(device, seed):
    return torch.randn(32, 64, generator=torch.Generator().manual_seed(seed)).to(device)


def gathered(tensor):
    parts = [torch.empty_like(tensor) for _ in range(WORLD)]
    dist.all_gather(parts, tensor.contiguous())
    return parts


def data_parallel(rank, device):
    m = torch.nn.parallel.DistributedDataParallel(model(device))
    m(data(device, 1)).square().mean().backward()
    assert torch.equal(*gathered(m.module[0].weight.grad))
    # The same x on both ranks: what a rank has alone differs by its noise, not by its signs.
    alone = model(device)
    y = alone(data(device, 1))
    assert torch.equal(*gathered(y.detach()))
    y.square().mean().backward()
    first, second = gathered(alone[0].weight.grad)
    assert not torch.equal(first, second)
    torch.testing.assert_close(first, second, rtol=0.5, atol=0.1 * float(first.abs().max()))
    torch.testing.assert_close(m.module[0].weight.grad, (first + second) / 2)


def fully_sharded(rank, device):
    from torch.distributed.fsdp import fully_shard

    plain, m = model(device), model(device)
    for layer in (m[0], m[2]):
        fully_shard(layer)
    fully_shard(m)
    optimizers = [torch.optim.SGD(each.parameters(), 0.5) for each in (plain, m)]
    x = data(device, 1 + rank)
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
