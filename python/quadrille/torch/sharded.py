"""Linear with a weight that tensor parallelism sharded (torch.distributed.tensor.parallel).

Of a weight sharded along its rows (ColwiseParallel) each rank makes its columns of y from all of x;
dx is the sum of what ranks make. Of one sharded along its columns (RowwiseParallel) each rank makes
a part of y from its columns of x. Shards of whole blocks (and transforms) have the bits of the whole:
columns of y in the first case, columns of dx and dw in the second, where dY, which all ranks have, has
the same noise on all.
"""

from __future__ import annotations

import torch
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard

from ..errors import UnsupportedError


def forward(layer, x) -> DTensor:
    weight, mesh = layer.weight, layer.weight.device_mesh
    if mesh.ndim != 1 or not isinstance(weight.placements[0], (Shard, Replicate)):
        raise UnsupportedError(
            f"a linear layer with a weight that lies as {weight.placements}",
            instead="a mesh of one dimension, sharded by ColwiseParallel or RowwiseParallel",
        )
    place = weight.placements[0]
    if not isinstance(x, DTensor):
        x = DTensor.from_local(x, mesh, [Replicate()], run_check=False)
    if place == Shard(0):
        return _by_rows(layer, x, mesh)
    if place == Shard(1):
        return _by_columns(layer, x, mesh)
    y = layer.product(x.redistribute(mesh, [Replicate()]).to_local(), _local(weight), _local(layer.bias), _group(mesh))
    return DTensor.from_local(y, mesh, [Replicate()], run_check=False)


def _by_rows(layer, x: DTensor, mesh) -> DTensor:
    whole = x.redistribute(mesh, [Replicate()]).to_local(grad_placements=[Partial()])
    y = layer.product(whole, _local(layer.weight), _local(layer.bias), torch.distributed.get_rank())
    return DTensor.from_local(y, mesh, [Shard(y.dim() - 1)], run_check=False)


def _by_columns(layer, x: DTensor, mesh) -> DTensor:
    own = x.redistribute(mesh, [Shard(x.dim() - 1)]).to_local()
    y = layer.product(own, _local(layer.weight), None, _group(mesh))
    y = DTensor.from_local(y, mesh, [Partial()], run_check=False)
    return y if layer.bias is None else y + layer.bias


def _local(parameter):
    return parameter.to_local() if isinstance(parameter, DTensor) else parameter


def _group(mesh) -> int:
    """A number of the ranks that share a weight, of no other group."""
    return int(mesh.mesh.min())
