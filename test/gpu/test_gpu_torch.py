"""quadrille.torch on a GPU: values against the dequantized operands, graphs with fresh noise, compile, autograd's memory."""

from __future__ import annotations

import copy

import pytest
from machine import qd, torch

if torch.cuda.get_device_capability() < (9, 0):
    pytest.skip("products by wgmma need compute capability 9.0", allow_module_level=True)

KEY = qd.Key(3)


def tensors(m=256, k=512, n=384, dtype=torch.bfloat16):
    torch.manual_seed(m)
    return [torch.randn(*shape, dtype=dtype, device="cuda", requires_grad=True) for shape in ((m, k), (n, k), (n,))]


@pytest.mark.parametrize("name", ["UFP4_B", "MXUF4", "NVFP4", "MXFP4", "HIF4", "UFP4", "E2M1_REF"])
@pytest.mark.parametrize("m", [64, 250])
def test_gradients_are_products_of_the_rounded_operands(name, m):
    recipe, (x, w, b) = qd.recipes.BY_NAME[name], tensors(m)
    y = qd.torch.linear(x, w, b, recipe=recipe, key=KEY)
    dy = torch.randn_like(y)
    y.backward(dy)
    noise = KEY.fold_in(2)
    spec = lambda s: s.replace(key=noise) if s.rounding.is_stochastic else s  # noqa: E731
    operands = {
        "x": qd.quantize_pair(x.detach(), row=recipe.fprop[0], col=recipe.wgrad[1], pad=True),
        "w": qd.quantize_pair(w.detach(), row=recipe.fprop[1], col=recipe.dgrad[1], pad=True),
        "dy": qd.quantize_pair(dy, row=spec(recipe.dgrad[0]), col=spec(recipe.wgrad[0]), pad=True),
    }
    (xr, xc), (wr, wc), (dyr, dyc) = ([qd.dequantize(q).double() for q in pair] for pair in operands.values())
    wanted = {"y": (y, xr @ wr.T + b.double()), "dx": (x.grad, dyr @ wc)}
    if m % 64 == 0:  # else a transform fills the padding, which dequantize drops
        wanted["dw"] = (w.grad, dyc.T @ xc)
    for got, exact in wanted.values():
        assert got.dtype == torch.bfloat16
        assert float((got.double() - exact).norm() / exact.norm()) < 4e-3


def model(recipe="UFP4_B", exact=True):
    torch.manual_seed(0)
    layers = torch.nn.Linear(256, 512), torch.nn.GELU(), torch.nn.Linear(512, 256)
    return qd.torch.convert(torch.nn.Sequential(*layers).cuda(), recipe, exact=exact)


def test_f32_scales_are_exact_or_round_if_asked():
    x = torch.randn(128, 256, device="cuda")
    with torch.autocast("cuda", torch.bfloat16):
        for exact in (True, False):
            model("UFP4", exact=exact)(x).float().sum().backward()


def train_step(m, optimizer, x):
    optimizer.zero_grad(set_to_none=False)
    with torch.autocast("cuda", torch.bfloat16):
        loss = m(x).float().square().mean()
    loss.backward()
    optimizer.step()
    return loss


def adam(m):
    return torch.optim.AdamW(m.parameters(), 1e-3, capturable=True)


def losses_of_replays(m, optimizer, x) -> list[float]:
    """Of four replays of a step that is captured after three."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            train_step(m, optimizer, x)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = train_step(m, optimizer, x)
    losses = []
    for _ in range(4):
        graph.replay()
        losses.append(float(loss))
    return losses


def test_a_graph_of_a_step_draws_anew_and_follows_its_weights():
    x, eager, graphed = torch.randn(128, 256, device="cuda"), model(), model()
    optimizer = adam(eager)
    losses = losses_of_replays(graphed, adam(graphed), x)
    wanted = [float(train_step(eager, optimizer, x)) for _ in range(7)][3:]
    assert losses == wanted and len(set(losses)) == 4
    for a, b in zip(eager.parameters(), graphed.parameters()):
        assert torch.equal(a, b)


@pytest.mark.parametrize("recipe", ["UFP4_B", "MXUF4"])
def test_compiled(recipe):
    torch._dynamo.reset()
    m = model(recipe)
    twin = copy.deepcopy(m)
    compiled = torch.compile(twin, fullgraph=True)
    x = torch.randn(128, 256, device="cuda")
    for each in (m, compiled):
        with torch.autocast("cuda", torch.bfloat16):
            loss = each(x).float().square().mean()
        loss.backward()
    for a, b in zip(m.parameters(), twin.parameters()):
        assert float((a.grad - b.grad).norm() / a.grad.norm()) < 2e-2


def test_a_graph_of_a_compiled_step():
    torch._dynamo.reset()
    m = model()
    losses = losses_of_replays(torch.compile(m, fullgraph=True), adam(m), torch.randn(128, 256, device="cuda"))
    assert len(set(losses)) == 4 and losses[-1] < losses[0]


def test_nothing_waits_for_the_device():
    (x, w, _), dy = tensors(256, 512, 384), torch.randn(256, 384, dtype=torch.bfloat16, device="cuda")
    y = qd.torch.linear(x, w, recipe="UFP4_B", key=KEY)
    torch.autograd.grad(y, (x, w), dy)
    torch.cuda.set_sync_debug_mode("error")
    try:
        y = qd.torch.linear(x, w, recipe="UFP4_B", key=KEY)
        torch.autograd.grad(y, (x, w), dy)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_what_is_saved_is_packed():
    x, w, _ = tensors(4096, 1024, 1024)
    before = torch.cuda.memory_allocated()
    y = qd.torch.linear(x, w, recipe="UFP4_B", key=KEY)
    kept = torch.cuda.memory_allocated() - before - y.nbytes
    assert kept < 0.33 * (x.nbytes + w.nbytes)  # 5 bits of 16 an element
