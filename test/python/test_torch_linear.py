"""quadrille.torch: values and gradients of linear, what it saves, keys, autocast, checkpointing."""

from __future__ import annotations

import copy

import pytest
import quadrille as qd

torch = pytest.importorskip("torch")
from torch.utils.checkpoint import checkpoint  # noqa: E402

RECIPES = [*qd.recipes.BY_NAME]
KEY = qd.Key(3)


def tensors(m=40, k=64, n=48, dtype=torch.float32, bias=True):
    torch.manual_seed(m + k + n)
    made = [torch.randn(*shape, dtype=dtype, requires_grad=True) for shape in ((m, k), (n, k), (n,))]
    return made if bias else [*made[:2], None]


def composed(x, w, b, dy, recipe, key):
    """(y, dx, dw) by the operations themselves."""
    noise = key.fold_in(2)
    spec = lambda s: s.replace(key=noise) if s.rounding.is_stochastic else s  # noqa: E731
    x, w, b, dy = (None if t is None else t.detach() for t in (x, w, b, dy))
    xr, xc = qd.quantize_pair(x, row=recipe.fprop[0], col=recipe.wgrad[1], pad=True)
    wr, wc = qd.quantize_pair(w, row=recipe.fprop[1], col=recipe.dgrad[1], pad=True)
    dyr, dyc = qd.quantize_pair(dy, row=spec(recipe.dgrad[0]), col=spec(recipe.wgrad[0]), pad=True)
    y = qd.matmul(xr, wr.T, dtype="f32", bias=b)
    return y, qd.matmul(dyr, wc, dtype="f32"), qd.matmul(dyc.T, xc, dtype="f32")


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("m", [32, 40])
def test_gradients_are_the_composition_of_the_operations(name, m):
    recipe, (x, w, b) = qd.recipes.BY_NAME[name], tensors(m)
    y = qd.torch.linear(x, w, b, recipe=recipe, key=KEY)
    dy = torch.randn_like(y)
    y.backward(dy)
    wanted = composed(x, w, b, dy, recipe, KEY)
    for got, expected in zip((y, x.grad, w.grad), wanted):
        assert torch.equal(got, expected)
    torch.testing.assert_close(b.grad, dy.sum(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_without_quantization_it_is_pytorchs(dtype):
    x, w, b = tensors(dtype=dtype)
    mine, theirs = (torch.nn.functional.linear(x, w, b), qd.torch.linear(x, w, b, recipe="BF16"))
    dy = torch.randn_like(mine)
    assert torch.equal(mine, theirs)
    for a, c in zip(torch.autograd.grad(mine, (x, w), dy), torch.autograd.grad(theirs, (x, w), dy)):
        assert torch.equal(a, c)


@pytest.mark.parametrize("left", ["fprop", "dgrad", "wgrad"])
def test_a_product_that_is_not_quantized(left):
    recipe = qd.recipes.UFP4_B.replace(**{left: None})
    x, w, _ = tensors(bias=False)
    y = qd.torch.linear(x, w, recipe=recipe, key=KEY)
    dy = torch.randn_like(y)
    y.backward(dy)
    plain = {"fprop": (y, x @ w.T), "dgrad": (x.grad, dy @ w), "wgrad": (w.grad, dy.T @ x)}
    for product, (got, wanted) in plain.items():
        assert torch.allclose(got, wanted, atol=1e-4) == (product == left)


def test_more_dimensions_and_one():
    x, w, b = tensors(24)
    y = qd.torch.linear(x, w, b, recipe="UFP4", key=KEY)
    assert torch.equal(qd.torch.linear(x.view(2, 3, 4, 64), w, b, recipe="UFP4", key=KEY).view(24, 48), y)
    assert qd.torch.linear(x[0], w, b, recipe="UFP4", key=KEY).shape == (48,)
    assert qd.torch.linear(x[:0], w, b, recipe="UFP4", key=KEY).shape == (0, 48)


def test_what_is_saved_is_packed():
    x, w, _ = tensors(256, 256, 64, bias=False)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        qd.torch.linear(x, w, recipe="UFP4_B", key=KEY)
    saved = [t for t in saved if t.data_ptr() != w.data_ptr()]
    assert 0 < sum(t.nbytes for t in saved) < 0.16 * x.nbytes  # 5 bits of 32 an element


@pytest.mark.parametrize("frozen", ["x", "w"])
def test_no_pass_for_what_is_frozen(frozen, monkeypatch):
    x, w, _ = tensors(bias=False)
    (x if frozen == "x" else w).requires_grad_(False)
    passes = []
    for name in ("quantize", "quantize_pair", "matmul"):
        function = getattr(qd.ops, name)
        monkeypatch.setattr(
            qd.ops, name, lambda *a, _f=function, _n=name, **kw: passes.append(_n) or _f(*a, **kw)
        )
    qd.torch.linear(x, w, recipe="UFP4", key=KEY).sum().backward()
    # One read of each of x, w and dy; the copy by columns of the frozen one's partner alone.
    assert sorted(passes) == ["matmul", "matmul", "quantize", "quantize", "quantize_pair"]
    assert (x.grad is None) == (frozen == "x") and (w.grad is None) == (frozen == "w")


def test_autocast_keeps_weights_whole():
    x, w, b = tensors()
    with torch.autocast("cpu", torch.bfloat16):
        y = qd.torch.linear(x, w, b, recipe="UFP4_B", key=KEY)
    y.float().sum().backward()
    assert y.dtype == torch.bfloat16 and w.grad.dtype == torch.float32 == x.grad.dtype
    assert torch.equal(y, qd.torch.linear(x, w, b, recipe="UFP4_B", key=KEY).bfloat16())


def test_main_gradients_accumulate_in_f32():
    x, w, _ = tensors(bias=False)
    w.main_grad = torch.ones(48, 64)
    for _ in range(2):
        qd.torch.linear(x, w, recipe="UFP4_B", key=KEY).sum().backward()
    alone = w.detach().clone().requires_grad_()
    qd.torch.linear(x, alone, recipe="UFP4_B", key=KEY).sum().backward()
    torch.testing.assert_close(w.main_grad, 1 + 2 * alone.grad)
    assert w.grad is None


def test_a_second_derivative_is_an_error():
    x, w, _ = tensors(bias=False)
    y = qd.torch.linear(x, w, recipe="UFP4", key=KEY)
    (dx,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        dx.sum().backward()


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda x, w: qd.torch.linear(x, w, recipe="UFP5"), qd.ArgumentError, "'UFP5' is not a recipe"),
        (lambda x, w: qd.torch.linear(x, w, recipe=qd.UFP4), qd.ArgumentError, "recipe is"),
        (lambda x, w: qd.torch.linear(x, w, recipe="UFP4"), qd.ArgumentError, "without a key"),
        (lambda x, w: qd.torch.linear(x[:, :32], w, recipe="HIF4"), qd.ShapeError, "linear of x"),
        (lambda x, w: qd.torch.linear(x, w, x[0], recipe="HIF4"), qd.ShapeError, "with b"),
        (lambda x, w: qd.torch.linear(x.double(), w, recipe="HIF4"), qd.DTypeError, "float64"),
        (lambda x, w: qd.torch.convert(torch.nn.ReLU(), "UFP4"), qd.ArgumentError, "no nn.Linear"),
        (lambda x, w: qd.torch.convert(torch.nn.Linear(2, 2), "UFP4", skip=["head"]), qd.ArgumentError, "fits no"),
    ],
)
def test_errors(call, kind, says):
    x, w, _ = tensors(bias=False)
    with pytest.raises(kind, match=says):
        call(x, w)


