"""Data-parallel training with 4-bit products: torchrun --nproc-per-node 2 examples/train_ddp.py

Each rank has its own data and its own rounding noise; signs of transforms and weights are the same.
"""

from __future__ import annotations

import argparse

import quadrille as qd
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="UFP4_B")
    parser.add_argument("--steps", type=int, default=30)
    given = parser.parse_args()
    gpu = torch.cuda.is_available()
    dist.init_process_group("nccl" if gpu else "gloo")
    rank = dist.get_rank()
    device = torch.device("cuda", rank % torch.cuda.device_count()) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.GELU(), torch.nn.Linear(512, 64)).to(device)
    model = DistributedDataParallel(qd.torch.convert(model, given.recipe))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    teacher = torch.randn(256, 64, device=device)
    torch.manual_seed(1 + rank)  # data of this rank
    for step in range(1, given.steps + 1):
        x = torch.randn(256, 256, device=device)
        with torch.autocast(device.type, torch.bfloat16):
            loss = (model(x).float() - torch.tanh(x @ teacher / 16)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if rank == 0 and step % 10 == 0:
            print(f"step {step}: loss {loss.item():.4f}", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
