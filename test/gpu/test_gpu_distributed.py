"""quadrille.torch with torch.distributed: two processes with a GPU each (NCCL)."""

from __future__ import annotations

import pytest
from machine import torch

if torch.cuda.device_count() < 2:
    pytest.skip("needs two GPUs", allow_module_level=True)

from processes import data_parallel, fully_sharded, run  # noqa: E402


@pytest.mark.parametrize("body", [data_parallel, fully_sharded])
def test_two_gpus(body):
    run(body, "cuda")