# Modules.


def model(recipe="UFP4_B", **options):
    torch.manual_seed(0)
    layers = torch.nn.Linear(64, 96), torch.nn.GELU(), torch.nn.Linear(96, 64), torch.nn.Linear(64, 16)
    return qd.torch.convert(torch.nn.Sequential(*layers), recipe, **options)


def test_state_and_parameters_stay():
    plain = torch.nn.Sequential(torch.nn.Linear(64, 96), torch.nn.Linear(96, 64))
    state, parameters = {k: v.clone() for k, v in plain.state_dict().items()}, list(plain.parameters())
    qd.torch.convert(plain, "UFP4")
    assert list(plain.state_dict()) == list(state)
    assert all(a is b for a, b in zip(plain.parameters(), parameters))
    plain.load_state_dict(state)
    assert isinstance(plain[0], torch.nn.Linear) and "recipe=UFP4" in repr(plain[0])


def test_skipped_layers_stay_as_they_are():
    m = model(skip=["3"])
    assert [type(layer) for layer in m] == [qd.torch.Linear, torch.nn.GELU, qd.torch.Linear, torch.nn.Linear]
    m = model(skip=lambda name, layer: layer.out_features == 96)
    assert type(m[0]) is torch.nn.Linear and type(m[2]) is qd.torch.Linear
    mixed = qd.torch.convert(m, "MXUF4", skip=["3"])
    assert mixed[2].recipe == "MXUF4" and mixed[3].recipe == "UFP4_B"


