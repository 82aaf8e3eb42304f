"""Trains a small GPT on bytes of text with the products of a 4-bit recipe, and compares recipes.

    python examples/train_gpt.py --out results                        # small, on a CPU in minutes
    python examples/train_gpt.py --size gpt85m --tokens 200e6 --out r # 12 layers, on a GPU
    python examples/train_gpt.py --size gpt85m --time                 # milliseconds of a step, beside peers
    python examples/train_gpt.py --out results --report               # table and curves of what is there

Runs of one seed have the same weights at the start, order of data and noise keys. Each writes
OUT/<recipe>-<seed>.json as it goes, and one that is done is not run again. Without --text the corpus
is the Python installation's own source text.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
import statistics
import sysconfig
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import quadrille as qd
import torch
from torch import nn
from torch.nn import functional as F

VOCABULARY, CORPUS_BYTES = 256, 40 << 20
RECIPES = qd.recipes
NAMED = {
    "bf16": None,
    "UFP4": RECIPES.UFP4,
    "UFP4_B": RECIPES.UFP4_B,
    "MXUF4": RECIPES.MXUF4,
    "E2M1_REF": RECIPES.E2M1_REF,
    "E2M1+RHT": RECIPES.E2M1_REF.replace(rht=qd.RHT(16, seed=0)),
    "UFP4-noSR": RECIPES.UFP4.replace(rounding=qd.nearest_even),
    "UFP4-noRHT": RECIPES.UFP4.replace(rht=None),
    "NVFP4": RECIPES.NVFP4,
    "HIF4": RECIPES.HIF4,
}
COMPARED = ["bf16", "UFP4", "E2M1_REF", "E2M1+RHT", "UFP4-noSR", "UFP4-noRHT"]
SEVERAL_SEEDS = ("bf16", "UFP4", "E2M1_REF")


@dataclass(frozen=True)
class Size:
    layers: int
    width: int
    heads: int
    context: int
    batch: int
    tokens: float
    rate: float = 6e-4


SIZES = {
    "small": Size(layers=2, width=128, heads=4, context=128, batch=16, tokens=0.6e6, rate=1e-3),
    "medium": Size(layers=6, width=512, heads=8, context=512, batch=64, tokens=20e6),
    "gpt85m": Size(layers=12, width=768, heads=12, context=1024, batch=64, tokens=200e6),
}


class Block(nn.Module):
    def __init__(self, size: Size):
        super().__init__()
        d, self.heads = size.width, size.heads
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.fc1, self.fc2 = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, t, d))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class GPT(nn.Module):
    """A byte-level GPT with learned positions."""

    def __init__(self, size: Size):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, size.width)
        self.positions = nn.Parameter(0.02 * torch.randn(size.context, size.width))
        self.blocks = nn.ModuleList(Block(size) for _ in range(size.layers))
        self.norm, self.head = nn.LayerNorm(size.width), nn.Linear(size.width, VOCABULARY, bias=False)
        for name, p in self.named_parameters():
            if p.dim() == 2 and name != "positions":
                last = name.endswith(("proj.weight", "fc2.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * size.layers) if last else 0.02)

    def forward(self, tokens, targets):
        x = self.embedding(tokens) + self.positions[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.cross_entropy(self.head(self.norm(x)).float().view(-1, VOCABULARY), targets.reshape(-1))


def corpus(path: str | None) -> torch.Tensor:
    """Bytes of a file, or of the sources of Python's standard library in the order of their names."""
    if path:
        data = Path(path).read_bytes()
    else:
        files = sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py"))
        files = (f for f in files if "site-packages" not in f.parts and "test" not in f.parts)
        data = b""
        for file in files:
            data += file.read_bytes()
            if len(data) > CORPUS_BYTES:
                break
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


class Batches:
    """Windows of the text in a random order that the seed fixes; the last 5 % are for validation."""

    def __init__(self, data, size: Size, seed: int, device, validation: bool = False):
        split = len(data) * 19 // 20
        self.data, self.size = (data[split:] if validation else data[:split]).to(device), size
        self.generator = torch.Generator().manual_seed(seed)
        self.window = torch.arange(size.context + 1, device=device)

    def next(self):
        starts = torch.randint(len(self.data) - self.size.context - 1, (self.size.batch, 1), generator=self.generator)
        tokens = self.data[starts.to(self.window.device) + self.window].long()
        return tokens[:, :-1], tokens[:, 1:]


def make(size: Size, recipe, seed: int, device) -> GPT:
    torch.manual_seed(seed)
    model = GPT(size).to(device)
    if recipe is not None:
        # Exact products of f32 scales are slow on GPUs: code x scale is rounded to bf16 there.
        qd.torch.convert(model, recipe, skip=["head"], seed=seed, exact=False)
    return model


def optimizer_of(model, size: Size, device):
    decayed = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=size.rate, betas=(0.9, 0.95), fused=device.type == "cuda")


