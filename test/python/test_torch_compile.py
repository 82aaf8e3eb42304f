"""quadrille.torch under torch.compile: no graph break, one compile for all batch sizes, the bits of eager."""

from __future__ import annotations

import copy

import pytest
import quadrille as qd

torch = pytest.importorskip("torch")
from torch._dynamo.testing import CompileCounterWithBackend  # noqa: E402


def model(recipe):
    torch.manual_seed(0)
    layers = torch.nn.Linear(64, 96), torch.nn.GELU(), torch.nn.Linear(96, 32)
    return qd.torch.convert(torch.nn.Sequential(*layers), recipe)


@pytest.mark.parametrize("recipe", ["UFP4_B", "MXUF4", "NVFP4"])
def test_one_compile_for_ten_batch_sizes(recipe):
    torch._dynamo.reset()
    eager = model(recipe)
    twin, counter = copy.deepcopy(eager), CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(twin, fullgraph=True, dynamic=True, backend=counter)
    for batch in (80, 33, 64, 65, 96, 100, 128, 160, 200, 70):
        x = torch.randn(batch, 64)
        for m in (eager, compiled):
            m(x).square().mean().backward()
        for a, b in zip(eager.parameters(), twin.parameters()):
            assert torch.equal(a.grad, b.grad)
    assert counter.frame_count == 1
    assert int(twin[0].step) == 10


def test_inductor_and_autocast():
    torch._dynamo.reset()
    m = model("UFP4_B")
    compiled = torch.compile(copy.deepcopy(m), fullgraph=True)
    x = torch.randn(64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        wanted, got = m(x), compiled(x)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got, wanted, rtol=2e-2, atol=2e-2)


def test_operators_are_what_their_fakes_say():
    x, w, b = torch.randn(40, 64), torch.randn(48, 64), torch.randn(48)
    step = torch.zeros(1, dtype=torch.int64)
    number = qd.torch.products.recipe_number("UFP4")
    facts = number, 0, torch.float32, True, True, 1, [2], 0
    checks = ("test_schema", "test_faketensor")
    torch.library.opcheck(torch.ops.quadrille.linear.default, (x, w, b, step, *facts), test_utils=checks)
    y, *kept = torch.ops.quadrille.linear(x, w, b, step, *facts)
    facts = number, 0, True, True, torch.float32, torch.float32, 1, [2], 0
    arguments = (torch.randn_like(y), w, None, kept, step, *facts)
    torch.library.opcheck(torch.ops.quadrille.linear_backward.default, arguments, test_utils=checks)
    facts = number, 0, True, torch.float32, 1, [2], 0
    arguments = (torch.randn_like(y), w, None, kept, torch.zeros(48, 64), step, *facts)
    torch.library.opcheck(torch.ops.quadrille.linear_accumulate.default, arguments, test_utils=checks)