def test_weights_are_quantized_once_for_each_optimizer_step(monkeypatch):
    m, passes = model(), []
    pair = qd.ops.quantize_pair
    weights = {layer.weight.data_ptr() for layer in m if hasattr(layer, "weight")}

    def counting(x, *args, **kwargs):
        passes.append(x.data_ptr() in weights)
        return pair(x, *args, **kwargs)

    monkeypatch.setattr(qd.ops, "quantize_pair", counting)
    optimizer, x = torch.optim.SGD(m.parameters(), 0.1), torch.randn(32, 64, requires_grad=True)
    for step in range(2):
        for _ in range(3):
            m(x).sum().backward()
        assert sum(passes) == 3 * (step + 1)
        optimizer.step()
    before = sum(passes)
    m(x)
    assert sum(passes) == before + 3  # after the optimizer's last step
    with torch.no_grad():
        m[0].weight.mul_(2)
    m(x)
    assert sum(passes) == before + 4


def gradients(m, x, run=lambda m, x: m(x)):
    m.zero_grad()
    run(m, x).square().sum().backward()
    return [p.grad.clone() for p in m.parameters()]


def test_noise_follows_layer_step_and_seed():
    x = torch.randn(32, 64)
    first, other = model(), model(seed=1)
    a, b, c = gradients(first, x), gradients(first, x), gradients(other, x)
    assert not torch.equal(a[0], b[0]) and not torch.equal(a[0], c[0])
    assert all(torch.equal(p, q) for p, q in zip(a, gradients(model(), x)))
    assert int(first[0].step) == 2
    first.eval()
    first(x)
    assert int(first[0].step) == 2
    copied = copy.deepcopy(first).train()
    assert copied[0]._layer != first[0]._layer


@pytest.mark.parametrize("recipe", ["UFP4_B", qd.recipes.MXUF4])
def test_a_pickled_model_is_the_same_and_its_own(recipe):
    import pickle

    m = model(recipe)
    again, x = pickle.loads(pickle.dumps(m)), torch.randn(32, 64)
    assert again[0]._layer != m[0]._layer and again[0]._recipe_number == m[0]._recipe_number
    assert torch.equal(m(x), again(x))


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing_gives_the_same_bits(reentrant):
    x = torch.randn(32, 64, requires_grad=True)
    recipe = qd.recipes.UFP4_B
    x_spec, w_spec = recipe.fprop
    recipe = recipe.replace(fprop=(x_spec.replace(rounding=qd.stochastic()), w_spec))
    wanted = gradients(model(recipe), x)
    run = lambda m, x: checkpoint(m, x, use_reentrant=reentrant)  # noqa: E731
    assert all(torch.equal(a, b) for a, b in zip(wanted, gradients(model(recipe), x, run)))


def test_rows_of_a_shard_have_the_bits_of_the_whole():
    x, w, _ = tensors(64, bias=False)
    recipe = qd.recipes.UFP4_B
    y = qd.torch.linear(x, w, recipe=recipe, key=KEY)
    dy = torch.randn_like(y)
    (dx,) = torch.autograd.grad(y, x, dy)
    for begin in (0, 32):
        part = x[begin : begin + 32].detach().requires_grad_()
        y_part = qd.torch.linear(part, w.detach(), recipe=recipe, key=KEY, index_base=begin * 48)
        assert torch.equal(y_part, y[begin : begin + 32])
        (dx_part,) = torch.autograd.grad(y_part, part, dy[begin : begin + 32])
        assert torch.equal(dx_part, dx[begin : begin + 32])


def test_quantized_tensors_are_pytrees():
    from torch.utils import _pytree

    q = qd.quantize(torch.randn(32, 64), "NVFP4", axis=0, rht=qd.RHT(16))
    leaves, tree = _pytree.tree_flatten({"q": q})
    again = _pytree.tree_unflatten(leaves, tree)["q"]
    assert len(leaves) == 3 and qd.bit_identical(again, q) and repr(again) == repr(q)


def test_training_learns():
    torch.manual_seed(0)
    m, target = model("UFP4_B"), torch.nn.Linear(64, 16)
    optimizer, x = torch.optim.AdamW(m.parameters(), 1e-2), torch.randn(128, 64)
    losses = []
    for _ in range(15):
        loss = (m(x) - target(x).detach()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