def step(model, optimizer, batch, device) -> torch.Tensor:
    with torch.autocast(device.type, torch.bfloat16):
        loss = model(*batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


@torch.no_grad()
def validate(model, data, size: Size, device, count: int = 16) -> float:
    model.eval()
    batches = Batches(data, size, 1234, device, validation=True)
    with torch.autocast(device.type, torch.bfloat16):
        loss = sum(model(*batches.next()) for _ in range(count)) / count
    model.train()
    return float(loss)


def learning_rate(progress: float) -> float:
    """A linear warm-up over 5 %, then a cosine to a tenth."""
    return min(1.0, progress / 0.05) * (0.55 + 0.45 * math.cos(math.pi * progress))


def train(name: str, seed: int, size: Size, data, device, file: Path, seconds: float, compiled: bool) -> None:
    """One run; writes its curve into `file` now and then."""
    model = make(size, NAMED[name], seed, device)
    optimizer, batches = optimizer_of(model, size, device), Batches(data, size, seed, device)
    run = torch.compile(model) if compiled else model
    per_step = size.batch * size.context
    steps = max(1, int(size.tokens // per_step))
    curve, began = [], time.monotonic()
    for number in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = size.rate * learning_rate(number / steps)
        loss = step(run, optimizer, batches.next(), device)
        if number % max(1, steps // 50) == 0 or number == steps:
            curve.append((number * per_step, float(loss)))
            taken = time.monotonic() - began
            done = number == steps
            result = {"recipe": name, "seed": seed, "size": asdict(size), "curve": curve, "seconds": taken}
            result["done"] = done
            result["device"] = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
            if done:
                result["validation"] = validate(model, data, size, device)
            file.write_text(json.dumps(result))
            tokens = number * per_step / 1e6
            print(f"{name} seed {seed}: {tokens:.2f}M tokens, loss {loss:.4f}, {taken:.0f} s", flush=True)
            if taken > seconds and not done:
                print(f"{name} seed {seed}: stopped after {taken:.0f} s", flush=True)
                return


# Milliseconds of a step.


class FakeLinear(nn.Linear):
    """The UFP4 recipe as tensor operations that PyTorch has: round, and back, in bf16."""

    def forward(self, x):
        dtype = torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype
        y = FakeProduct.apply(x.reshape(-1, x.shape[-1]).to(dtype), self.weight, self.hadamard)
        return y.view(*x.shape[:-1], -1) + self.bias.to(dtype)


def fake(x, hadamard, noise: bool = False):
    blocks = (x.unflatten(-1, (-1, hadamard.shape[0])) @ hadamard.to(x.dtype)).float()
    scale = (blocks.abs().amax(-1, keepdim=True) / 7).clamp_min(1e-30)
    t = blocks / scale
    t = torch.floor(t + torch.rand_like(t)) if noise else torch.round(t)
    return (t.clamp(-7, 7) * scale).to(torch.bfloat16).flatten(-2)


class FakeProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, hadamard):
        ctx.save_for_backward(x, w, hadamard)
        return fake(x, hadamard) @ fake(w.to(x.dtype), hadamard).T

    @staticmethod
    def backward(ctx, dy):
        x, w, h = ctx.saved_tensors
        dx = fake(dy, h, noise=True) @ fake(w.to(dy.dtype).T, h).T
        return dx, (fake(dy.T, h, noise=True) @ fake(x.T, h).T).to(w.dtype), None


def with_fakes(model: GPT, n: int = 16) -> GPT:
    h = torch.ones(1, 1)
    while h.shape[0] < n:
        h = torch.cat([torch.cat([h, h], 1), torch.cat([h, -h], 1)])
    signs = torch.randint(0, 2, (n, 1)) * 2.0 - 1
    for name, module in model.named_modules():
        if type(module) is nn.Linear and name != "head":
            module.__class__ = FakeLinear
            module.register_buffer("hadamard", (signs * h / n**0.5).to(module.weight.device), persistent=False)
    return model


def time_steps(size: Size, data, device, names, count: int = 12) -> None:
    """Milliseconds of a step and GiB at most, each by itself after it has warmed up; medians."""
    batches = Batches(data, size, 0, device)
    kinds = {"bf16, torch.compile": lambda: torch.compile(make(size, None, 0, device))}
    for name in names:
        kinds[name] = functools.partial(make, size, NAMED[name], 0, device)
        kinds[f"{name}, torch.compile"] = lambda name=name: torch.compile(make(size, NAMED[name], 0, device))
    kinds["fake quantization, torch.compile"] = lambda: torch.compile(with_fakes(make(size, None, 0, device)))
    print("| step | ms | of bf16 | GiB at most | of bf16 |\n|---|---|---|---|---|", flush=True)
    base = None
    for kind, build in kinds.items():
        torch.cuda.empty_cache()
        model = build()
        optimizer, times = optimizer_of(model, size, device), []
        for number in range(count + 4):
            if number == 4:
                torch.cuda.reset_peak_memory_stats()
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            batch = batches.next()
            start.record()
            step(model, optimizer, batch, device)
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end))
        taken, peak = statistics.median(times[4:]), torch.cuda.max_memory_allocated() / 2**30
        base = base or (taken, peak)
        print(f"| {kind} | {taken:.1f} | {taken / base[0]:.2f} | {peak:.1f} | {peak / base[1]:.2f} |", flush=True)
        del model, optimizer


# Reports.


def report(out: Path) -> str:
    """A Markdown table of validation losses relative to bf16 of the same seed; draws OUT/curves.png with matplotlib."""
    runs = [json.loads(file.read_text()) for file in sorted(out.glob("*.json"))]
    done = {(run["recipe"], run["seed"]): run for run in runs if run["done"]}
    lines = ["| recipe | seeds | validation loss | over bf16 of the same seed, % | seconds |", "|---|---|---|---|---|"]
    for name in dict.fromkeys(recipe for recipe, _ in sorted(done, key=lambda k: list(NAMED).index(k[0]))):
        of = {seed: run for (recipe, seed), run in done.items() if recipe == name}
        losses = [run["validation"] for run in of.values()]
        relative = [
            100 * (run["validation"] / done["bf16", seed]["validation"] - 1)
            for seed, run in of.items()
            if ("bf16", seed) in done
        ]
        spread = f" ({min(relative):+.2f} .. {max(relative):+.2f})" if len(relative) > 1 else ""
        mean = f"{statistics.mean(relative):+.2f}{spread}" if relative else "-"
        seconds = statistics.mean(run["seconds"] for run in of.values())
        lines.append(f"| {name} | {len(of)} | {statistics.mean(losses):.4f} | {mean} | {seconds:.0f} |")
    _draw(done, out / "curves.png")
    return "\n".join(lines)


def _draw(done: dict, file: Path) -> None:
    try:
        import matplotlib

        matplotlib.use("agg")
        from matplotlib import pyplot
    except ImportError:
        print("no curves: matplotlib is not installed")
        return
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4))
    reference = {seed: run["curve"] for (name, seed), run in done.items() if name == "bf16"}
    for number, name in enumerate(n for n in NAMED if any(recipe == n for recipe, _ in done)):
        color = f"C{number}"
        curves = {seed: run["curve"] for (recipe, seed), run in done.items() if recipe == name}
        tokens = [t / 1e6 for t, _ in next(iter(curves.values()))]
        losses = [[loss for _, loss in curve] for curve in curves.values()]
        left.plot(tokens, [statistics.mean(v) for v in zip(*losses)], label=name, color=color)
        gaps = [
            [100 * (loss / base - 1) for (_, loss), (_, base) in zip(curve, reference[seed])]
            for seed, curve in curves.items()
            if seed in reference and name != "bf16"
        ]
        if gaps:
            right.plot(tokens, [statistics.mean(v) for v in zip(*gaps)], label=name, color=color)
            low, high = ([f(v) for v in zip(*gaps)] for f in (min, max))
            right.fill_between(tokens, low, high, alpha=0.2, color=color)
    left.set(xlabel="tokens, millions", ylabel="training loss", title="loss (mean of seeds)")
    right.set(xlabel="tokens, millions", ylabel="%", title="loss over bf16 of the same seed (mean, range)")
    right.axhline(0, color="black", linewidth=0.5)
    left.legend()
    figure.tight_layout()
    figure.savefig(file, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--recipes", nargs="+", choices=NAMED, default=COMPARED)
    parser.add_argument("--seeds", type=int, default=3, help="of bf16, UFP4 and E2M1_REF; the others have one")
    parser.add_argument("--tokens", type=float, help="of a run; default: the size's")
    parser.add_argument("--minutes", type=float, default=math.inf, help="after which no run goes on")
    parser.add_argument("--text", help="a file to train on")
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model")
    parser.add_argument("--time", action="store_true", help="time steps instead of training")
    parser.add_argument("--report", action="store_true", help="only the table and curves of --out")
    given = parser.parse_args()
    device, size = torch.device(given.device), SIZES[given.size]
    if given.tokens:
        size = Size(**{**asdict(size), "tokens": given.tokens})
    if given.report:
        return print(report(given.out))
    data = corpus(given.text)
    if given.time:
        return time_steps(size, data, device, [name for name in given.recipes if name != "bf16"])
    given.out.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + 60 * given.minutes
    for seed, name in itertools.product(range(given.seeds), given.recipes):
        if seed and name not in SEVERAL_SEEDS:
            continue
        file = given.out / f"{name}-{seed}.json"
        if file.exists() and json.loads(file.read_text())["done"]:
            continue
        if time.monotonic() > ends:
            break
        train(name, seed, size, data, device, file, ends - time.monotonic(), given.compile)
    print(report(given.out))


if __name__ == "__main__":
    main()
